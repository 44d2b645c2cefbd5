"""Level `transistor`: the neuron of `spec.circuit` in ngspice, from a locked, armed state to its decision.

A run starts from a saved state (`states`), waits until VCO1 and VCO3 stand at the phases wanted (`phases`) and ends
when the latch has seen Q. The readout `q` is the rise of Q. The readout `continuous` is the instant at which VCO4 is
ahead of VCO3 by what the flip-flop needs to see it (the spec's lead less the circuit's, and less what the flip-flop
holds VCO4's edges back), plus the spec's output delay, as at the other levels: phases are known at rising edges, and
between two of them VCO4 follows UP, saved: 2π (n + share of the period) with the swing of UP on it.

A readout window takes the neuron of cells/windowed_neuron.cir: its flip-flop is held in reset until the arming. Form
`forced`: a pulse at the window's end makes the latch spike, which the run must show. Form `ramp`: at the arming VCO4's
current becomes constant, its resistor found for the slope (readout_current.py), and VCO1 and VCO2 stop.

Measured on generic65 tt, two inputs at 0.16 τ and four idle synapses: 5.2 CPU-s an evaluation; 130 ns of the same deck
from power-up at the same step, without a state and a stop, 24.3 CPU-s.
"""

import hashlib
from dataclasses import fields
from math import inf, nan, pi

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError, SimulatorBadOutput, SimulatorTimeout
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.record import Arming, FireRecord, Waveforms
from neurocircuit.neuron.supply import SupplyRipple
from neurocircuit.spec import Circuit, NeuronSpec
from neurocircuit.spice import ngspice, transistor_run
from neurocircuit.spice.mismatch import shifts_of
from neurocircuit.spice.phases import Placement, nearest_placement
from neurocircuit.spice.process import load
from neurocircuit.spice.readout import Course
from neurocircuit.spice.readout_current import readout_Ohm
from neurocircuit.spice.saved_states import SavedStates, idle, saved_states
from neurocircuit.spice.transistor_deck import CELLS, Input, MAX_STEP_s, Window, compose_neuron

HAS_DEVICES = True
STATE_TIMEOUT_s = 600.0  # making the states, once for each circuit
FORCED_WITHIN_s = 1e-9  # of a window's end the latch has spiked
_SAVED = ("v(o1)", "v(o2)", "v(o3)", "v(o4)", "v(up)", "v(vc)", "v(q)", "v(fired)")


def fire(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: np.ndarray,
    errors: NeuronErrors | None = None,
    *,
    timeout_s: float = 30.0,
    step_divisor: int = 1,
) -> FireRecord:
    """Return the fire times of spec.circuit from t_over_tau and weights, both [trial, input].

    Weights must be codes of its bank.

    The phases start_rad [trial, 2] are met as `arming` says; those really there come back in the record. noise_seed has
    no effect: a transient has no device noise. step_divisor = 2 halves the time steps after the saved state.
    A run that times out or delivers no trustworthy waveforms leaves nan and its reason in `failures`.
    Raise SimulatorMissing without ngspice, InputError for a spec without circuit or a weight that is no code.
    """
    if errors is not None:
        raise InputError("errors must be none at level transistor, where a chip is Circuit.chip_seed, got some")
    circuit_of(spec)
    codes = spec.weight_bank.codes(weights)
    trials, inputs = t_over_tau.shape
    fire_time, headroom = np.full(trials, nan), np.full(trials, nan)
    false_fire, failures = np.zeros(trials, dtype=bool), {}
    try:
        name, states = engine(), _states(spec, inputs)
        resistor_Ohm = readout_Ohm(spec)
    except (SimulatorTimeout, SimulatorBadOutput) as error:
        return FireRecord(fire_time, headroom, false_fire, dict.fromkeys(range(trials), ngspice.reason_of(error)))
    placed = nearest_placement(start_rad, states.saved_rad, states.f1_Hz, states.f3_Hz)
    for trial in range(trials):
        try:
            trial_inputs = t_over_tau[trial], codes[trial]
            course = _run(spec, states, placed, trial, *trial_inputs, timeout_s, step_divisor, resistor_Ohm)
            decided = _decision(course, spec)
        except (SimulatorTimeout, SimulatorBadOutput) as error:
            failures[trial] = ngspice.reason_of(error)
        else:
            fire_time[trial], headroom[trial], false_fire[trial] = decided
    return FireRecord(fire_time, headroom, false_fire, failures, name, placed.start_rad)


def waveforms(
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats,
    noise_seed: int,
    ripple: SupplyRipple | None = None,
) -> Waveforms:
    """Waveforms from the time origin until shortly after Q, which stops VCO3 and VCO4, or over the whole window."""
    circuit, codes = circuit_of(spec), spec.weight_bank.codes(weights)
    states = _states(spec, len(t_over_tau))
    placed = nearest_placement(start_rad[None], states.saved_rad, states.f1_Hz, states.f3_Hz)
    course = _run(spec, states, placed, 0, t_over_tau, codes, STATE_TIMEOUT_s, 1, readout_Ohm(spec))
    known = slice(max(course.known.start, int(np.searchsorted(course.time_s, 0.0))), course.known.stop)
    time_s, skipped = course.time_s[known], known.start - course.known.start
    base = 2 * pi * spec.f0_Hz * time_s
    vco1, vco3 = (course.phase_rad(name)[skipped:] for name in ("o1", "o3"))
    error, membrane = course.phase_error_rad[skipped:], course.membrane_rad[skipped:]
    vco3 = vco3 - vco3[0] - spec.threshold_vco_ratio * base
    vco1 = vco1 - vco1[0] - base
    shown = Waveforms(
        time_over_tau=time_s / spec.tau_s,
        vco_rad=np.stack([vco1, vco1 - error, vco3, vco3 + membrane]) + placed.start_rad[0][[0, 0, 1, 1], None],
        up=course.up[known],
        loop_filter=course.vectors["v(vc)"][known] / circuit.condition.supply_V,
        membrane=1.0 + membrane / circuit.lead_rad,
        q=(course.vectors["v(q)"][known] >= circuit.condition.supply_V / 2).astype(np.float64),
    )
    return shown if course.q_s() == inf else _ended(shown, course.q_s() / spec.tau_s)


def _ended(shown: Waveforms, q_over_tau: float) -> Waveforms:
    """With one more sample at the rise of Q, shortly after the last edge; all else is held."""
    if q_over_tau <= shown.time_over_tau[-1]:
        return shown
    held = {
        name: np.concatenate([values, values[..., -1:]], axis=-1)
        for name, values in ((field.name, getattr(shown, field.name)) for field in fields(Waveforms))
    }
    held["time_over_tau"][-1], held["q"][-1] = q_over_tau, 1.0
    return Waveforms(**held)


def arming(spec: NeuronSpec, start_rad: Floats, inputs: int) -> Arming:
    """The arming behind each wanted pair of phases [trial, 2]: its own phases, and the time from it to the origin.

    VCO1's is the phase that VCO4 sees: earlier by the detector's delay, which levels without gates do not have.
    """
    circuit, states = circuit_of(spec), _states(spec, inputs)
    placed = nearest_placement(start_rad, states.saved_rad, states.f1_Hz, states.f3_Hz)
    since_s = np.array([armed.state.time_s - armed.armed_s for armed in states.armed])
    armed_rad = np.array([armed.armed_rad for armed in states.armed])
    armed_rad[:, 0] = np.mod(armed_rad[:, 0] - 2 * pi * states.f1_Hz * circuit.detector_delay_s, 2 * pi)
    return Arming(armed_rad[placed.state], (since_s[placed.state] + placed.wait_s) / spec.tau_s)


def engine() -> str:
    """Return the version of ngspice and time step; the netlists and models enter by `identity`."""
    return f"ngspice-{ngspice.version().number} method=trap max_step={MAX_STEP_s:g}s"


def identity(spec: NeuronSpec, inputs: int) -> str:
    """Hash of the cells, the process and its models: what a deck holds beside the spec."""
    circuit = circuit_of(spec)
    shifts, others = shifts_of(circuit, inputs), idle(circuit, inputs)
    deck = compose_neuron(circuit, [Input()] * inputs, stop_s=1e-9, extra=others, mismatch=shifts)
    return hashlib.sha256(
        f"{deck.identity} {load(circuit.process).toml_sha256} {deck.files[CELLS]}".encode()
    ).hexdigest()


def not_modelled(spec: NeuronSpec) -> tuple[str, ...]:
    """Return the effects that the spec switches on and a transient of the transistors leaves out."""
    effects = {
        "phase noise": any(spec.phase_noise),
        "flicker": spec.flicker is not None,
        "supply ripple": spec.ripple is not None,
        "spikes without width": spec.spike_width_s == 0,
    }
    return tuple(name for name, active in effects.items() if active)


def circuit_of(spec: NeuronSpec) -> Circuit:
    """Return the transistors behind a spec. Raise InputError where there are none."""
    if spec.circuit is None:
        raise InputError("level transistor needs a NeuronSpec with circuit, as `neurocircuit characterize` writes it")
    return spec.circuit


def _states(spec: NeuronSpec, inputs: int) -> SavedStates:
    windowed = spec.readout_window is not None
    return saved_states(circuit_of(spec), inputs, STATE_TIMEOUT_s, windowed)


def _run(
    spec: NeuronSpec,
    states: SavedStates,
    placed: Placement,
    trial: int,
    t_over_tau: Floats,
    codes: NDArray[np.int_],
    timeout_s: float,
    step_divisor: int,
    resistor_Ohm: float | None = None,
) -> Course:
    """Return one trial, from its state to Q or to the end of the window.

    An input that comes after the window stays idle. resistor_Ohm: of the read-out current of a ramp.
    """
    circuit, armed = circuit_of(spec), states.armed[placed.state[trial]]
    origin_s = armed.state.time_s + float(placed.wait_s[trial])
    inputs = [
        Input((origin_s + float(time) * spec.tau_s,) if time < spec.window_over_tau else (), int(code))
        for time, code in zip(t_over_tau, codes, strict=True)
    ]
    readout, window = spec.readout_window, None
    if readout is not None:
        window = Window(origin_s + readout.armed_s, origin_s + readout.closes_s, resistor_Ohm)
    deck = compose_neuron(
        circuit,
        inputs,
        stop_s=origin_s + (spec.window_s if readout is None else readout.closes_s + FORCED_WITHIN_s),
        max_step_s=MAX_STEP_s / step_divisor,
        arm_s=(),
        saved=_SAVED,
        start=armed.state,
        stop_when_fired=True,
        extra=idle(circuit, len(inputs)),
        mismatch=shifts_of(circuit, len(inputs)),
        window=window,
    )
    vectors = transistor_run.simulate(deck, timeout_s=timeout_s).vectors
    return Course(
        vectors["time"] - origin_s,
        vectors,
        circuit.condition.supply_V,
        spec.vco4_swing_Hz,
        -circuit.lead_rad,
        setup_rad=max(spec.threshold.lead_rad - circuit.lead_rad - 2 * pi * circuit.f3_Hz * circuit.data_pull_s, 0.0),
        detector_delay_s=circuit.detector_delay_s or nan,
        armed_s=0.0 if readout is None else readout.armed_s,
        constant_duty=_duty(spec),
    )


def _duty(spec: NeuronSpec) -> float | None:
    """Return the duty of UP whose mean current is the read-out current of a ramp; None: the neuron has none."""
    if spec.ramp_slope is None:
        return None
    return 0.5 + spec.ramp_slope * spec.fixed_lead_rad / (2 * pi * spec.vco4_swing_Hz * spec.tau_s)


def _decision(course: Course, spec: NeuronSpec) -> tuple[float, float, bool]:
    """Return the fire time over tau, inf for a forced spike, headroom, and whether it is a false fire.

    Raise SimulatorBadOutput where the end of a window of the form forced made no spike.
    """
    q_s, crossing_s = course.q_s(), course.crossing_s()
    fired_s = q_s if spec.readout == "q" else crossing_s + spec.output_delay_s
    fired_s = fired_s if fired_s <= spec.window_over_tau * spec.tau_s else inf
    headroom = course.headroom(min(crossing_s, q_s))
    if fired_s == inf and spec.readout_window is not None and spec.readout_window.form == "forced":
        if not course.has_fired:
            raise SimulatorBadOutput("the pulse at the window's end must make the neuron spike")
        return inf, headroom, False
    return fired_s / spec.tau_s, headroom, course.is_false_fire(crossing_s)
