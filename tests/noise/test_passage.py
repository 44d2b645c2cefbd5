"""First passages: membranes against the averaged level, inversion, a planted event recovered and predicted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.neuron import levels
from neurocircuit.neuron.membrane import STEP_over_tau, event_scale, membranes
from neurocircuit.neuron.operating_points import operate
from neurocircuit.neuron.sensitivity import Terms, phase_noise_spread
from neurocircuit.noise import NoiseModel, NoiseTable, fit
from neurocircuit.noise.first_passage import _redistributed
from neurocircuit.spec import NeuronSpec

SPEC = NeuronSpec(window_s=80e-9, phase_noise=(1e5,) * 4)
SIGMA = {"die": 0.03, "neuron": 0.06, "synapse": 0.02}
BIAS, SPREAD = 0.03, 0.9
VERSION_2 = Path(__file__).parent / "table_version_2.nc"


def _neurons(rng, count=400):
    """Ten inputs of both signs; about nine of ten neurons fire."""
    return rng.uniform(0.0, 1.5, (count, 10)), rng.normal(0.25, 0.3, (count, 10))


@pytest.mark.parametrize("ratio", [3.0, 4.0, 8.0, 64.0])
def test_an_undisturbed_passage_is_the_averaged_levels_spike(ratio):
    """Both solve the loop exactly; the grid is off by a kink's weight · STEP/4 over a slope of 0.3 and more."""
    spec = SPEC.replace(phase_noise=(0.0,) * 4, loop_filter_rad_per_s=ratio / SPEC.tau_s)
    t, w = _neurons(np.random.default_rng(1))
    there = levels.evaluate("averaged", spec, t, w).fire_time_over_tau
    here = membranes(spec, t, w).first_passages(np.zeros(len(t)), np.zeros(len(t)))
    both = np.isfinite(there) & np.isfinite(here)
    assert both.sum() > 300
    assert np.mean(np.isfinite(there) != np.isfinite(here)) < 0.01
    off = np.abs(here[both] - there[both])
    assert off.max() < STEP_over_tau / 4
    assert np.quantile(off, 0.9) < STEP_over_tau / 40


def test_drift_of_the_spec_enters_as_at_the_averaged_level():
    error = SPEC.frequency_error.replace(after_trim=(2e-4, 0.0, 0.0, 0.0), trimmed=True)
    spec = SPEC.replace(phase_noise=(0.0,) * 4, frequency_error=error)
    t, w = _neurons(np.random.default_rng(2))
    plain = levels.evaluate("averaged", spec.replace(frequency_error=SPEC.frequency_error), t, w).fire_time_over_tau
    there = levels.evaluate("averaged", spec, t, w).fire_time_over_tau
    here = membranes(spec, t, w).first_passages(np.zeros(len(t)), np.zeros(len(t)))
    both = np.isfinite(there) & np.isfinite(here) & np.isfinite(plain)
    moved = np.median(np.abs(there[both] - plain[both]))
    assert moved > 0.01
    assert np.median(np.abs(here[both] - there[both])) < 0.1 * moved


def test_what_was_seen_passes_again():
    """ξ from a time and the time from that ξ: the same instant, since the passage is the first."""
    rng = np.random.default_rng(3)
    t, w = _neurons(rng)
    found = membranes(SPEC, t, w)
    shift, xi = 0.1 * rng.standard_normal(len(t)), 0.8 * rng.standard_normal(len(t))
    at = found.first_passages(shift, xi)
    fired = np.isfinite(at) & (at > 0)
    np.testing.assert_allclose(
        found.event_of(at, shift)[fired], xi[fired], atol=0.03
    )  # g is interpolated with the rest
    silent = ~np.isfinite(at)
    assert silent.sum() > 20
    assert np.all(found.event_of(at, shift)[silent] <= xi[silent] + 1e-9)
    later = found.event_of(at + 0.1, shift)
    assert np.all(later[fired] >= found.event_of(at, shift)[fired] - 1e-9)


def test_the_event_grows_with_phase_noise_and_has_a_floor():
    t = np.array([0.0, 1.0, 4.0])
    g = event_scale(SPEC, t)
    assert g[0] > 0
    np.testing.assert_allclose(g**2 - phase_noise_spread(SPEC, t) ** 2, g[0] ** 2, rtol=1e-9)


def test_lost_spikes_go_to_known_ones_beyond_them():
    """Normal values cut at bounds: mean and spread return within four errors (0.01 of 40 000)."""
    rng = np.random.default_rng(4)
    value, bound = rng.standard_normal(40_000), rng.normal(1.5, 0.5, 40_000)
    known = value < bound
    found = _redistributed(np.where(known, value, bound), known)
    assert 0.05 < np.mean(~known) < 0.2
    assert found.mean() == pytest.approx(0.0, abs=0.03)
    assert found.std() == pytest.approx(1.0, abs=0.04)


def _planted(rng, chips=60, count=150):
    t, w = _neurons(rng, count)
    point, found = operate(t, w, SPEC.window_over_tau), membranes(SPEC, t, w)
    n, parts = count, []
    for chip in range(chips):
        u = np.stack(
            [
                np.full(n, SIGMA["die"] * rng.standard_normal()),
                SIGMA["neuron"] * rng.standard_normal(n),
                SIGMA["synapse"] * rng.standard_normal(n),
            ]
        )
        at = found.first_passages(BIAS + u.sum(axis=0), SPREAD * rng.standard_normal(n))
        parts.append((u, np.where(at < SPEC.window_over_tau, at, np.inf), np.full(n, chip)))
    every = np.tile(np.arange(n), chips)
    return fit.Samples(
        point=point.take(every),
        headroom=np.full(n * chips, 0.5),
        u=np.concatenate([p[0] for p in parts], axis=1),
        t_over_tau=np.concatenate([p[1] for p in parts]),
        operating_point=every,
        chip=np.concatenate([p[2] for p in parts]),
        wrapped=np.zeros(n * chips, dtype=bool),
        membranes=found,
    )


@pytest.fixture(scope="module")
def planted():
    samples = _planted(np.random.default_rng(5))
    coordinates = fit.features(SPEC, samples.point, samples.headroom)[:, samples.point.fired]
    ranges = np.stack([coordinates.min(axis=1), coordinates.max(axis=1)], axis=1)
    own = fit.fit_layer(SPEC, samples, ranges, ())
    return samples, own


def test_a_planted_event_is_recovered(planted):
    """κ 1, bias and spread of ξ: 9000 samples of 150 points on 60 chips; four errors, Winsorised κ within 3 %."""
    _, own = planted
    found = own.first_passage
    assert np.all(np.abs(found.kappa - 1.0) < 4 * found.kappa_error + 0.03)
    filled = found.n >= fit.LEAST_SAMPLES
    assert np.median(found.bias[filled]) == pytest.approx(BIAS, abs=0.02)
    assert np.median(found.spread[filled]) == pytest.approx(SPREAD, rel=0.06)
    assert np.median(found.quantiles[filled][:, 11]) == pytest.approx(0.0, abs=0.08)


def test_predictions_cover_silence_and_early_spikes_too(planted):
    """New neurons and chips, silent ones included: 50 % and 95 % within 3.5 points (1.1 by 2000 samples, clustered)."""
    _, own = planted
    table = NoiseTable.from_fits([own], {"network": {"name": "planted", "neuron": SPEC.to_dict()}, "level": "edge"})
    table = NoiseTable(table.dataset)
    rng = np.random.default_rng(6)
    new = _planted(rng, chips=10, count=200)
    rows = new.operating_point
    everyone, n = replace(new.membranes, v=new.membranes.v[rows]), len(rows)
    drawn = []
    for _ in range(200):
        die, neuron, synapse = (SIGMA[name] * rng.standard_normal(n) for name in ("die", "neuron", "synapse"))
        model = NoiseModel(table, outside="ideal")
        drawn.append(model.times(0, SPEC, new.point, Terms(die, neuron, synapse), rng, everyone))
    drawn = np.stack(drawn)
    place = (drawn < new.t_over_tau).mean(axis=0) + (drawn == new.t_over_tau).mean(axis=0) * rng.random(n)
    for which in (new.point.fired, np.ones(n, dtype=bool)):
        for nominal in (0.5, 0.95):
            share = (np.abs(place[which] - 0.5) <= nominal / 2).mean()
            assert share == pytest.approx(nominal, abs=0.035)
    missed = np.mean(new.point.fired & ~np.isfinite(new.t_over_tau))
    assert np.mean(new.point.fired & ~np.isfinite(drawn)) == pytest.approx(missed, abs=0.015)


@pytest.mark.parametrize("cause", ["systematic", "die", "neuron", "synapse", "event"])
def test_each_cause_moves_first_passages_alone(planted, cause):
    samples, own = planted
    table = NoiseTable.from_fits([own], {"network": {}, "level": "edge"})
    rows = np.arange(150)
    point, rng = samples.point.take(rows), np.random.default_rng(1)
    terms = Terms(*(SIGMA[name] * rng.standard_normal(150) for name in ("die", "neuron", "synapse")))
    times = [
        NoiseModel(table, causes=causes, outside="ideal").times(
            0, SPEC, point, terms, np.random.default_rng(seed), samples.membranes
        )
        for causes, seed in (((cause,), 4), ((cause,), 5), ((), 4))
    ]
    fired = point.fired
    assert (times[0][fired] != point.at[fired]).mean() > 0.9
    assert np.array_equal(times[0], times[1]) == (cause != "event")
    np.testing.assert_array_equal(times[2], np.where(fired, point.at, np.inf))


def test_first_order_theory_from_a_stored_table(planted, tmp_path):
    """Spread of t = g spread(ξ)/(W_C - 1) for small noise: five slopes, 1500 draws each, error 1.8 %, within 8 %."""
    _, own = planted
    NoiseTable.from_fits([own], {"network": {"name": "planted"}, "level": "edge"}).save(tmp_path / "table.nc")
    model = NoiseModel(NoiseTable.load(tmp_path / "table.nc"), causes=("event",), outside="ideal")
    quiet = SPEC.replace(phase_noise=(2e3,) * 4, loop_filter_rad_per_s=300 / SPEC.tau_s)  # eq. (4)'s slope: r -> ∞
    slope = np.array([1.5, 2.0, 3.0, 4.0, 5.0])
    t, w = np.full((5, 2), 0.5), np.stack([1.0 + slope, np.zeros(5)], axis=1)
    point, found, rng = operate(t, w, SPEC.window_over_tau), membranes(quiet, t, w), np.random.default_rng(7)
    drawn = np.stack([model.times(0, quiet, point, None, rng, found) for _ in range(1500)])
    moved = drawn.std(axis=0) > 0  # within the slopes that the table knows
    assert moved.sum() >= 3
    expected = SPREAD * event_scale(quiet, point.at) / slope
    np.testing.assert_allclose(drawn.std(axis=0)[moved], expected[moved], rtol=0.08)


def test_a_version_2_table_stays_readable(planted):
    """It has no first passages: with membranes at hand its neurons still move by their slope."""
    samples, _ = planted
    old = NoiseTable.load(VERSION_2)
    assert old.dataset.attrs["schema_version"] == 2
    assert old.layers[0].first_passage is None
    point = samples.point.take(np.arange(150))
    model = NoiseModel(old, outside="ideal")
    with_them = model.times(0, SPEC, point, None, np.random.default_rng(0), samples.membranes)
    np.testing.assert_array_equal(with_them, model.times(0, SPEC, point, None, np.random.default_rng(0)))
