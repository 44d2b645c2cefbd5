"""Neighbouring levels against each other on random neurons, through the common entry."""

import numpy as np
import pytest

from neurocircuit.neuron import levels
from neurocircuit.spec import NeuronSpec
from tests.neuron.conftest import random_neuron

TAU = 20e-9
LEVELS = [level for level in levels.LEVELS if level != "transistor"]  # that one needs a characterised circuit
BOUND = 2e-4  # tau, from the issue: slope at the crossing times |Δt|


def crossing_slope(spec, t, w, fire_time):
    """Slope of the averaged membrane at its crossing, units of weight per tau, by moving the threshold a little."""
    step = 1e-6
    moved = spec.replace(vco4_swing_Hz=spec.vco4_swing_Hz / (1 + step))
    later = levels.evaluate("averaged", moved, t, w).fire_time_over_tau[0]
    return step / (later - fire_time)


@pytest.mark.parametrize("ratio", [4.0, 8.0, 64.0])
def test_bsource_meets_averaged(ratio):
    """2-20 inputs of both signs. Fired or silent alike, but for membranes within the error bound of the threshold."""
    rng = np.random.default_rng(int(ratio))
    spec = NeuronSpec(loop_filter_rad_per_s=ratio / TAU)
    fired = grazing = 0
    for _ in range(40):
        t, w = random_neuron(rng)
        averaged, bsource = (levels.evaluate(level, spec, t, w) for level in ("averaged", "bsource"))
        assert bsource.failures == {}
        exact, found = averaged.fire_time_over_tau[0], bsource.fire_time_over_tau[0]
        if np.isfinite(exact) != np.isfinite(found):
            lower, higher = (spec.replace(vco4_swing_Hz=spec.vco4_swing_Hz * f) for f in (1 + BOUND, 1 - BOUND))
            near = [levels.evaluate("averaged", moved, t, w).fired[0] for moved in (lower, higher)]
            assert near[0] != near[1], "the levels disagree far from the threshold"
            grazing += 1
        elif np.isfinite(exact):
            slope = crossing_slope(spec, t, w, exact)
            assert slope * abs(found - exact) <= BOUND
            if slope >= 0.3:
                assert abs(found - exact) <= BOUND
            fired += 1
    assert fired >= 15
    assert grazing <= 2


def test_all_levels_agree_in_the_limit_of_many_cycles_and_a_fast_filter():
    rng = np.random.default_rng(5)
    spec = NeuronSpec(
        f0_Hz=2000 / TAU,
        vco4_swing_Hz=75e6,
        loop_filter_rad_per_s=400 / TAU,
        spike_width_s=1e-3 * TAU,
        window_s=5 * TAU,
    )
    for _ in range(5):
        t, w = rng.uniform(0.1, 1, 3), rng.uniform(0.5, 0.9, 3)
        times = [levels.evaluate(level, spec, t, w).fire_time_over_tau[0] for level in LEVELS]
        assert np.ptp(times) < 0.01


def test_every_level_takes_spikes_without_width():
    """Each is the limit of its own narrow spikes: fire times move by the middle of the width, half of 1e-3 τ.

    At level edge by steps, since the crossing waits for edges: less than the width on the average of 400 neurons.
    """
    rng, narrow = np.random.default_rng(6), 1e-3
    for _ in range(3):
        t, w = rng.uniform(0.1, 1, 3), rng.uniform(0.5, 0.9, 3)
        for level in ("ideal", "averaged", "bsource"):
            none, some = (
                levels.evaluate(level, NeuronSpec(spike_width_s=width * TAU), t, w) for width in (0.0, narrow)
            )
            assert none.failures == some.failures == {}
            late = 0.0 if level == "ideal" else narrow / 2
            assert some.fire_time_over_tau[0] - none.fire_time_over_tau[0] == pytest.approx(late, abs=BOUND)
    t, w = rng.uniform(0.1, 1, (400, 3)), rng.uniform(0.5, 0.9, (400, 3))
    none, some = (levels.evaluate("edge", NeuronSpec(spike_width_s=width * TAU), t, w) for width in (0.0, narrow))
    moved = some.fire_time_over_tau - none.fire_time_over_tau
    assert 0 < np.mean(moved) < narrow
    assert levels.not_modelled("transistor", NeuronSpec(spike_width_s=0.0)) == ("spikes without width",)


def test_waveforms_of_all_levels_tell_the_same_story():
    spec = NeuronSpec(f0_Hz=100 / TAU)
    t, w = np.array([0.3, 0.6]), np.array([0.9, 0.9])
    grid = np.linspace(0.1, 3.0, 50)
    waves = {level: levels.waveforms(level, spec, t, w) for level in LEVELS}
    for level in ("edge", "bsource"):
        for name, tolerance in (("membrane", 0.03), ("loop_filter", 0.03)):
            curve = np.interp(grid, waves[level].time_over_tau, getattr(waves[level], name))
            expected = np.interp(grid, waves["averaged"].time_over_tau, getattr(waves["averaged"], name))
            np.testing.assert_allclose(curve, expected, atol=tolerance)
        for vco in range(4):
            curve = np.interp(grid, waves[level].time_over_tau, waves[level].vco_rad[vco])
            expected = np.interp(grid, waves["averaged"].time_over_tau, waves["averaged"].vco_rad[vco])
            offset = curve[0] - expected[0]  # start phases and quadrature are a matter of reference
            np.testing.assert_allclose(curve - offset, expected, atol=0.04)
