"""Energy of one spike: the supply current of each block, from arming to Q, with the lock before it, and on a ramp."""

import numpy as np

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import waveforms
from neurocircuit.process.bench import TIMEOUT_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.fit import spec_of
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.neuron import ReadoutWindow
from neurocircuit.spice.readout_current import readout_Ohm
from neurocircuit.spice.saved_states import idle, saved_states
from neurocircuit.spice.transistor import circuit_of
from neurocircuit.spice.transistor_deck import SAVED, SUPPLIES, Input, Window, compose_neuron
from neurocircuit.spice.transistor_run import fire_times_s, simulate

TIMES_over_tau, WEIGHTS = (0.6, 0.9), (0.8, 0.8)  # from arming: two inputs, neither of which fires the neuron alone
OPENS_over_tau = 0.1  # after the saved state
PAPER_J = 10e-12  # the paper's bound for one spike
RAMP_over_tau = 1.0  # window of the neuron that a ramp reads out, whose membrane rises by one threshold in it


def measure(context: Context) -> Measured:
    """Return one run from a saved state to Q.

    The stretch between arming and the state at the power of the armed neuron.
    """
    began, spec = cpu_s(), spec_of(context)
    circuit = circuit_of(spec)
    armed = saved_states(circuit, len(TIMES_over_tau), TIMEOUT_s).armed[0]
    codes = spec.weight_bank.codes(spec.weight_bank.quantise(np.array(WEIGHTS)))
    inputs = [
        Input((armed.armed_s + t * spec.tau_s,), int(code)) for t, code in zip(TIMES_over_tau, codes, strict=True)
    ]
    deck = compose_neuron(
        circuit,
        inputs,
        stop_s=armed.armed_s + spec.window_s,
        arm_s=(),
        saved=SAVED,
        start=armed.state,
        stop_when_fired=True,
        extra=idle(circuit, len(inputs)),
    )
    outcome = simulate(deck, timeout_s=TIMEOUT_s)
    fired = fire_times_s(outcome, deck.supply_V)
    if not len(fired):
        raise SimulatorBadOutput(f"two inputs of weight {WEIGHTS[0]:g} must fire the neuron, it stayed silent")
    time, fire_s = outcome.vectors["time"], float(fired[0])
    power = {block: -outcome.vectors[f"i(v{block})"] * deck.supply_V for block in SUPPLIES}
    first_s = inputs[0].times_s[0]
    idle_W = {block: waveforms.mean_between(time, power[block], time[0], first_s) for block in SUPPLIES}
    spike_J = {
        block: waveforms.integral_between(time, power[block], time[0], fire_s)
        + idle_W[block] * (time[0] - armed.armed_s)
        for block in SUPPLIES
    }
    lock_s = context.done["lock"].value("lock_time")
    ramp_W = ramp_power_W(spec)
    total_J, total_W = sum(spike_J.values()), sum(idle_W.values())
    return Measured(
        quantities=(
            Quantity("spike", "Energy of a spike, arming to Q", total_J, "J"),
            *(Quantity(f"spike_{block}", f"of it {block}", spike_J[block], "J") for block in SUPPLIES),
            Quantity("time", "Time from arming to Q", fire_s - armed.armed_s, "s"),
            Quantity("with_lock", "Energy of a spike with the lock before it", total_J + idle_W["pll"] * lock_s, "J"),
            Quantity("power", "Power while armed and idle", total_W, "W"),
            *(Quantity(f"power_{block}", f"of it {block}", idle_W[block], "W") for block in SUPPLIES),
            Quantity("power_ramp", "Power while a ramp reads the membrane out", sum(ramp_W.values()), "W"),
            *(Quantity(f"power_ramp_{block}", f"of it {block}", ramp_W[block], "W") for block in SUPPLIES),
            Quantity(
                "over_paper",
                "Energy with lock over the paper's 10 pJ",
                (total_J + idle_W["pll"] * lock_s) / PAPER_J,
                "",
            ),
        ),
        remarks=(
            f"{circuit.synapses} synapses, two of them spike at {TIMES_over_tau[0]:g} and {TIMES_over_tau[1]:g} tau "
            f"after arming with codes {codes[0]} and {codes[1]}; bias currents included, input drivers not",
            f"on a ramp of {RAMP_over_tau:g} tau, from the arming on: clearing the loop is part of it",
        ),
        cpu_s=cpu_s() - began,
    )


def ramp_power_W(spec: NeuronSpec) -> dict[str, float]:
    """Return by block the mean power of a neuron without inputs over nine tenths of a ramp, which it does not end.

    VCO1 and VCO2 rest on it; clearing the loop is part of the mean.
    """
    circuit, tau_s = circuit_of(spec), spec.tau_s
    armed = saved_states(circuit, len(TIMES_over_tau), TIMEOUT_s, windowed=True).armed[0]
    opens_s, length_s = armed.state.time_s + OPENS_over_tau * tau_s, RAMP_over_tau * tau_s
    readout = ReadoutWindow(form="ramp", armed_s=OPENS_over_tau * tau_s, length_s=length_s, slope=1.0 / RAMP_over_tau)
    window = Window(opens_s, opens_s + length_s, readout_Ohm(spec.replace(readout_window=readout)))
    deck = compose_neuron(
        circuit,
        [Input()] * len(TIMES_over_tau),
        stop_s=opens_s + 0.9 * length_s,
        arm_s=(),
        saved=SAVED,
        start=armed.state,
        extra=idle(circuit, len(TIMES_over_tau)),
        window=window,
    )
    outcome = simulate(deck, timeout_s=TIMEOUT_s)
    time = outcome.vectors["time"]
    return {
        block: waveforms.mean_between(time, -outcome.vectors[f"i(v{block})"] * deck.supply_V, opens_s, time[-1])
        for block in SUPPLIES
    }
