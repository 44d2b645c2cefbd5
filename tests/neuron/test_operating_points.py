"""Operating points against the ideal level, a fine time grid, and small changes of the neuron."""

import numpy as np
import pytest

from neurocircuit._kernel import native
from neurocircuit.neuron import levels, operating_points
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.sensitivity import common_terms, sensitivities
from neurocircuit.spec import NeuronSpec

SPEC = NeuronSpec(window_s=80e-9)  # 4 tau


def _neurons(rng, trials=200, inputs=15):
    t = rng.uniform(0, 3.5, (trials, inputs))
    t[rng.random(t.shape) < 0.1] = np.inf
    return t, rng.normal(0.1, 0.5, (trials, inputs))


@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_trajectories_match_a_fine_grid_and_the_ideal_level(rng, engine):
    if engine == "kernel" and native is None:
        pytest.skip("no kernel")
    t, w = _neurons(rng)
    found = (operating_points.operate if engine == "kernel" else operating_points._operate_numpy)(t, w, 4.0)
    ideal = levels.evaluate("ideal", SPEC, t, w).fire_time_over_tau
    np.testing.assert_array_equal(found.fired, np.isfinite(ideal))
    np.testing.assert_allclose(found.at[found.fired], ideal[found.fired], rtol=1e-12)
    grid = np.linspace(0, 4.0, 40001)
    for k in range(40):
        x = np.maximum(grid[:, None] - t[k][None], 0.0)
        arrived = grid[:, None] >= t[k][None]
        V, current = ((1 - np.exp(-x)) * arrived) @ w[k], (np.exp(-x) * arrived) @ w[k]
        seen = grid <= (found.at[k] if found.fired[k] else 4.0)
        assert found.lowest[k] == pytest.approx(min(V[seen].min(), 0.0), abs=2e-3)
        assert found.highest[k] == pytest.approx(max(V[seen].max(), 0.0), abs=2e-3)
        assert found.peak_current[k] == pytest.approx(np.abs(current[seen]).max(), abs=3e-3)


def test_kernel_and_numpy_agree(rng):
    if native is None:
        pytest.skip("no kernel")
    t, w = _neurons(rng)
    one, two = operating_points.operate(t, w, 4.0), operating_points._operate_numpy(t, w, 4.0)
    for name in vars(one):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-12, err_msg=name)


def test_terms_are_the_derivatives_of_the_membrane(rng):
    """A small error of τ, threshold or a weight moves the fire time by m/s; central differences."""
    t, w = _neurons(rng)
    point = operating_points.operate(t, w, 4.0)
    chosen = (
        point.fired
        & (point.slope > 0.1)
        & (point.margin > 0.02)
        & (point.at - t.max(axis=1, where=t < 4, initial=0) < 9)
    )
    t, w = t[chosen], w[chosen]
    small = 1e-6
    zero = np.zeros(len(t))

    def moved(name):
        times = []
        for sign in (-1, 1):
            values = dict.fromkeys(("tau", "gain", "threshold"), zero) | {name: np.full(len(t), sign * small)}
            errors = NeuronErrors(**values, frequency=(zero,) * 4)
            times.append(levels.evaluate("ideal", SPEC, t, w, errors=errors).fire_time_over_tau)
        return (times[1] - times[0]) / (2 * small)

    s = point.slope[chosen]
    np.testing.assert_allclose(moved("threshold"), 1 / s, rtol=1e-4)
    np.testing.assert_allclose(moved("gain"), -1 / s, rtol=1e-4)
    np.testing.assert_allclose(moved("tau"), -point.tau_term[chosen] / s, rtol=1e-3, atol=1e-4)


def test_a_spike_of_some_width_lags_by_half_of_it_times_the_slope(rng):
    """Level averaged with and without a width: m = s (1 - e^-Δ) is the lag's term, where pulses end before crossing.

    At r = 1000 the loop's pole adds less than 1 %; a pulse is a step in its middle to second order in its width.
    """
    t, w = rng.uniform(0, 0.6, (300, 8)), rng.normal(0.25, 0.2, (300, 8))
    step = SPEC.replace(loop_filter_rad_per_s=1000 / SPEC.tau_s, spike_width_s=0.0)
    broad = step.replace(spike_width_s=0.03 * SPEC.tau_s)
    point = operating_points.operate(t, w, 4.0)
    at, later = (levels.evaluate("averaged", spec, t, w).fire_time_over_tau for spec in (step, broad))
    kept = point.fired & np.isfinite(at) & np.isfinite(later) & (at > 0.7) & (point.slope > 0.2)
    assert kept.sum() > 50
    moved = point.slope[kept] * -np.expm1(at[kept] - later[kept])
    _, lag = common_terms(broad, point.take(kept))
    np.testing.assert_allclose(moved / lag, 1.0, rtol=0.03)


def test_a_threshold_error_scales_lead_and_guard():
    """The membrane term of an error of the threshold is what that neuron's own spec adds to its threshold."""
    guarded = SPEC.replace(ripple_guard_rad=0.2)
    wide = NeuronErrors(0.0, 0.0, 1e-3, (0.0,) * 4).spec_of(guarded, 0)
    point = operating_points.operate(np.array([[0.1, 0.2]]), np.array([[0.9, 0.9]]), 4.0)
    added = wide.threshold_weight / guarded.threshold_weight - 1.0
    per_lead = (guarded.threshold.lead_rad + guarded.ripple_guard_rad) / guarded.threshold.lead_rad
    assert sensitivities(guarded, point)["threshold"][0] * 1e-3 == pytest.approx(added * per_lead)
    assert per_lead > 1.1
