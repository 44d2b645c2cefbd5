"""Testbench and neuron in sentences that a circuit designer reads; one sentence for every field."""

from collections.abc import Callable

from neurocircuit.spec import NeuronSpec, StartPhases, Testbench, Uniform
from neurocircuit.units import format_quantity

Sentence = Callable[[Testbench], str]

_LEVELS = {
    "ideal": "eq. (4): no circuit, the exact causal set",
    "averaged": "the phase-domain model with the loop averaged over each oscillator period",
    "edge": "every oscillator edge, XOR pulse and flip-flop clock, solved event by event",
    "bsource": "the averaged model as a SPICE deck, run by ngspice",
    "transistor": "oscillators, XOR, loop, synapses and flip-flop in transistors, run by ngspice from a locked state",
}


def level_text(level: str) -> str:
    """Return what a level is, in words."""
    return _LEVELS[level]


def testbench_sentences(testbench: Testbench) -> list[tuple[str, str]]:
    """Return (field, sentence) for every field of the testbench, in its order."""
    return [(name, _SENTENCES[name](testbench)) for name in type(testbench).model_fields]


def neuron_sentences(spec: NeuronSpec) -> list[str]:
    """Return the circuit in a few sentences; request.json holds every field."""
    threshold = spec.threshold
    fires = (
        f"VCO3 leads VCO4 by {threshold.lead_rad:g} rad at arming, which puts the threshold at "
        f"{spec.threshold_weight:g} in units of weight."
        if threshold.is_fixed
        else f"VCO3 runs {format_quantity(threshold.offset_Hz, 'Hz')} ahead of VCO4, so that the threshold ramps."
    )
    return [
        f"Neuron “{spec.name}”: loop time constant τ = {format_quantity(spec.tau_s, 's')}, oscillators at "
        f"{format_quantity(spec.f0_Hz, 'Hz')} ({spec.cycles_per_tau:g} cycles per τ), loop filter "
        f"{spec.loop_ratio:g} times as wide as the loop (r = w_lf·τ).",
        f"A spike of {format_quantity(spec.spike_width_s, 's')} moves VCO1 by {spec.phase_per_weight_rad:g} rad per "
        f"unit weight; the XOR is linear up to a phase error of π/2. {fires}",
        *_circuit(spec),
        f"Silent means not fired within {spec.window_over_tau:g} τ of arming. Phase noise of VCO1 … VCO4: "
        f"{noise_text(spec)}{_supply(spec)}.",
    ]


def noise_text(spec: NeuronSpec) -> str:
    """Return white noise and flicker of the oscillators, and whether they were characterised or assumed, in words."""
    parts = []
    if any(spec.phase_noise):
        parts.append(f"{', '.join(f'{value:.3g}' for value in spec.phase_noise)} rad²/s")
    if spec.flicker is not None:
        since = format_quantity(spec.flicker.since_trim_s, "s")
        h = ", ".join(f"{value:.3g}" for value in spec.flicker.h)
        parts.append(f"flicker frequency noise of h = {h}, {since} after the trim")
    if not parts:
        return "off"
    origin = "assumed" if spec.noise_source is None else f"characterised: {spec.noise_source}"
    return f"{'; '.join(parts)} ({origin})"


def _supply(spec: NeuronSpec) -> str:
    if spec.ripple is None:
        return ""
    tones = ", ".join(
        f"{format_quantity(tone.amplitude_V, 'V')} at {format_quantity(tone.frequency_Hz, 'Hz')}"
        for tone in spec.ripple.tones
    )
    sensitivity = ", ".join(f"{value:g}" for value in spec.ripple.sensitivity_per_V)
    origin = "assumed" if spec.ripple.source is None else f"characterised: {spec.ripple.source}"
    return f"; supply ripple of {tones}, which VCO1 … VCO4 follow by {sensitivity} per volt ({origin})"


def _circuit(spec: NeuronSpec) -> list[str]:
    """Return the process and condition of a neuron with transistors, and what that means for the weights."""
    if spec.circuit is None:
        return []
    circuit, condition = spec.circuit, spec.circuit.condition
    return [
        f"Its transistors: process {circuit.process}, corner {condition.corner}, {condition.temperature_C:g} °C, "
        f"{format_quantity(condition.supply_V, 'V')}; VCO1 and VCO2 run at {format_quantity(circuit.f1_Hz, 'Hz')}, "
        f"VCO3 and VCO4 at {format_quantity(circuit.f3_Hz, 'Hz')}. At every level the weights lie on the "
        f"{circuit.weight_bits}-bit codes of its bank."
    ]


def _values(values: tuple[float | Uniform, ...], unit: str) -> str:
    texts = [
        f"drawn evenly from {value.low:g}{unit} to {value.high:g}{unit}"
        if isinstance(value, Uniform)
        else f"{value:g}{unit}"
        for value in values
    ]
    if len(set(texts)) == 1:
        return texts[0] if len(texts) == 1 else f"{texts[0]} for each of {len(texts)}"
    return ", ".join(texts)


def _jittered(testbench: Testbench) -> str:
    if testbench.jittered_inputs == "all":
        return "All inputs jitter."
    named = ", ".join(str(index + 1) for index in testbench.jittered_inputs)
    return f"Of {len(testbench.weights)} inputs, number {named} jitters; the others keep their times."


def _start_phases(testbench: Testbench) -> str:
    phases = testbench.start_phases
    if isinstance(phases, StartPhases):
        return f"At arming VCO1 stands at {phases.vco1_rad:g} rad and VCO3 at {phases.vco3_rad:g} rad in every draw."
    if phases == "random":
        return "The oscillators' phases at arming are drawn evenly for each draw; clean and disturbed run share them."
    return "The oscillators' phases at arming are those of the neuron's spec; clean and disturbed run share them."


def _times(count: int) -> str:
    return {0: "zero times", 1: "once", 2: "twice"}.get(count, f"{count} times")


_ORIGIN = {"arming": "arming", "first-input": "the first clean input spike"}
_READOUT = {
    "spec": "The spike is read as the neuron's spec says.",
    "continuous": "The spike is the instant at which the phases of VCO4 and VCO3 meet.",
    "q": "The spike is the edge of VCO3 at which the flip-flop's output Q rises.",
}
_SENTENCES: dict[str, Sentence] = {
    "name": lambda t: f"The testbench is called “{t.name}”.",
    "summary": lambda t: f"In short: {t.summary}.",
    "level": lambda t: f"The main rows come from the level {t.level}: {level_text(t.level)}.",
    "input_times_over_tau": lambda t: (
        f"Input spikes come, counted from arming, at {_values(t.input_times_over_tau, ' τ')}."
    ),
    "weights": lambda t: f"Their weights in the jitter half: {_values(t.weights, '')}.",
    "quantised_weights": lambda t: (
        f"Their weights in the quantisation half, before it: {_values(t.quantised_weights, '')}."
    ),
    "jittered_inputs": _jittered,
    "jitter_distribution": lambda t: (
        f"Jitter is {'Gaussian' if t.jitter_distribution == 'gaussian' else 'evenly distributed'}; "
        "the amplitude in the table is its standard deviation."
    ),
    "jitter_correlation": lambda t: (
        "Each input draws its own jitter." if t.jitter_correlation == "independent" else "All inputs share one jitter."
    ),
    "jitter_reference": lambda t: (
        "Its amplitude is a fraction of the input's own time."
        if t.jitter_reference == "relative"
        else "Its amplitude is a fraction of τ."
    ),
    "time_origin": lambda t: (
        f"Relative jitter, in and out, counts times from {_ORIGIN[t.time_origin]}; |Δ|/t depends on that choice."
    ),
    "desired": lambda t: (
        "The desired time is that of the same neuron without jitter, noise or quantisation, at the same level."
        if t.desired == "clean-run"
        else "The desired time is that of eq. (4) without jitter, noise or quantisation."
    ),
    "metric": lambda t: f"The table's column is the {t.metric} of |Δ|/t over the draws in which both runs fired.",
    "readout": lambda t: _READOUT[t.readout],
    "start_phases": _start_phases,
    "trials": lambda t: f"Each row has {t.trials} draws; all rows and levels share them.",
    "cross_check_trials": lambda t: (
        f"The cross-check level repeats the first {t.cross_check_trials} draws of each row."
    ),
    "timeout_s": lambda t: f"One simulator run may take {format_quantity(t.timeout_s, 's')}.",
    "retries": lambda t: f"A failed batch is tried again {_times(t.retries)}, then recorded as failed.",
}
