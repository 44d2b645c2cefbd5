"""Planted noise comes back: components, spread, bias, false fires; useless axes go."""

import numpy as np
import pytest

from neurocircuit.noise import fit
from neurocircuit.spec import NeuronSpec
from tests.noise import planted

SPEC = NeuronSpec(window_s=planted.WINDOW * 20e-9)


@pytest.fixture(scope="module")
def found():
    samples = planted.samples(np.random.default_rng(3))
    point = samples.point.take(samples.point.fired)
    coordinates = fit.features(SPEC, point, samples.headroom[samples.point.fired])
    ranges = np.stack([coordinates.min(axis=1), coordinates.max(axis=1)], axis=1)
    return samples, fit.fit_layer(SPEC, samples, planted.WINDOW, ranges)


def test_planted_components_are_recovered_within_their_intervals(found):
    """Clipping at 1 % and 99 % costs a few percent of κ; four errors: false alarm of 1e-4."""
    samples, own = found
    assert np.all(np.abs(own.kappa - planted.KAPPA) < 4 * own.kappa_error + 0.06)
    np.testing.assert_allclose(
        own.component_spread, own.kappa * samples.u[:, samples.point.fired].std(axis=1), rtol=1e-9
    )


def test_planted_bias_and_event_spread_are_recovered(found):
    _, own = found
    filled = own.n >= fit.LEAST_SAMPLES
    assert np.median(own.bias[filled]) == pytest.approx(planted.BIAS, abs=0.004)
    assert np.median(own.spread[filled]) == pytest.approx(planted.EVENT, rel=0.1)
    inside = (own.bias_low <= planted.BIAS) & (own.bias_high >= planted.BIAS)
    assert inside[filled].mean() >= 0.7  # nominal 0.95; at most 32 cells share the chips


def test_axes_that_carry_nothing_are_dropped(found):
    """The planted disturbance of the membrane is the same everywhere: no axis improves the held-out likelihood."""
    _, own = found
    assert own.n.size <= fit.BINS["slope"]


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
    changed = fit.Samples(samples.point, samples.headroom, samples.u, t, samples.operating_point, samples.chip)
    coordinates = fit.features(SPEC, samples.point, samples.headroom)[:, fired]
    ranges = np.stack([coordinates.min(axis=1), coordinates.max(axis=1)], axis=1)
    own = fit.fit_layer(SPEC, changed, planted.WINDOW, ranges)
    assert own.n.shape[1] > 1
    assert own.gains["time"][0] > 2 * own.gains["time"][1]


def test_false_fires_follow_the_planted_curve(found):
    _, own = found
    edges = np.clip(fit.APPROACH_EDGES, -0.2, 0.8)
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
    good = samples.point.fired & np.isfinite(samples.t_over_tau) & (samples.point.slope > 2)
    slope, late = samples.point.slope[good], (samples.t_over_tau - samples.point.at)[good]
    groups = [late[(slope >= a) & (slope < b)].std() * np.sqrt(a * b) for a, b in ((2, 3), (3, 5), (5, 8))]
    sigma = np.sqrt(
        planted.EVENT**2 + sum((k * s) ** 2 for k, s in zip(planted.KAPPA, planted.SIGMA.values(), strict=True))
    )
    np.testing.assert_allclose(groups, sigma, rtol=0.15)
