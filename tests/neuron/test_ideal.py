"""Level `ideal`: eq. (4) against brute force over causal sets, and edge cases."""

import itertools

import numpy as np
import pytest

from neurocircuit.neuron import levels
from neurocircuit.spec import NeuronSpec
from tests.neuron.conftest import random_neuron


def first_crossing_by_scan(t, w, window):
    """Eq. (3) on a fine grid, refined by bisection: no causal sets involved."""

    def membrane(x):
        since = np.maximum(np.asarray(x)[..., None] - t, 0)
        return np.sum(w * (1 - np.exp(-since)), axis=-1)

    grid = np.unique(np.concatenate([np.linspace(0, window, 200_001), t]))
    above = np.flatnonzero(membrane(grid) >= 1)
    if not len(above):
        return np.inf
    low, high = grid[above[0] - 1], grid[above[0]]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if membrane(middle) < 1 else (low, middle)
    return high


def test_agrees_with_a_scan_of_eq_3(rng):
    spec = NeuronSpec()
    fired = 0
    for _ in range(60):
        t, w = random_neuron(rng)
        found = levels.evaluate("ideal", spec, t, w).fire_time_over_tau[0]
        expected = first_crossing_by_scan(t, w, spec.window_over_tau)
        assert found == pytest.approx(expected, abs=1e-9)
        fired += np.isfinite(found)
    assert 20 < fired < 60


def test_eq_4_holds_with_its_causal_set(rng):
    """e^{t_j} (W_C - 1) = Σ_C w e^{t_i}, searched over all subsets that are causal."""
    t, w = rng.uniform(0, 1.5, 5), rng.uniform(0.2, 0.8, 5)
    found = levels.evaluate("ideal", NeuronSpec(), t, w).fire_time_over_tau[0]
    solutions = []
    for size in range(1, 6):
        for causal in itertools.combinations(range(5), size):
            c = list(causal)
            z = np.sum(w[c] * np.exp(t[c])) / (np.sum(w[c]) - 1)
            if z > 0 and set(np.flatnonzero(t < np.log(z))) == set(c):
                solutions.append(np.log(z))
    assert found == pytest.approx(min(solutions), rel=1e-12)


def test_slope_at_the_crossing_is_the_weight_sum_less_one():
    """Findings §1: a threshold lower by δ fires δ/(W_C - 1) earlier."""
    spec = NeuronSpec()
    delta = 1e-6
    lower = spec.replace(vco4_swing_Hz=spec.vco4_swing_Hz / (1 - delta))
    t, w = [0.2, 0.5, 9.0], [0.9, 0.8, 5.0]
    early, late = (levels.evaluate("ideal", s, t, w).fire_time_over_tau[0] for s in (lower, spec))
    assert (late - early) / delta == pytest.approx(1 / (1.7 - 1), rel=1e-5)


@pytest.mark.parametrize(
    ("t", "w", "expected"),
    [
        ([0.5], [1.0], np.inf),  # reaches the threshold only at infinity
        ([0.5], [1.0 + 1e-6], np.inf),  # beyond the window: silent
        ([0.5], [2.0], 0.5 + np.log(2)),
        ([0.5, 0.5], [1.0, 1.0], 0.5 + np.log(2)),
        ([np.inf, 0.5], [9.0, 2.0], 0.5 + np.log(2)),
        ([np.inf, np.inf], [9.0, 2.0], np.inf),
        ([0.5, 0.6], [-1.0, -2.0], np.inf),
        ([0.5, 0.5], [2.0, -2.0], np.inf),
    ],
)
def test_edge_cases(t, w, expected):
    record = levels.evaluate("ideal", NeuronSpec(), t, w)
    assert record.fire_time_over_tau[0] == pytest.approx(expected, abs=1e-12)
    assert record.fired[0] == np.isfinite(expected)


def test_late_inputs_do_not_overflow():
    spec = NeuronSpec(window_s=1000 * 20e-9)
    record = levels.evaluate("ideal", spec, [0.0, 999.0], [0.5, 2.0])
    assert record.fire_time_over_tau[0] == pytest.approx(999.0 + np.log(2.0 / 1.5), rel=1e-12)


def test_headroom_is_the_largest_current_of_either_sign():
    spec = NeuronSpec()
    record = levels.evaluate("ideal", spec, [0.2, 3.0], [-0.9, 0.5])
    assert record.headroom[0] == pytest.approx(0.9 * spec.phase_per_weight_rad / (np.pi / 2), rel=1e-12)
