"""Fan-in: the jump from the edges of two rings, the limit from the cases, and copies against synapses one by one."""

import numpy as np
import pytest

from neurocircuit.process import fan_in
from neurocircuit.process.fan_in import FanIn, measure
from neurocircuit.spice.process import load

PERIOD_s, SPIKE_s = 1.25e-9, 12e-9


def test_the_jump_is_the_phase_that_the_spiked_ring_has_gained():
    """A ring whose frequency is higher by 20 % for three periods gains 0.6 turns, wherever its edges lie."""
    time_s = np.arange(0.0, 24e-9, 1e-12)
    rest = time_s / PERIOD_s
    faster = 0.2 * np.clip(time_s - SPIKE_s, 0.0, 3 * PERIOD_s) / PERIOD_s
    edges = [np.interp(np.arange(1.3, turns[-1]), turns, time_s) for turns in (rest + faster, rest)]
    f_Hz, jump_rad = fan_in._jump(*edges, SPIKE_s, PERIOD_s)
    assert f_Hz == pytest.approx(1 / PERIOD_s, rel=1e-9)
    assert jump_rad == pytest.approx(2 * np.pi * 0.6, rel=1e-6)


def test_a_ring_that_stands_still_has_neither_frequency_nor_jump():
    assert fan_in._jump(np.array([1e-9, 2e-9]), np.array([1e-9, 2e-9]), SPIKE_s, PERIOD_s) == (0.0, 0.0)


def test_the_limit_is_where_the_larger_loss_reaches_the_bound():
    found = FanIn((2, 26, 126), np.array([8e8, 8e8, 7.6e8]), np.array([0.5, 0.49, 0.41]))
    # Losses of the jump 0, 0.02, 0.18: halfway between the last two.
    assert found.limit == pytest.approx(76)
    assert FanIn((2, 26), np.array([8e8, 8e8]), np.array([0.5, 0.46])).limit == float("inf")
    assert FanIn((2, 26), np.array([8e8, 0.0]), np.array([0.5, 0.0])).limit == pytest.approx(2 + 24 * 0.1)


@pytest.mark.long
@pytest.mark.xdist_group("transistor")
def test_copies_of_one_synapse_are_as_many_synapses():
    """The multiplicity of a device is its currents and charges times a number: only rounding differs."""
    installed = load("generic65")
    together, apart = (measure(installed, installed.condition(), (8,), as_copies=flag) for flag in (True, False))
    assert together.f1_Hz[0] == pytest.approx(apart.f1_Hz[0], rel=1e-5)
    assert together.jump_rad[0] == pytest.approx(apart.jump_rad[0], rel=1e-3)
