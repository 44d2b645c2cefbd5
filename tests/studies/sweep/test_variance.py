"""What stratified start phases and antithetic jitter make of the variance of a row, edge in the transistors' place.

The neuron is the characterised one, the testbench that of the transistor level. A factor above 1 divides the variance.
"""

import numpy as np
import pytest

from neurocircuit.neuron import levels
from neurocircuit.spice.process import default_neuron
from neurocircuit.studies.sweep.draws import draw
from neurocircuit.studies.sweep.library import load_testbench
from neurocircuit.tables.jitter import relative_error

DRAWS, STRATA = 20_000, 16
JITTER = (0.01, 0.03, 0.05, 0.07, 0.09)


@pytest.fixture(scope="module")
def sizes():
    """|Δ|/t of a row by the sign that its jitter is multiplied by, and the start phases."""
    spec, testbench = default_neuron("transistor").replace(readout="continuous"), load_testbench("transistor")
    drawn = draw(spec, testbench, 7, 0, DRAWS)
    weights = spec.weight_bank.quantise(drawn.weights)

    def fires(amplitude):
        times = drawn.jittered_over_tau(testbench, amplitude)
        return levels.evaluate("edge", spec, times, weights, start_rad=drawn.start_rad).fire_time_over_tau

    clean = fires(0.0)
    by_sign = {
        (amplitude, sign): np.abs(relative_error(clean, fires(sign * amplitude)))
        for amplitude in JITTER
        for sign in (1, -1)
    }
    return by_sign, drawn.start_rad


@pytest.mark.parametrize("amplitude", JITTER)
def test_antithetic_jitter_costs_draws_for_both_signs_move_the_spike_by_like_amounts(sizes, amplitude):
    one, other = (sizes[0][amplitude, sign] for sign in (1, -1))
    factor = one.var() / 2 / ((one + other) / 2).var()  # a pair is two runs
    assert 0.5 < factor < 0.85


@pytest.mark.parametrize("amplitude", JITTER)
def test_even_phases_of_vco1_gain_a_fifth_at_most(sizes, amplitude):
    values, phase = sizes[0][amplitude, 1], sizes[1][:, 0]
    stratum = np.floor(STRATA * phase / (2 * np.pi)).astype(int)
    within = np.mean([values[stratum == k].var() for k in range(STRATA)])
    assert 1.0 <= values.var() / within < 1.25
