"""Whole sweeps in this process, against numbers from elsewhere."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neurocircuit.spec import NeuronSpec, SweepSpec
from neurocircuit.studies.sweep import rundir
from neurocircuit.studies.sweep.run import Settings, run_sweep
from neurocircuit.tables import TransferTable, read_dataset

SMALL = SweepSpec(jitter=(0.01, 0.09), bits=(4, 16))


@pytest.fixture
def run(tmp_path, request_for):
    def run(bench, out="run", ledger="ledger", sweep=SMALL, spec=None):
        request = request_for(bench, spec=spec, sweep=sweep)
        return run_sweep(request, Settings(tmp_path / out, tmp_path / ledger, jobs=1))

    return run


def eq4(t, w):
    """Both inputs in the causal set, threshold 1: e^t_j = Σ w e^t / (Σ w - 1); [trial]."""
    return np.log((w * np.exp(t)).sum(axis=-1) / (w.sum(axis=-1) - 1))


def test_the_ideal_row_is_eq_4_on_the_stored_draws(run, tmp_path, testbench):
    outcome = run(testbench(trials=400))
    draws = read_dataset(tmp_path / "run" / "draws.nc")
    times, weights = np.array([0.16, 0.3]), np.array([0.8, 0.9])
    clean = draws["clean_jitter"].sel(level="ideal").values
    np.testing.assert_allclose(clean, eq4(times, weights), rtol=1e-12)
    row = outcome.table.row("jitter", "ideal", 0.09)
    measured = draws["jittered"].sel(level="ideal", input_jitter=0.09).values
    relative = np.abs(measured - clean) / clean
    assert row["mean"] == pytest.approx(relative.mean(), rel=1e-12)
    assert row["maximum"] == relative.max()
    # First order: std of Δ = 0.09 · |p_i t_i|; a standard deviation from n draws has the standard error 1/√(2n).
    p = weights * np.exp(times) / (weights * np.exp(times)).sum()
    expected = 0.09 * np.sqrt(((p * times) ** 2).sum())
    assert np.std(measured - clean) == pytest.approx(expected, rel=5 / np.sqrt(800) + 0.01)
    quantised = draws["quantised"].sel(level="ideal", bits=4).values
    np.testing.assert_allclose(quantised, eq4(times, np.round(weights * 7.5) / 7.5), rtol=1e-12)


def test_the_curve_of_eq_4_has_exponent_one(run, testbench):
    outcome = run(testbench(trials=200), sweep=SweepSpec(jitter=(0.001, 0.003, 0.01), bits=()))
    value, low, high = outcome.table.exponent("ideal")
    assert low <= value <= high
    assert value == pytest.approx(1.0, abs=0.01)  # the next order is 0.01 of the first
    assert outcome.table.halves == ("jitter",)


def test_desired_eq4_measures_every_level_against_the_ideal_one(run, tmp_path, testbench):
    outcome = run(testbench(trials=10, level="averaged", desired="eq4"), spec=NeuronSpec(spike_width_s=0.0))
    draws = read_dataset(tmp_path / "run" / "draws.nc")
    for name in ("clean_jitter", "clean_bits"):
        np.testing.assert_array_equal(draws[name].sel(level="averaged"), draws[name].sel(level="ideal"))
    # Finite r delays or advances the neuron against eq. (4) by a few percent (findings §1: -6.5 % at r = 8).
    assert 0.01 < outcome.table.row("jitter", "averaged", 0.01)["mean"] < 0.2
    assert outcome.table.row("jitter", "averaged", 0.01)["floor"] < 1e-12


def test_the_first_input_as_origin_makes_the_result_shift_invariant(run, testbench):
    rows = []
    for k, shift in enumerate((0.0, 0.5)):
        bench = testbench(time_origin="first-input", input_times_over_tau=(0.1 + shift, 0.4 + shift))
        table = run(bench, out=f"run{k}").table
        rows.append([table.row("jitter", "ideal", value)["mean"] for value in SMALL.jitter])
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-9)
    arming = run(testbench(input_times_over_tau=(0.6, 0.9)), out="arming").table
    assert arming.row("jitter", "ideal", 0.09)["mean"] > 1.5 * rows[1][1]


def test_a_sweep_in_which_no_draw_fires_is_a_result_without_warnings(run, tmp_path, testbench):
    silent = testbench(level="edge", weights=(0.2, 0.3), quantised_weights=(0.2, 0.3), trials=6)
    outcome = run(silent)
    row = outcome.table.row("jitter", "edge", 0.01)
    assert (row["fired"], row["silent_fraction"], row["n"]) == (0.0, 1.0, 6.0)
    assert np.isnan(row["mean"])
    assert outcome.record["exit_code"] == 0
    TransferTable.load(tmp_path / "run" / "table.nc")


def test_draws_before_arming_are_counted_as_failed_and_the_sweep_says_so(run, tmp_path, testbench):
    bench = testbench(jitter_reference="tau", trials=300)
    outcome = run(bench, sweep=SweepSpec(jitter=(0.2,), bits=()))
    assert outcome.record["exit_code"] == 3
    assert outcome.record["status"] == "partial"
    own = [group for group in outcome.record["failed"] if "interpretation" not in group]
    assert {group["level"] for group in own} == {"ideal", "averaged"}
    assert {group["row"] for group in own} == {"jitter=0.2"}
    row = outcome.table.row("jitter", "ideal", 0.2)
    assert row["failed_fraction"] * 300 == pytest.approx(len(own[0]["trials"]))
    assert row["fired"] + len(own[0]["trials"]) == 300
    draws = read_dataset(tmp_path / "run" / "draws.nc")
    failed = np.flatnonzero(np.isnan(draws["jittered"].sel(level="ideal", input_jitter=0.2)))
    assert failed.tolist() == own[0]["trials"]


def test_files_follow_their_description(run, tmp_path, testbench):
    run(testbench(level="edge", trials=40))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "complete"
    assert record["failed"] == []
    with (tmp_path / "run" / "sensitivity.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines[0]["interpretation"] == "baseline"
    by_reading = {line["interpretation"] for line in lines}
    assert len(by_reading) >= 20
    for line in lines:
        assert int(line["n"]) == 40
    bounded = [line for line in lines if line["output_percent"] and line["ci_low_percent"]]
    assert 0 < len(bounded) < len(lines)  # rows of which 40 draws hold too few moves have none
    for line in bounded:
        assert float(line["ci_low_percent"]) <= float(line["output_percent"]) <= float(line["ci_high_percent"])
    waveforms = read_dataset(tmp_path / "run" / "waveforms.nc")
    for level in ("ideal", "averaged", "edge"):
        assert waveforms[f"vco_rad_{level}"].dims == ("vco", f"sample_{level}")
        assert waveforms[f"membrane_{level}"].dims == (f"sample_{level}",)
        assert waveforms[f"q_{level}"].values[-1] == 1.0
    draws: xr.Dataset = read_dataset(tmp_path / "run" / "draws.nc")
    assert dict(draws.sizes) == {"level": 3, "trial": 40, "input_jitter": 2, "bits": 2}
    assert rundir.read_request(tmp_path / "run").testbench.trials == 40


def test_the_baseline_reading_is_the_row_of_the_table(run, tmp_path, testbench):
    outcome = run(testbench(level="edge", trials=30))
    with (tmp_path / "run" / "sensitivity.csv").open(encoding="utf-8", newline="") as file:
        found = {
            (line["row_kind"], float(line["row_value"])): line
            for line in csv.DictReader(file)
            if line["interpretation"] == "baseline"
        }
    for half, value in [("jitter", 0.01), ("jitter", 0.09), ("bits", 4)]:
        row = outcome.table.row(half, "edge", value)
        assert float(found[half, value]["output_percent"]) == pytest.approx(100 * row["mean"], rel=1e-12)


def data(directory: Path) -> dict[str, bytes]:
    names = ("table.csv", "table.nc", "draws.nc", "sensitivity.csv", "waveforms.nc")
    return {name: (directory / name).read_bytes() for name in names}


def test_shared_points_are_reused_and_the_bytes_do_not_tell(run, tmp_path, testbench):
    bench = testbench(level="edge", trials=520)
    first = run(bench)
    assert first.record["reused_batches"] == 0
    again = run(bench, out="again")
    assert again.record["computed_batches"] == 0
    assert data(tmp_path / "again") == data(tmp_path / "run")
    longer = run(bench.replace(trials=1040), out="longer")
    # Of each of 8 rows at 3 levels the first 500 draws are there, and all batches of the interpretations.
    assert longer.record["reused_batches"] == first.record["computed_batches"] - 3 * 8
    fresh = run(bench.replace(trials=1040), out="fresh", ledger="other")
    assert fresh.record["reused_batches"] == 0
    assert data(tmp_path / "fresh") == data(tmp_path / "longer")


@pytest.mark.parametrize("change", ["seed", "spec", "testbench"])
def test_a_changed_sweep_never_takes_an_old_result(run, tmp_path, testbench, change):
    bench = testbench(trials=10)
    run(bench)
    changed = {
        "seed": (bench, SMALL.replace(seed=2), None),
        "spec": (bench, SMALL, NeuronSpec(phase_per_weight_rad=0.45)),
        "testbench": (bench.replace(input_times_over_tau=(0.16, 0.31)), SMALL, None),
    }[change]
    with_old, alone = (
        run(changed[0], out=f"run-{name}", ledger=name, sweep=changed[1], spec=changed[2]) for name in ("ledger", "new")
    )
    # Interpretations that replace the input times share their batches with those of the first testbench.
    assert with_old.record["reused_batches"] == 0 or change == "testbench"
    assert alone.record["reused_batches"] == 0
    assert data(tmp_path / "run-ledger") == data(tmp_path / "run-new")
    assert data(tmp_path / "run-new")["draws.nc"] != data(tmp_path / "run")["draws.nc"]
