"""Neurons under drawn noise against their prediction; planted transistors are level edge with a noise of their own."""

from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.kinds import load
from neurocircuit.process.drawn_noise import RingNoise
from neurocircuit.process.noisy_neuron import NeuronRun
from neurocircuit.rendering import write_report
from neurocircuit.results.noise_coverage import coverage_of, spread_of
from neurocircuit.spec import Flicker, NeuronSpec
from neurocircuit.studies import noise_coverage as study
from tests.command_line import call

PUBLISHED = Path(__file__).parents[2] / "reports/published/datasheet-generic65/conditions/tt_27C_1V/spec.toml"
D_rad2_per_s = (2.04e5, 2.05e5, 1.57e5, 1.59e5)
CASES, DRAWS = 10, 6


def noisy_spec() -> NeuronSpec:
    flicker = Flicker(h=(1.7e-8, 1.7e-8, 0.9e-8, 0.9e-8))
    spec = NeuronSpec.from_toml(PUBLISHED).without_noise()
    return spec.replace(phase_noise=D_rad2_per_s, flicker=flicker, noise_source="planted", locked_under_noise=True)


def planted_clean(run: NeuronRun) -> dict[str, Any]:
    """Rings at their frequencies; VCO4 starts 0.3 ns behind VCO3, which starts with the arming; edge tells Q."""
    circuit = run.spec.circuit
    assert circuit is not None
    o1, o3 = np.arange(120) / circuit.f1_Hz, run.settling_s + np.arange(1, 80) / circuit.f3_Hz
    edges = [o1, o1 + 0.25 / circuit.f1_Hz, o3, o3 + 0.3e-9]
    value = {"failed": "", "edges_s": [edge.tolist() for edge in edges], "started_s": run.settling_s + 0.3e-9}
    return value | {"fired_over_tau": edge_time(run, value, run.spec.without_noise(), [0])}


def edge_time(run: NeuronRun, clean: dict[str, Any], spec: NeuronSpec, seed: list[int]) -> float | None:
    time = float(study.predicted(run, clean, spec, 1, [*seed, 99])[0])
    return time if np.isfinite(time) else None


def planted_rings(circuit: object) -> dict[str, Any]:
    """One device whose charge makes the D of each ring."""

    def ring(d_rad2_per_s: float) -> dict[str, Any]:
        flat = np.ones((1, 22))
        white = 2 * d_rad2_per_s / (2 * pi * 45e12) ** 2 * flat
        return RingNoise(750e6, 0.0, (("ib", "0"),), white, flat, 2 * pi * 45e12 * flat).to_dict()

    return {"vco1": ring(D_rad2_per_s[0]), "vco3": ring(D_rad2_per_s[2])}


def plant(monkeypatch: pytest.MonkeyPatch, scale: float = 1.0, late_over_tau: float = 0.0) -> None:
    """Transistors with noise of `scale` times the predicted amplitude; late: by what edge is wrong without noise."""

    def late(value: dict[str, Any]) -> dict[str, Any]:
        time = value["fired_over_tau"]
        return value | {"fired_over_tau": None if time is None else time + late_over_tau}

    def noisy(
        run: NeuronRun, clean: dict[str, Any], rings: tuple[RingNoise, RingNoise], white: bool, seed: list[int]
    ) -> dict[str, Any]:
        spec, flicker = run.spec, run.spec.flicker
        quieter = None if flicker is None else flicker.replace(h=tuple(scale**2 * h for h in flicker.h))
        own = spec.replace(phase_noise=tuple(scale**2 * d for d in spec.phase_noise), flicker=quieter)
        still_s = np.array(clean["edges_s"][2])
        f3_Hz = 1 / (still_s[1] - still_s[0])
        steps = np.sqrt(scale**2 * D_rad2_per_s[2] / f3_Hz) * np.random.default_rng(seed).standard_normal(len(still_s))
        moved_s = still_s - np.cumsum(steps) / (2 * pi * f3_Hz)
        value = {"failed": "", "fired_over_tau": edge_time(run, clean, own, seed), "vco3_s": moved_s.tolist()}
        return late(value)

    monkeypatch.setattr(study, "clean_run", lambda run: late(planted_clean(run)))
    monkeypatch.setattr(study, "noisy_run", noisy)
    monkeypatch.setattr(study, "_rings", planted_rings)
    monkeypatch.setattr(study, "PREDICTIONS", 1000)


def test_transistors_that_the_spec_describes_are_not_rejected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plant(monkeypatch)
    result = study.noise_coverage(noisy_spec(), CASES, DRAWS, seed=3, out=tmp_path / "out")
    assert len(result.runs) == CASES * DRAWS
    assert not any(row.rejected for row in (*result.coverage, *result.of_shift))
    assert result.spread.low < 1.0 < result.spread.high
    assert result.walk is not None
    assert result.walk.low < D_rad2_per_s[2] < result.walk.high
    assert "fire time in its 95% interval: " in str(result)
    # Saved, read, shown; a second call takes the finished runs.
    result.save(tmp_path / "out")
    assert load(tmp_path / "out").to_dict() == result.to_dict()
    page = write_report(tmp_path / "out").with_suffix(".md").read_text()
    assert "is not rejected" in page
    monkeypatch.setattr(study, "noisy_run", lambda *arguments: pytest.fail("a finished run was run again"))
    again = study.noise_coverage(noisy_spec(), CASES, DRAWS, seed=3, out=tmp_path / "out")
    assert again.to_dict()["runs"] == result.to_dict()["runs"]


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_noise_that_is_half_or_twice_the_predicted_is_rejected(monkeypatch: pytest.MonkeyPatch, scale: float) -> None:
    plant(monkeypatch, scale)
    result = study.noise_coverage(noisy_spec(), CASES, DRAWS, seed=3)
    assert any(row.rejected for row in result.coverage)
    assert any(row.rejected for row in result.of_shift)
    assert not result.spread.low < 1.0 < result.spread.high
    assert result.walk is not None
    assert not result.walk.low < D_rad2_per_s[2] < result.walk.high


def test_what_levels_differ_in_without_noise_cancels_in_the_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a tau late, with noise and without: beyond most predictions, but noise has moved it as predicted."""
    plant(monkeypatch, late_over_tau=0.5)
    quiet = noisy_spec().replace(flicker=None)
    result = study.noise_coverage(quiet, CASES, DRAWS, seed=3)
    assert all(row.rejected for row in result.coverage)
    assert not any(row.rejected for row in result.of_shift)


def test_runs_that_fail_are_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    whole = study.noisy_run

    def failing(run: NeuronRun, clean: dict[str, Any], *rest: Any) -> dict[str, Any]:
        return {"failed": "ngspice ended"} if rest[-1][2:] == [1, 0] else whole(run, clean, *rest)

    monkeypatch.setattr(study, "noisy_run", failing)
    monkeypatch.setattr(
        study, "clean_run", lambda run: {"failed": "no lock"} if run.t_over_tau is None else planted_clean(run)
    )
    result = study.noise_coverage(noisy_spec(), 3, 2, seed=3)
    assert result.failed == ("ngspice ended",)
    assert [(run.case, run.draw) for run in result.runs] == [(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)]
    assert "failed: ngspice ended" in str(result)


def test_noise_that_its_devices_do_not_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assumed = noisy_spec().replace(phase_noise=(1e5, 2.05e5, 1.57e5, 1.59e5))
    with pytest.raises(InputError, match=r"phase_noise of VCO1 must be within 5% of its devices' 2.04e\+05 rad2/s"):
        study.noise_coverage(assumed, 2, 1)
    nulled = noisy_spec().replace(flicker=Flicker(h=(1e-8,) * 4, auto_zero_s=100e-9))
    with pytest.raises(InputError, match="must have no auto_zero"):
        study.noise_coverage(nulled, 2, 1)
    with pytest.raises(InputError, match="must have phase noise or flicker, got none"):
        study.noise_coverage(noisy_spec().without_noise(), 2, 1)
    with pytest.raises(InputError, match="needs a NeuronSpec with circuit"):
        study.noise_coverage(NeuronSpec(phase_noise=D_rad2_per_s), 2, 1)


def test_the_command_names_what_is_wrong_in_a_line(tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.toml"
    quiet.write_text(noisy_spec().without_noise().to_toml())
    tried = call("study", "noise-coverage", "--spec", quiet, "--out", tmp_path / "out")
    assert tried.returncode == 2
    assert "must have phase noise or flicker" in tried.stderr
    assert not (tmp_path / "out" / "result.json").exists()


def test_scores_of_uniform_values_have_the_spread_of_one() -> None:
    def uniform(n: int) -> Floats:
        return (np.arange(n) + 0.5) / n

    spread = spread_of(uniform(400))
    assert spread.ratio == pytest.approx(1.0, abs=0.01)
    assert (spread.low, spread.high) == pytest.approx((0.935, 1.075), abs=0.01)
    narrow, wide = coverage_of(uniform(400))
    assert (narrow.inside, wide.inside) == (272, 380)
    assert coverage_of(np.array([])) == ()
