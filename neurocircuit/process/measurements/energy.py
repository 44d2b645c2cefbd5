"""Energy of one spike: the supply current of each block, from arming to Q, and with the lock before it."""

import numpy as np

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import waveforms
from neurocircuit.process.bench import TIMEOUT_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.fit import spec_of
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spice.saved_states import SYNAPSES, idle, saved_states
from neurocircuit.spice.transistor_deck import SAVED, SUPPLIES, Input, compose_neuron
from neurocircuit.spice.transistor_run import fire_times_s, simulate

TIMES_over_tau, WEIGHTS = (0.6, 0.9), (0.8, 0.8)  # from arming: two inputs, neither of which fires the neuron alone
PAPER_J = 10e-12  # the paper's bound for one spike


def measure(context: Context) -> Measured:
    """Return one run from a saved state to Q.

    The stretch between arming and the state at the power of the armed neuron.
    """
    began, spec = cpu_s(), spec_of(context)
    circuit = spec.circuit
    if circuit is None:
        raise SimulatorBadOutput("the spec of a characterised condition must hold its circuit")
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
    total_J, total_W = sum(spike_J.values()), sum(idle_W.values())
    return Measured(
        quantities=(
            Quantity("spike", "Energy of a spike, arming to Q", total_J, "J"),
            *(Quantity(f"spike_{block}", f"of it {block}", spike_J[block], "J") for block in SUPPLIES),
            Quantity("time", "Time from arming to Q", fire_s - armed.armed_s, "s"),
            Quantity("with_lock", "Energy of a spike with the lock before it", total_J + idle_W["pll"] * lock_s, "J"),
            Quantity("power", "Power while armed and idle", total_W, "W"),
            *(Quantity(f"power_{block}", f"of it {block}", idle_W[block], "W") for block in SUPPLIES),
            Quantity(
                "over_paper",
                "Energy with lock over the paper's 10 pJ",
                (total_J + idle_W["pll"] * lock_s) / PAPER_J,
                "",
            ),
        ),
        remarks=(
            f"{SYNAPSES} synapses, two of them spike at {TIMES_over_tau[0]:g} and {TIMES_over_tau[1]:g} tau after "
            f"arming with codes {codes[0]} and {codes[1]}; bias currents included, input drivers not",
        ),
        cpu_s=cpu_s() - began,
    )
