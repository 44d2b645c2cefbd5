"""Sweeps at the costly level, with a stand-in for the transistors whose answer is known."""

import csv
import sys

import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.spec import Flicker, NeuronSpec, SweepSpec
from neurocircuit.studies.sweep import control
from neurocircuit.studies.sweep.plan import Row, SweepRequest
from neurocircuit.studies.sweep.run import Settings, run_sweep
from neurocircuit.studies.sweep.worker import inputs
from tests.studies.sweep import fake_transistor as fake

SWEEP = SweepSpec(jitter=(0.03, 0.09), bits=())


@pytest.fixture
def costly(monkeypatch, testbench):
    monkeypatch.setitem(sys.modules, "neurocircuit.spice.transistor", fake)
    monkeypatch.setattr(control, "CONTROL_DRAWS", 20_000)
    return testbench(level="transistor", trials=80, cross_check_trials=4, weights=(0.8, 0.8))


@pytest.fixture
def run(tmp_path, costly):
    def run(out="run", spec=None, bench=costly, chips=()):
        request = SweepRequest.build(spec or fake.make_spec(), bench, SWEEP, None, chips)
        outcome = run_sweep(request, Settings(tmp_path / out, tmp_path / "ledger", jobs=1))
        with (tmp_path / out / "transistor.csv").open(encoding="utf-8", newline="") as file:
            return request, outcome, list(csv.DictReader(file))

    return run


def test_rows_draws_and_batches_of_a_costly_level(costly):
    request = SweepRequest.build(fake.make_spec(), costly, SWEEP, None)
    assert request.levels == {"ideal": 2000, "averaged": 2000, "edge": 2000, "transistor": 80}
    mine = [batch for batch in request.batches() if batch.level == "transistor"]
    assert all(batch.count == 1 for batch in mine)
    assert {batch.row.name for batch in mine} == {
        *("clean-jitter", "floor-jitter", "jitter=0.03", "jitter=0.09", "floor-jitter=0.03", "floor-jitter=0.09")
    }
    assert len(mine) == 3 * 80 + 3 * 4
    fine, coarse = Row("jitter", "floor", 0.03), Row("jitter", "disturbed", 0.03)
    of = {batch.row: batch for batch in mine if batch.first == 2}
    for a, b in zip(inputs(of[fine]), inputs(of[coarse]), strict=True):
        np.testing.assert_array_equal(a, b)  # refined rows repeat the draws, jitter included


def test_the_control_variate_finds_the_mean_of_the_costly_level(run):
    request, outcome, rows = run()
    assert outcome.record["exit_code"] == 0
    assert [float(row["row"]) for row in rows] == [0.03, 0.09]
    truth = control.control_errors(request, 1_000_000, 20_000)  # the stand-in's |Δ|/t is the edge level's
    for row, value in zip(rows, SWEEP.jitter, strict=True):
        mean = float(row["mean"])
        expected = np.abs(truth[Row("jitter", "disturbed", value)][0]).mean()
        assert row["method"] == "control variate"
        assert float(row["correlation"]) > 0.999
        assert float(row["correlation_edge"]) > 0.999 > float(row["correlation_ideal"])
        assert float(row["variance_reduction"]) > 100
        assert mean == pytest.approx(expected, rel=0.05)
        low, high, least, most = (
            float(row[name]) for name in ("ci_low", "ci_high", "difference_ci_low", "difference_ci_high")
        )
        assert low < expected < high
        assert float(row["difference"]) == pytest.approx(mean - float(row["edge_mean"]))
        assert most - least == pytest.approx(high - low, rel=0.03)  # the edge level's mean is all but known
        assert least < 0 < most  # the stand-in's |Δ|/t is the edge level's
        # No draw differs by a pulse, of which 3.7 % might (mid-P of 0 of 80): that alone makes the interval.
        spacing = 1 / (2 * request.effective_spec.cycles_per_tau)
        clean = fake.SLOWER * control._control_fires(request, "edge", Row("jitter", "clean"), 0, 80).mean()
        assert (high - low) / 2 == pytest.approx((1 - 0.05 ** (1 / 80)) * spacing / clean, rel=0.02)
        in_table = outcome.table.row("jitter", "transistor", value)
        assert [in_table[name] for name in ("mean", "ci_low", "ci_high")] == [mean, low, high]
        assert outcome.table.why_no_interval("jitter", "transistor", value) == ""
        assert (row["resolved"], row["floor_n"]) == ("yes", "4")
        assert 0 < float(row["floor"]) < fake.FLOOR_over_tau * 3


def test_the_control_has_no_noise_as_the_transistors_have_none(costly):
    quiet = fake.make_spec()
    noise = {"phase_noise": (3e5, 3e5, 3e5, 3e5), "flicker": Flicker(h=(1e-8, 1e-8, 1e-8, 1e-8))}
    of_quiet, of_noisy = (
        control.control_errors(SweepRequest.build(spec, costly, SWEEP, None), 0, 40)
        for spec in (quiet, quiet.replace(**noise))
    )
    for row, errors in of_quiet.items():
        np.testing.assert_array_equal(of_noisy[row], errors)


def test_a_long_sweep_says_first_how_much_it_has_to_do_and_how_long_it_takes(costly, tmp_path):
    told = []
    bench = costly.replace(trials=12, cross_check_trials=3)
    request = SweepRequest.build(fake.make_spec(), bench, SWEEP, None)
    settings = Settings(tmp_path / "run", tmp_path / "ledger", jobs=1)
    run_sweep(request, settings, lambda done, total, label="": told.append((done, label)))
    first, *others = told
    assert first[0] == 0
    assert "12 draws of each row at level transistor, 3 of them again at half the time step" in first[1]
    of_transistors = sum(batch.cost for batch in request.batches() if batch.level == "transistor")
    assert of_transistors == pytest.approx((3 * 12 + 3 * 3) * 10.0)
    assert first[1].endswith(f"about {of_transistors / 60:.0f} min")
    assert all(done > 0 for done, _ in others)
    told.clear()
    run_sweep(request, settings, lambda done, total, label="": told.append((done, label)))
    assert told == []  # all of it is in the ledger


def test_what_a_coarse_step_moves_is_the_floor_of_a_row(run, monkeypatch):
    monkeypatch.setattr(fake, "FLOOR_over_tau", 0.5)
    rows = run()[2]
    assert {row["resolved"] for row in rows} == {"no"}
    assert all(float(row["floor"]) > 0.05 for row in rows)


def test_weights_lie_on_codes_at_every_level_of_a_neuron_with_transistors(costly):
    request = SweepRequest.build(fake.make_spec(), costly, SWEEP, None)
    for batch in request.batches():
        weights = inputs(batch)[1]
        np.testing.assert_allclose(weights, np.round(weights / 2 * 15) / 15 * 2, atol=1e-12)
    plain = SweepRequest.build(NeuronSpec(), costly.replace(level="edge"), SWEEP, None)
    assert inputs(plain.batches()[0])[1][0, 0] == 0.8


@pytest.mark.parametrize(
    ("spec", "sweep", "words"),
    [
        (
            NeuronSpec(),
            SWEEP,
            "level transistor needs a NeuronSpec with circuit",
        ),
        (fake.make_spec(), SweepSpec(bits=(4, 8)), "--bits must be <= 4, the bits of the circuit's weight bank, got 8"),
    ],
)
def test_a_neuron_or_bits_that_the_circuit_lacks_are_refused(costly, spec, sweep, words):
    with pytest.raises(InputError, match=words):
        SweepRequest.build(spec, costly, sweep, None)


def test_chips_take_the_draws_in_turn_and_travel_with_the_request(run, costly):
    chips = tuple(fake.make_spec(circuit=fake.make_circuit(f1_Hz=f1)) for f1 in (764e6, 770e6, 758e6))
    request, outcome, rows = run(chips=chips)
    for batch in request.batches():
        expected = chips[batch.first % 3] if batch.level == "transistor" else request.spec
        assert batch.spec.circuit == expected.circuit
    assert SweepRequest.from_dict(request.to_dict()) == request
    assert outcome.table.row("jitter", "transistor", 0.09)["fired"] == 80
    assert {row["method"] for row in rows} == {"control variate"}
    assert float(rows[0]["correlation"]) > 0.999  # each draw is paired at the phases of its own chip
    with pytest.raises(InputError, match="--mc draws the mismatch of transistors"):
        SweepRequest.build(fake.make_spec(), costly.replace(level="edge"), SWEEP, None, chips)


def test_a_sweep_goes_on_from_the_ledger(run):
    first = run()[1]
    again = run(out="again")[1]
    assert first.record["seconds_per_evaluation"]["transistor"] >= 0
    assert again.record["computed_batches"] == 0


def test_failed_draws_of_the_costly_level_are_counted_and_left_out(run, monkeypatch):
    whole = fake.fire

    def one_fails(spec, t_over_tau, *others, **options):
        record = whole(spec, t_over_tau, *others, **options)
        if abs(t_over_tau[0, 0] - 0.16) > 0.02:
            record.fire_time_over_tau[:] = np.nan
            record.failures[0] = "ngspice ran longer than 30 s and was killed"
        return record

    monkeypatch.setattr(fake, "fire", one_fails)
    _, outcome, rows = run()
    assert outcome.record["exit_code"] == 3
    assert 20 <= int(rows[1]["n"]) < 80
    assert rows[1]["method"] == "plain Monte Carlo"
    assert {group["reason"] for group in outcome.record["failed"]} == {"ngspice ran longer than 30 s and was killed"}
