"""The whole neuron in a process whose models are not ours: skipped where they are not installed."""

import pytest

from neurocircuit.process.bench import Bench
from neurocircuit.process.ring import check_ring
from neurocircuit.spec import Circuit
from neurocircuit.spice.process import ProcessMissing, load
from neurocircuit.spice.saved_states import idle
from neurocircuit.spice.transistor_deck import Input, compose_neuron
from neurocircuit.spice.transistor_run import fire_times_s, simulate
from tests.command_line import LONG_s

NS = 1e-9
ARM_s, STATE_s = 14 * NS, 17 * NS
INPUTS_s = (18 * NS, 19.5 * NS)


@pytest.mark.long
@pytest.mark.xdist_group("transistor")
@pytest.mark.parametrize("name", ["freepdk45", "gf180mcu", "sky130"])
def test_the_neuron_fires_from_a_saved_state_with_two_inputs(name):
    """At the nominal bias, which is what `characterize` trimmed at the nominal corner with six synapses attached."""
    try:
        installed = load(name)
    except ProcessMissing as error:
        pytest.skip(str(error))
    process, condition = installed.process, installed.condition()
    ring = check_ring(installed, condition)
    circuit = Circuit(
        process=name,
        condition=condition,
        components=process.components,
        bias=process.nominal,
        standing_V=Bench(installed, condition).standing(process.nominal.weight_A, ring.bias_V),
        f1_Hz=process.f1_Hz,
        f3_Hz=process.threshold_vco_ratio * process.f1_Hz,
    )
    started = simulate(
        compose_neuron(
            circuit,
            [Input()] * 2,
            stop_s=STATE_s,
            arm_s=ARM_s,
            save_state_at_s=STATE_s,
            extra=idle(circuit, 2, from_power_up=True),
        ),
        timeout_s=LONG_s,
    )
    inputs = [Input((time_s,), circuit.largest_code) for time_s in INPUTS_s]
    deck = compose_neuron(
        circuit, inputs, stop_s=60 * NS, start=started.state, stop_when_fired=True, extra=idle(circuit, 2)
    )
    fired = simulate(deck, timeout_s=LONG_s)
    assert fired.stopped
    times_s = fire_times_s(fired, condition.supply_V)
    assert len(times_s) == 1
    assert times_s[0] > INPUTS_s[1]
