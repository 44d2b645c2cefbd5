"""Two neurons in a row, and many inputs at once."""

import numpy as np
import pytest

from neurocircuit.spice.cascade import SECOND, compose_cascade
from neurocircuit.spice.phases import rising_edges
from neurocircuit.spice.saved_states import idle
from neurocircuit.spice.transistor_deck import SAVED, Input, code_lines, compose_neuron
from neurocircuit.spice.transistor_run import fire_times_s, simulate
from tests.command_line import LONG_s
from tests.spice.test_transistor_neuron import STANDING_V, ARM_s, INPUTS_s, circuit

__all__ = ["circuit"]  # the fixture
NS = 1e-9
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("transistor")]


def test_the_shaped_spike_of_the_first_neuron_makes_the_second_one_fire(circuit):
    # At half height the first one's input is as wide as the shaper's pulse: 0.88 ns, edges of 50 ps.
    circuit = circuit.replace(spike_width_s=0.83 * NS)
    first = idle(circuit, 1, from_power_up=True)
    second = first.replace("xidle", f"xidle{SECOND}").replace("tidle", f"tidle{SECOND}")
    for node in ("ib1", "wbp", "wbn"):
        second = second.replace(f" {node} ", f" {node}{SECOND} ")
    deck = compose_cascade(
        circuit, [Input(INPUTS_s[:1], 15)], 15, stop_s=105 * NS, arm_s=ARM_s, extra=f"{first}\n{second}"
    )
    vectors = simulate(deck, timeout_s=LONG_s).vectors
    pulse = vectors["v(shaped)"]
    rises, falls = rising_edges(vectors["time"], pulse, 0.5), rising_edges(vectors["time"], -pulse, -0.5)
    first, second = (rising_edges(vectors["time"], vectors[f"v(fired{tag})"], 0.5) for tag in ("", SECOND))
    first, second, rises, falls = (times[times > ARM_s] for times in (first, second, rises, falls))
    assert len(first) == len(second) == len(rises) == len(falls) == 1
    assert first[0] < rises[0] < first[0] + 0.3 * NS
    assert falls[0] - rises[0] == pytest.approx(1 * NS, rel=0.25)
    # By eq. (4) one input that fires a neuron after t weighs 1/(1 - e^{-t/tau}). The shaper's pulse counts as much as
    # the input's, within 10 %: Q waits for an edge of VCO3 and the second neuron drifts until its spike, 3 ns in all
    # or 3 %; the rest is the shape of the pulses.
    delays_s = np.array([first[0] - INPUTS_s[0], second[0] - rises[0]])
    assert (delays_s < 55 * NS).all()  # a late one says little of its weight
    weights = 1 / (1 - np.exp(-delays_s / (20 * NS)))
    assert weights[1] / weights[0] == pytest.approx(1.0, abs=0.1)


def test_26_simultaneous_inputs_act_as_one_strong_one(circuit):
    """25 of code 1, drawn as copies of one, and one of code -4: 21 units in all, and the neuron fires once.

    That copies are as many synapses is tested with fan-in.
    """
    standing = {"sp": STANDING_V[2], "sn": STANDING_V[3], "gp": 1.0, "gm": 1.0}
    extra = [f"xmany t0 {code_lines(1, 4, 'vdd_synapse')} ib1 wbp wbn vdd_synapse synapse copies=25"]
    extra += [f".ic v(xmany.x{bit}.{node})={value}" for bit in range(4) for node, value in standing.items()]
    deck = compose_neuron(
        circuit, [Input(INPUTS_s[:1], -4)], stop_s=45 * NS, arm_s=ARM_s, saved=SAVED, extra="\n".join(extra)
    )
    times_s = fire_times_s(simulate(deck, timeout_s=LONG_s), 1.0, ARM_s)
    assert len(times_s) == 1
    assert np.all(times_s > INPUTS_s[0] + 1 * NS)
