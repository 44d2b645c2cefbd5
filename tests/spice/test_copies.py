"""Synapses drawn as copies of one (m = n) against as many drawn one by one: in the whole neuron, from power-up."""

from dataclasses import dataclass

import numpy as np
import pytest

from neurocircuit.core.arrays import Floats
from neurocircuit.spec import Circuit
from neurocircuit.spice.phases import rising_edges
from neurocircuit.spice.saved_states import idle
from neurocircuit.spice.transistor_deck import SAVED, Input, code_lines, compose_neuron
from neurocircuit.spice.transistor_run import fire_times_s, simulate
from tests.command_line import LONG_s
from tests.spice.test_transistor_neuron import ARM_s, INPUTS_s, circuit

__all__ = ["circuit"]  # the fixture
NS = 1e-9
STOP_s = 50 * NS
SPIKE_s = INPUTS_s[0]
# Half the time step moves the fire time by less than 15 ps (test_transistor_neuron); two decks that differ in nothing
# but rounding choose steps that are far more alike: a tenth of that. Measured: 0.10 ps and 0.001 ps.
STEPS_s = 1.5e-12
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("transistor")]


@dataclass(frozen=True)
class Seen:
    """f1_Hz, lag_rad: VCO1 in lock before arming, and its phase over VCO2. jump_rad: what VCO1 has gained 8 ns after
    the spikes. fired_s: fire times."""

    f1_Hz: float
    lag_rad: float
    jump_rad: float
    fired_s: Floats


def run(circuit: Circuit, inputs: list[Input], extra: str = "") -> Seen:
    deck = compose_neuron(circuit, inputs, stop_s=STOP_s, arm_s=ARM_s, saved=SAVED, extra=extra)
    found = simulate(deck, timeout_s=LONG_s)
    time_s = found.vectors["time"]
    e1, e2 = (rising_edges(time_s, found.vectors[f"v({node})"], 0.5) for node in ("o1", "o2"))
    before = e1[(e1 > 8 * NS) & (e1 < SPIKE_s)]
    period_s = float(np.diff(before).mean())
    late = e2[(e2 > before[0]) & (e2 < before[-1])]
    lag = 2 * np.pi * np.interp(late, before, np.arange(len(before)))
    lag -= 2 * np.pi * np.round((lag - np.pi / 2) / (2 * np.pi))
    turns = np.interp(SPIKE_s + 8 * NS, e1, np.arange(len(e1)))
    expected = np.searchsorted(e1, before[-1]) + (SPIKE_s + 8 * NS - before[-1]) / period_s
    return Seen(1 / period_s, float(lag.mean()), float(2 * np.pi * (turns - expected)), fire_times_s(found, 1.0, ARM_s))


def together(circuit: Circuit, name: str, copies: int, code: int) -> str:
    """So many synapses as one that spikes with input 0."""
    source, sink = circuit.standing_V[2:]
    standing = {"sp": source, "sn": sink, "gp": 1.0, "gm": 1.0}
    lines = [f"x{name} t0 {code_lines(code, 4, 'vdd_synapse')} ib1 wbp wbn vdd_synapse synapse copies={copies}"]
    lines += [f".ic v(x{name}.x{bit}.{node})={value}" for bit in range(4) for node, value in standing.items()]
    return "\n".join(lines)


def check(apart: Seen, as_copies: Seen) -> None:
    assert len(apart.fired_s) == len(as_copies.fired_s) == 1
    assert abs(apart.fired_s[0] - as_copies.fired_s[0]) < STEPS_s
    # A step is 0.024 rad of VCO1; an edge is read where the wave crosses between two points: 1 % of a step for both
    # phases. Over the 7 periods of `before` that is 5e-6 of f1. Measured: 0.8 and 18 urad, 4.5e-8.
    assert apart.lag_rad == pytest.approx(as_copies.lag_rad, abs=2.4e-4)
    assert apart.jump_rad == pytest.approx(as_copies.jump_rad, abs=2.4e-4)
    assert apart.f1_Hz == pytest.approx(as_copies.f1_Hz, rel=5e-6)


def test_26_inputs_that_all_spike_are_what_their_copies_are(circuit):
    """24 of code 1 and two of code -2, all at once: 20 units in all."""
    apart = run(circuit, [Input((SPIKE_s,), 1)] * 24 + [Input((SPIKE_s,), -2)] * 2)
    extra = "\n".join([together(circuit, "plus", 23, 1), together(circuit, "minus", 2, -2)])
    check(apart, run(circuit, [Input((SPIKE_s,), 1)], extra))


def test_24_idle_inputs_are_what_their_copies_are(circuit):
    """Of 26 inputs two spike; the others stand idle, one by one or as `states.idle` draws them."""
    two = [Input((SPIKE_s,), 10)] * 2
    check(
        run(circuit, [*two, *[Input()] * 24]),
        run(circuit, two, idle(circuit.replace(synapses=26), 2, from_power_up=True)),
    )
