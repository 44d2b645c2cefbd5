"""Fan-in: the jump from the edges of two rings, the limit from the cases, and copies against synapses one by one."""

import numpy as np
import pytest

from neurocircuit.core import shipped
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import fan_in
from neurocircuit.process.fan_in import FanIn, measure
from neurocircuit.spec import NeuronSpec
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


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.05])
@pytest.mark.parametrize("phase", [0.0, 0.2, 0.4, 0.6, 0.8])
def test_the_jump_does_not_depend_on_where_the_last_edges_of_the_run_lie(phase, speed):
    stop_s = fan_in.START_s + fan_in._LAST * PERIOD_s
    time_s = np.linspace(0.0, stop_s, 40_001)
    rest = phase + speed * time_s / PERIOD_s
    jump = 0.2 * (time_s > SPIKE_s + PERIOD_s)
    edges = [np.interp(np.arange(1.0, turns[-1]), turns, time_s) for turns in (rest + jump, rest)]
    assert fan_in._jump(*edges, SPIKE_s, PERIOD_s)[1] == pytest.approx(2 * np.pi * 0.2, rel=1e-6)


def test_a_ring_that_stands_still_has_neither_frequency_nor_jump():
    assert fan_in._jump(np.array([1e-9, 2e-9]), np.array([1e-9, 2e-9]), SPIKE_s, PERIOD_s) == (0.0, 0.0)


def rings(loss, frequency_loss=lambda n: 0.0):
    """A circuit whose jump and frequency fall by known laws of the number of synapses; counts what was measured."""
    measured = []

    def at(synapses):
        measured.append(tuple(synapses))
        losses, slower = (np.array([law(n) for n in synapses]) for law in (loss, frequency_loss))
        jumps_rad = np.array([0.5 * (1 - losses), 0.1 * (1 - losses / 2)])
        return FanIn(tuple(synapses), (15, 4), 8e8 * (1 - slower), jumps_rad)

    return at, measured


@pytest.mark.parametrize(("largest_n"), [6, 7, 11, 12, 49, 58, 95, 96, 97, 300, 1537])
def test_the_limit_is_the_last_number_within_the_bound_whatever_lies_beside(largest_n):
    """A loss that bends just before the bound, which an interpolation between far cases would miss."""
    at, measured = rings(lambda n: -0.03 if 6 < n <= largest_n else 0.0 if n <= largest_n else 0.1001 + n / 1e5)
    limit, cases = fan_in.search(at, 6)
    assert limit == largest_n
    assert all(numbers[0] == 6 for numbers in measured)  # each relative to the neuron as it is characterised
    assert set(cases.synapses) == {number for numbers in measured for number in numbers}
    assert list(cases.synapses) == sorted(cases.synapses)
    assert len(cases.synapses) < 40


def test_the_limit_of_the_frequency_counts_too_and_a_ring_that_stands_still_is_beyond():
    assert (
        fan_in.search(rings(lambda n: 0.0, lambda n: n / 1000)[0], 6)[0] == 105
    )  # 1 - (1 - n/1000)/(1 - 6/1000) <= 0.1
    assert fan_in.search(rings(lambda n: float(n > 20), lambda n: float(n > 20))[0], 6)[0] == 20


def test_a_circuit_without_a_limit_is_told():
    with pytest.raises(SimulatorBadOutput, match="idle synapses must cost more than 10%"):
        fan_in.search(rings(lambda n: 0.0)[0], 6)


@pytest.mark.long
@pytest.mark.xdist_group("transistor")
def test_no_number_depends_on_the_others_in_the_run():
    """One weight reference for all cases of a run once made the jump of 128 synapses 0.46 or 0.91 rad by them."""
    installed = load("generic65")
    alone, beside = (measure(installed, installed.condition(), numbers) for numbers in ((128,), (2, 128, 801)))
    assert beside.jump_rad[:, 1] == pytest.approx(alone.jump_rad[:, 0], rel=5e-3)


@pytest.mark.long
@pytest.mark.xdist_group("transistor")
def test_copies_of_one_synapse_are_as_many_synapses():
    """The multiplicity of a device is its currents and charges times a number: only rounding differs."""
    installed = load("generic65")
    together, apart = (measure(installed, installed.condition(), (8,), as_copies=flag) for flag in (True, False))
    assert together.f1_Hz[0] == pytest.approx(apart.f1_Hz[0], rel=1e-5)
    assert together.jump_rad == pytest.approx(apart.jump_rad, rel=1e-3)


@pytest.mark.long
@pytest.mark.xdist_group("transistor")
@pytest.mark.parametrize("code", [8, 4, -8])
def test_jumps_of_codes_are_the_weights_that_the_kernel_of_a_whole_neuron_has(code):
    """Two rings and nothing else against the shipped bank, which was fitted to spikes of the neuron."""
    spec = NeuronSpec.from_toml(shipped.folder("netlists") / "processes/generic65/characterised/spec.toml")
    installed, full = load("generic65"), 15 if code > 0 else -15
    jumps = measure(installed, installed.condition(), (6,), codes=(code, full)).jump_rad[:, 0]
    bank = (spec.weight_bank.excitatory if code > 0 else spec.weight_bank.inhibitory).weights
    assert jumps[0] / jumps[1] == pytest.approx(bank[abs(code) - 1] / bank[14], rel=0.01)
