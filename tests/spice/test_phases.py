import numpy as np
import pytest

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.spice.phases import BEAT_PERIODS, nearest_placement, rising_edges, steady

F1, F3 = 750e6, 937.5e6
GENERATOR = np.random.default_rng(3)


def armed_states(count):
    """States armed at VCO1 phases spread over a turn, VCO3 starting at 0 there; phases 5 periods of VCO1 later."""
    armed = 2 * np.pi * np.arange(count) / count
    return np.stack([armed, np.zeros(count)], axis=1) + 2 * np.pi * 5 * np.array([1.0, F3 / F1])


@pytest.mark.parametrize("states", [1, 2, 4, 8])
def test_vco1_is_met_exactly_and_vco3_to_half_the_spacing_of_the_beat(states):
    wanted = GENERATOR.uniform(0, 2 * np.pi, (2000, 2))
    placed = nearest_placement(wanted, armed_states(states), F1, F3)
    off = np.abs(np.mod(placed.start_rad - wanted + np.pi, 2 * np.pi) - np.pi)
    assert off[:, 0].max() < 1e-9
    assert off[:, 1].max() <= np.pi / (BEAT_PERIODS * states) + 1e-9
    assert placed.wait_s.min() >= 0
    assert placed.wait_s.max() < BEAT_PERIODS / F1


def test_the_phases_told_are_those_that_waiting_gives():
    saved = armed_states(4)
    placed = nearest_placement(GENERATOR.uniform(0, 2 * np.pi, (200, 2)), saved, F1, F3)
    turned = saved[placed.state] + 2 * np.pi * placed.wait_s[:, None] * np.array([F1, F3])
    difference = np.mod(turned - placed.start_rad + np.pi, 2 * np.pi) - np.pi
    np.testing.assert_allclose(difference, 0, atol=1e-9)


def test_even_wishes_use_all_states_and_waits_alike():
    placed = nearest_placement(GENERATOR.uniform(0, 2 * np.pi, (20_000, 2)), armed_states(4), F1, F3)
    # 5000 per state, binomial with a deviation of 61: ±400 is 6.5 of them. The waits come in 4 periods likewise.
    assert np.all(np.abs(np.bincount(placed.state, minlength=4) - 5000) < 400)
    periods = np.floor(placed.wait_s * F1).astype(int)
    assert np.all(np.abs(np.bincount(periods, minlength=BEAT_PERIODS) - 5000) < 400)


def test_edges_and_the_steady_course_of_an_oscillator():
    time = np.linspace(0, 10e-9, 5001)
    voltage = 0.5 + 0.5 * np.sin(2 * np.pi * F1 * (time - 0.3e-9))
    edges = rising_edges(time, voltage, 0.5)
    np.testing.assert_allclose(edges, 0.3e-9 + np.arange(len(edges)) / F1, atol=1e-15)
    frequency, begin = steady(edges, 4, "VCO1")
    assert frequency == pytest.approx(F1, rel=1e-6)
    assert begin == pytest.approx(0.3e-9, abs=1e-14)
    with pytest.raises(SimulatorBadOutput, match="VCO3 must show at least 4 rising edges, got 2"):
        steady(edges[:2], 4, "VCO3")
