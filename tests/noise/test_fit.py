"""Planted noise comes back: components, spread, bias, false fires; useless axes go."""

from dataclasses import replace

import numpy as np
import pytest

from neurocircuit.neuron.sensitivity import TERMS, wrap_distance
from neurocircuit.noise import fit
from neurocircuit.noise.curves import APPROACH_EDGES, WRAP_EDGES
from neurocircuit.noise.response import fit_kappa
from tests.noise import planted

SPEC = planted.SPEC


@pytest.fixture(scope="module")
def found():
    samples = planted.samples(np.random.default_rng(3))
    point = samples.point.take(samples.point.fired)
    coordinates = fit.features(SPEC, point, samples.headroom[samples.point.fired])
    ranges = np.stack([coordinates.min(axis=1), coordinates.max(axis=1)], axis=1)
    return samples, fit.fit_layer(SPEC, samples, ranges)


def test_planted_components_are_recovered_within_their_intervals(found):
    """Winsorised at 1 % and 99 %, κ keeps a bias of a percent or two; four errors: false alarm of 3e-4 for all five."""
    samples, own = found
    assert np.all(np.abs(own.kappa - planted.KAPPA) < 4 * own.kappa_error + 0.02)
    assert np.all(np.abs(own.term_kappa - planted.TERM_KAPPA) < 4 * own.term_kappa_error + 0.02)
    fitted = samples.point.fired & ~samples.wrapped
    np.testing.assert_allclose(own.component_spread, own.kappa * samples.u[:, fitted].std(axis=1), rtol=1e-9)


def test_terms_that_all_chips_share_are_no_event(found):
    """Cells about the terms hold the planted event alone; those with the terms in them are wider."""
    _, own = found
    filled = own.n >= fit.LEAST_SAMPLES
    assert np.median(own.rest_spread[filled]) == pytest.approx(planted.EVENT, rel=0.1)
    assert np.median(own.spread[filled]) > 1.3 * planted.EVENT


def test_planted_wraps_come_back_by_distance(found):
    """The share of each bin is 0.3 times its part below the planted depth, within five binomial errors; 0 elsewhere."""
    samples, own = found
    which = np.digitize(wrap_distance(SPEC, samples.point), WRAP_EDGES[1:-1])
    count = np.bincount(which, minlength=len(own.wrap_n))
    deep = np.bincount(which, samples.point.lowest < planted.WRAPS_BELOW, minlength=len(own.wrap_n))
    np.testing.assert_array_equal(own.wrap_n, count)
    assert deep[0] > 1000
    assert not deep[1:].any()
    share = planted.WRAP_SHARE
    assert abs(own.wrap_fire[0] * count[0] - share * deep[0]) < 5 * np.sqrt(deep[0] * share * (1 - share))
    np.testing.assert_array_equal(own.wrap_fire[1:], 0.0)
    assert own.wrap_time[0] == pytest.approx(0.3)


def test_planted_bias_and_event_spread_are_recovered(found):
    _, own = found
    filled = own.n >= fit.LEAST_SAMPLES
    assert np.median(own.rest_bias[filled]) == pytest.approx(planted.BIAS, abs=0.004)
    inside = (own.rest_bias_low <= planted.BIAS) & (own.rest_bias_high >= planted.BIAS)
    assert inside[filled].mean() >= 0.7  # nominal 0.95; at most 32 cells share the chips


def test_axes_that_carry_nothing_are_dropped(found):
    """The planted disturbance of the membrane is the same everywhere: no axis improves the held-out likelihood."""
    _, own = found
    assert own.gains.keys() == set(fit.AXES)
    assert all(gain <= 2 * error for gain, error in own.gains.values())
    assert own.n.size == 1


def test_an_axis_that_matters_is_kept():
    rng = np.random.default_rng(5)
    samples = planted.samples(rng, chips=40)
    fired = samples.point.fired
    wider = samples.point.slope * -np.expm1(
        -np.where(fired & np.isfinite(samples.t_over_tau), samples.t_over_tau - samples.point.at, 0.0)
    )
    m = np.where(samples.point.at > 1.2, wider + 0.4 * rng.standard_normal(len(wider)), wider)
    share = np.minimum(m / samples.point.slope, 1 - 1e-9)
    t = np.where(fired, samples.point.at - np.log1p(-share), np.inf)
    changed = replace(samples, t_over_tau=t, wrapped=np.zeros_like(samples.wrapped))
    coordinates = fit.features(SPEC, samples.point, samples.headroom)[:, fired]
    ranges = np.stack([coordinates.min(axis=1), coordinates.max(axis=1)], axis=1)
    own = fit.fit_layer(SPEC, changed, ranges)
    assert own.n.shape[fit.AXES.index("time")] > 1
    assert own.gains["time"][0] > 2 * own.gains["time"][1]


def test_false_fires_follow_the_planted_curve(found):
    _, own = found
    edges = np.clip(APPROACH_EDGES, -0.2, 0.8)
    for k in range(len(edges) - 1):
        if own.false_n[k] < 200:
            continue
        grid = np.linspace(edges[k], edges[k + 1], 101)
        expected = 1 / (1 + np.exp((grid - 0.1) / 0.03))
        assert expected.min() - 0.08 <= own.false_fire[k] <= expected.max() + 0.08
    assert own.false_fire[-1] == 0.0


def test_spread_of_times_falls_with_the_slope(found):
    """First order: the spread of t is σ_m/(W_C - 1), so that its product with the slope is flat within 15 %."""
    samples, _ = found
    good = samples.point.fired & ~samples.wrapped & np.isfinite(samples.t_over_tau) & (samples.point.slope > 2)
    slope, late = samples.point.slope[good], (samples.t_over_tau - samples.point.at)[good]
    number = samples.operating_point[good]
    late = late - (np.bincount(number, late) / np.maximum(np.bincount(number), 1))[number]  # bias of each point
    groups = [late[(slope >= a) & (slope < b)].std() * np.sqrt(a * b) for a, b in ((2, 3), (3, 5), (5, 8))]
    sigma = np.sqrt(
        planted.EVENT**2 + sum((k * s) ** 2 for k, s in zip(planted.KAPPA, planted.SIGMA.values(), strict=True))
    )
    np.testing.assert_allclose(groups, sigma, rtol=0.15)


def test_early_spikes_come_back_as_often_as_among_all_neurons(found):
    """Chosen points hold 3 % of them, all neurons 0.4 %: the cells forget them, the share is that of all neurons."""
    rng = np.random.default_rng(4)
    samples, plain = found
    hit = samples.point.fired & ~samples.wrapped & (rng.random(len(samples.chip)) < 0.03)
    t = np.where(hit, 0.1 * samples.point.at, samples.t_over_tau)
    everyone = planted.points(rng, count=20_000, silent=10_000)  # silent ones are no part of the share
    natural = rng.random(30_000) < 0.004
    wrapped = rng.random(30_000) < 0.01
    times = np.where(natural, 0.1, 1.0) * everyone.at
    early = fit.Early.of(SPEC, everyone, np.where(everyone.fired | wrapped, times, np.inf), wrapped)
    point = samples.point.take(samples.point.fired)
    coordinates = fit.features(SPEC, point, samples.headroom[samples.point.fired])
    ranges = np.stack([coordinates.min(axis=1), coordinates.max(axis=1)], axis=1)
    own = fit.fit_layer(SPEC, replace(samples, t_over_tau=t), ranges, (), early)
    seen = fit.membrane_seen(SPEC, everyone, times)
    least = -max(0.5, 6 * np.median(np.abs(fit.membrane_seen(SPEC, samples.point, t))) / 0.6745)
    assert own.early_share[0] == pytest.approx(np.mean(seen[~wrapped & everyone.fired] < least), abs=5e-4)
    assert own.wrap_share[0] == pytest.approx(wrapped.mean())
    assert own.early_share[0] > 1e-3
    np.testing.assert_allclose(own.early_time, 0.1)
    # Nothing beyond `least` is in the cells, the chips' terms add less than that; without the split it is down to -50.
    assert own.rest_quantiles.min() > 2 * least
    np.testing.assert_allclose(own.kappa, plain.kappa, atol=0.03)


def test_dependent_terms_share_their_response():
    """Two chips whose die and neurons differ alike: the sum of both responses is known, each by itself is not."""
    rng = np.random.default_rng(1)
    chips, clusters = np.repeat([0, 1], 50), np.tile(np.arange(50), 2)
    term = np.where(chips == 0, -0.1, 0.1)
    u, common = np.stack([term, term, np.zeros(100)]), np.zeros((len(TERMS), 100))
    kappa, error, *_ = fit_kappa(2.0 * term + 0.01 * rng.standard_normal(100), u, common, chips, clusters)
    assert kappa[0] + kappa[1] == pytest.approx(2.0, abs=0.1)
    assert np.isfinite(error).all()
