"""Membrane kernel of the transistor neuron from single-input runs: what the spec of the fast levels needs of it.

The membrane, not the phase of the loop, is fitted: the two decay differently where VCO4 is pulled or filtered. What the
fit gives and what the spec needs: gain g = rad of membrane per rad of phase jump = 2 Δf τ, weights w_k = g a_k/θ with
the jumps a_k of the codes and the lead θ, so that the threshold is at weight 1; phase per weight θ/g.

A jump depends a little on VCO1's phase, and an idle membrane on the phase at arming. So each code comes from two saved
states, half a turn of VCO1 apart, whose mean has lost the first harmonic, and the idle neuron from all states.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process.bench import TIMEOUT_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.idle_membrane import Idle, at_edges, fit_idle
from neurocircuit.process.measurements.trim import lag_of, settled_membrane
from neurocircuit.process.membrane_kernel import KernelFit, Membrane, fit, response
from neurocircuit.process.stored import trimmed, trimmed_circuit
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import Circuit
from neurocircuit.spice.readout import Course
from neurocircuit.spice.saved_states import Armed, SavedStates, saved_states
from neurocircuit.spice.saved_states import idle as idle_synapses
from neurocircuit.spice.transistor_deck import Input, compose_neuron
from neurocircuit.spice.transistor_run import simulate

CODES = (6, 12, -6, -12)
INPUTS = 2  # drawn one by one, as the sweep's states have them; the others as one
INPUT_s, LENGTH_s = 2e-9, 42e-9  # after the saved state; more than two time constants
SETTLED = 0.2  # of the peak of the phase error: later it is below what rest and ripple leave of an early end
_SAVED = tuple(f"v({node})" for node in ("o1", "o2", "o3", "o4", "up", "q", "fired"))


@dataclass(frozen=True)
class Run:
    """One single-input run: membrane and phase error over time from the input, means over a period of VCO1.

    state: from which it starts, its number. edges_s: rising edges of o1 … o4 on the same axis.
    """

    code: int
    state: int
    time_s: Floats
    membrane_rad: Floats
    error_rad: Floats
    edges_s: Mapping[str, Floats]


def measure(context: Context) -> Measured:
    """Return the single-input runs and idle ones from the saved states, and the fit over all of them."""
    began, circuit, trim = cpu_s(), trimmed_circuit(context), trimmed(context)
    states = saved_states(circuit, INPUTS, TIMEOUT_s)
    swing_Hz = trim.gain3_Hz_per_A * 0.25 * context.condition.supply_V / circuit.components.r4_Ohm
    idles = [single_input(circuit, states, state, 0, swing_Hz) for state in range(len(states.armed))]
    half = len(idles) // 2
    runs = [
        single_input(circuit, states, state, code, swing_Hz)
        for k, code in enumerate(CODES)
        for state in (k % half, k % half + half)
    ]
    # What the idle neuron does is common to all runs from its state and no part of the kernel.
    idle_rad = [np.interp(run.time_s, idles[run.state].time_s, idles[run.state].membrane_rad) for run in runs]
    errors = [
        run.error_rad - np.interp(run.time_s, idles[run.state].time_s, idles[run.state].error_rad) for run in runs
    ]
    series = circuit.components.r1_Ohm + circuit.components.r2_Ohm
    kernel = fit(
        [
            Membrane(run.time_s, run.membrane_rad - idling, 0.0, run.code < 0)
            for run, idling in zip(runs, idle_rad, strict=True)
        ],
        tau_s=series / (2 * context.condition.supply_V * trim.gain_Hz_per_A),
        loop_filter_rad_per_s=1.0 / (circuit.components.c_F * circuit.components.r1_Ohm),
        width_s=circuit.spike_width_s,
    )
    curves = {
        f"code_{runs[k].code}": {
            "time_s": runs[k].time_s,
            "membrane_rad": runs[k].membrane_rad,
            "error_rad": errors[k],
            "fitted_rad": _fitted(kernel, k, runs[k]) + idle_rad[k],
        }
        for k in range(0, len(runs), 2)
    }
    curves["idle"] = {name: getattr(idles[0], name) for name in ("time_s", "membrane_rad", "error_rad")}
    return Measured(
        _quantities(kernel, runs, idles, errors, states, context.done["synapse"].curves["jumps"], circuit.lead_rad),
        curves,
        details={"f1_Hz": states.f1_Hz, "f3_Hz": states.f3_Hz, "gains_rad": kernel.gain_rad.tolist()},
        cpu_s=cpu_s() - began,
    )


def _quantities(
    kernel: KernelFit,
    runs: Sequence[Run],
    idles: Sequence[Run],
    errors: Sequence[Floats],
    states: SavedStates,
    jumps: Mapping[str, Floats],
    lead_rad: float,
) -> tuple[Quantity, ...]:
    jump = np.array([_jump(jumps, run.code) for run in runs])
    duration_s = np.array([run.time_s[-1] for run in runs])
    plus, minus = (telling(duration_s, sign * jump > 0, kernel.tau_s) for sign in (1, -1))
    long = plus | minus
    gain, gain_minus = (float(kernel.gain_rad[k] @ jump[k] / (jump[k] @ jump[k])) for k in (plus, minus))
    swing = gain / (2 * kernel.tau_s)
    idle_fit = fit_idle(
        [_idle(idle, armed, lead_rad) for idle, armed in zip(idles, states.armed, strict=True)], states.f1_Hz, swing
    )
    # Of the weaker input: the strong one fires the neuron, which ends its run.
    weak = next(k for k, run in enumerate(runs) if run.code == min(code for code in CODES if code > 0))
    time_s, error = runs[weak].time_s, errors[weak]
    return (
        Quantity("tau", "Time constant of the membrane kernel", kernel.tau_s, "s"),
        Quantity("tau_loop", "Time constant of the loop's phase error", _decay_s(time_s, error), "s"),
        Quantity("loop_filter", "Loop filter w_lf of the kernel", kernel.loop_filter_rad_per_s, "rad/s"),
        Quantity("width", "Width over which an input is spread: spike, tail, delay; excitatory", kernel.width_s, "s"),
        Quantity("width_inhibitory", "The same, inhibitory", kernel.sink_width_s, "s"),
        Quantity("gain", "Membrane gain, rad per rad of phase jump, excitatory", gain, ""),
        Quantity("gain_inhibitory", "Membrane gain, inhibitory", gain_minus, ""),
        Quantity(
            "gain_spread",
            "Largest deviation of a run's gain from it",
            float(np.abs(kernel.gain_rad / jump / np.where(jump > 0, gain, gain_minus) - 1)[long].max()),
            "",
        ),
        Quantity("swing", "VCO4 between UP = 0 and 1, from the kernel", swing, "Hz"),
        Quantity("lead", "Lead of VCO3 over VCO4, carried back to arming", idle_fit.lead_rad, "rad"),
        Quantity("lead_spread", "Its standard deviation over the phases at arming", idle_fit.spread_rad, "rad"),
        Quantity("detector_delay", "From VCO1 to VCO4: XOR, switch, ring", idle_fit.delay_s, "s"),
        Quantity(
            "ripple_residual", "Idle membrane less drift and ripple, root mean square", idle_fit.residual_rad, "rad"
        ),
        Quantity(
            "idle_lag",
            "Phase error of the idle loop, mean",
            float(np.mean([idle.error_rad.mean() for idle in idles])),
            "rad",
        ),
        Quantity("drift", "Drift of the idle membrane", idle_fit.drift_rad_per_s, "rad/s"),
        Quantity(
            "residual", "Fit residual, root mean square over the lead", kernel.residual_rad / idle_fit.lead_rad, ""
        ),
        Quantity("worst", "Fit residual, largest over the lead", kernel.worst_rad / idle_fit.lead_rad, ""),
        Quantity(
            "settling",
            "Step response of the loop: until the phase error is within 20 % of its peak",
            _settling_s(time_s, error),
            "s",
        ),
    )


def _idle(run: Run, armed: Armed, lead_rad: float) -> Idle:
    return Idle(*at_edges(run.edges_s, lead_rad), armed.armed_s - armed.state.time_s - INPUT_s, armed.armed_rad[0])


def telling(duration_s: Floats, of_sign: Bools, tau_s: float) -> Bools:
    """Return the runs of a sign [run] that tell a gain: those that outlast a time constant, else the longest.

    A strong input fires the neuron, by wrap too, and ends its run: of a gain its early part says little.
    """
    longest = duration_s == duration_s[of_sign].max()
    return np.asarray(of_sign & ((duration_s > tau_s) | longest))


def single_input(circuit: Circuit, states: SavedStates, state: int, code: int, swing_Hz: float) -> Run:
    """Return one run from a saved state: one synapse gets its spike INPUT_s later (code 0: none), the others idle."""
    armed = states.armed[state]
    origin_s = armed.state.time_s + INPUT_s
    inputs = [Input((origin_s,), code) if code else Input(), *[Input()] * (INPUTS - 1)]
    deck = compose_neuron(
        circuit,
        inputs,
        stop_s=armed.state.time_s + LENGTH_s,
        arm_s=(),
        saved=_SAVED,
        start=armed.state,
        stop_when_fired=True,
        extra=idle_synapses(circuit, INPUTS),
    )
    vectors = simulate(deck, timeout_s=TIMEOUT_s).vectors
    supply_V = circuit.condition.supply_V
    course = Course(vectors["time"] - origin_s, vectors, supply_V, swing_Hz, -circuit.lead_rad)
    at_s, membrane = settled_membrane(course, 1.0 / states.f1_Hz)
    if len(at_s) < 8:
        raise SimulatorBadOutput(f"the run with code {code} must last at least 3 periods, it ended after {len(at_s)}/4")
    lag_time, lag = lag_of(course.edges_s["o1"], course.edges_s["o2"])
    return Run(
        code,
        state,
        at_s,
        membrane,
        np.interp(at_s, lag_time, lag - pi / 2),
        course.edges_s,
    )


def _jump(jumps: Mapping[str, Floats], code: int) -> float:
    row = int(np.flatnonzero(jumps["code"] == abs(code))[0])
    return float(jumps["excitatory_rad"][row] if code > 0 else -jumps["inhibitory_rad"][row])


def _fitted(kernel: KernelFit, k: int, run: Run) -> Floats:
    r, width_s = kernel.loop_filter_rad_per_s * kernel.tau_s, kernel.sink_width_s if run.code < 0 else kernel.width_s
    shape = response(run.time_s / kernel.tau_s, r, width_s / kernel.tau_s)
    return np.asarray(kernel.gain_rad[k] * shape)


def _decay_s(time_s: Floats, error_rad: Floats) -> float:
    """Time constant of the decay after the largest phase error, from the logarithm between 80 and 20 % of it."""
    top = int(np.argmax(np.abs(error_rad)))
    share = np.abs(error_rad[top:] / error_rad[top])
    used = (share < 0.8) & (share > 0.2)
    if used.sum() < 3:
        return float("nan")
    return float(-1.0 / np.polyfit(time_s[top:][used], np.log(share[used]), 1)[0])


def _settling_s(time_s: Floats, error_rad: Floats) -> float:
    """Return the last time at which the phase error is above SETTLED of its largest; nan when the run ends before."""
    size = np.abs(error_rad) / np.abs(error_rad).max()
    above = np.flatnonzero(size > SETTLED)
    return float(time_s[above[-1]]) if above[-1] < len(time_s) - 1 else float("nan")
