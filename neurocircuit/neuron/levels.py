"""One neuron, or a batch of them, at any level: the entry that the sweep and the command line share."""

from dataclasses import replace
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.pulse_overlap import acting_times, overlapping_weights
from neurocircuit.neuron.record import Arming, FireRecord, Waveforms
from neurocircuit.spec import NeuronSpec, StartPhases

LEVELS = ("ideal", "averaged", "edge", "bsource", "transistor")
_MODULES = {
    "ideal": "neurocircuit.neuron.ideal",
    "averaged": "neurocircuit.neuron.averaged",
    "edge": "neurocircuit.neuron.edge",
    "bsource": "neurocircuit.spice.bsource",
    "transistor": "neurocircuit.spice.transistor",
}
SPICE_LEVELS = ("bsource", "transistor")
LARGEST_WEIGHT = 1e4  # units of the threshold; each XOR edge that a weight makes is an event
_ROUNDING_STEPS = 4  # ulps by which a refined closed form moves its inputs


def evaluate(
    level: str,
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    *,
    start_rad: Floats | None = None,
    noise_seed: NDArray[np.uint64] | None = None,
    timeout_s: float = 30.0,
    refined: bool = False,
    errors: NeuronErrors | None = None,
) -> FireRecord:
    """Fire times from spike times and weights, both [trial, input]; times in units of tau from arming, inf: silent.

    start_rad: phases of VCO1 and VCO3 at arming, [trial, 2]; default: those of the spec, or where it says random,
    one draw per trial from a generator with seed 0.
    noise_seed: seed of the phase noise, [trial]; default: the trial's number.
    refined: the same physics with the level's numerics disturbed: half the time step in SPICE, inputs moved by a
    few ulps in a closed form. What that changes is the level's numerical floor.
    errors: what a chip's neurons have of their own, each [trial].

    Raises InputError for times before arming, SimulatorMissing where a level needs ngspice and there is none.
    """
    t_over_tau, weights = (np.atleast_2d(np.asarray(array, dtype=np.float64)) for array in (t_over_tau, weights))
    _check(t_over_tau, weights)
    trials = len(t_over_tau)
    if start_rad is None:
        start_rad = default_start_rad(spec, trials)
    if noise_seed is None:
        noise_seed = np.arange(trials, dtype=np.uint64)
    options: dict[str, float] = {}
    if level in SPICE_LEVELS:
        options = {"timeout_s": timeout_s, "step_divisor": 2 if refined else 1}
    elif refined:
        t_over_tau = t_over_tau * (1.0 + _ROUNDING_STEPS * np.finfo(float).eps)
    module = _module(level)
    if level == "transistor":
        if errors is not None:
            raise InputError("errors must be none at level transistor, where a chip is Circuit.chip_seed, got some")
        alone: FireRecord = module.fire(spec, t_over_tau, weights, start_rad, noise_seed, **options)
        return alone
    t_over_tau, weights = acting_times(spec, t_over_tau, weights), overlapping_weights(spec, t_over_tau, weights)
    record: FireRecord = module.fire(spec, t_over_tau, weights, start_rad, noise_seed, errors, **options)
    return _after_output_delay(record, spec)


def waveforms(
    level: str,
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats | None = None,
    noise_seed: int = 0,
) -> Waveforms:
    """Waveforms over the whole window of one neuron; t_over_tau and weights are [input], start_rad is [2]."""
    t_over_tau, weights = (np.asarray(array, dtype=np.float64) for array in (t_over_tau, weights))
    _check(t_over_tau[None], weights[None])
    start = fixed_start_rad(spec) if start_rad is None else start_rad
    if level != "transistor":
        t_over_tau, weights = (
            act(spec, t_over_tau[None], weights[None])[0] for act in (acting_times, overlapping_weights)
        )
    result: Waveforms = _module(level).waveforms(spec, t_over_tau, weights, start, noise_seed)
    if level == "transistor" or spec.output_delay_s == 0:
        return result
    late_over_tau = result.time_over_tau - spec.output_delay_s / spec.tau_s
    before = np.searchsorted(result.time_over_tau, late_over_tau, side="right") - 1
    return replace(result, q=np.where(before >= 0, result.q[np.maximum(before, 0)], 0.0))


def arming(level: str, spec: NeuronSpec, start_rad: Floats, inputs: int) -> Arming:
    """The arming of a neuron of `inputs` inputs when VCO1 and VCO3 are wanted at start_rad [trial, 2] at the origin.

    The transistor level starts from saved states: its phases are near the wanted ones, and its membrane was armed
    before the time origin. Every other level arms at the time origin, at the phases wanted.
    Raises SimulatorMissing, SimulatorTimeout or SimulatorBadOutput where a state has yet to be made and cannot be.
    """
    module = _module(level)
    if level != "transistor":
        return Arming(start_rad, np.zeros(len(start_rad)))
    armed: Arming = module.arming(spec, start_rad, inputs)
    return armed


def engine(level: str) -> str:
    """What determines the numbers of a level: code version, netlist, simulator and its options."""
    text: str = _module(level).engine()
    return text


def identity(level: str, spec: NeuronSpec, inputs: int) -> str:
    """What determines the numbers beside level, engine and spec: the files of the circuit's process; "" for most."""
    if level != "transistor":
        return ""
    text: str = _module(level).identity(spec, inputs)
    return text


def not_modelled(level: str, spec: NeuronSpec) -> tuple[str, ...]:
    """Effects that the spec switches on and the level leaves out."""
    model = "averaged" if level == "bsource" else level  # the deck is that model
    effects: tuple[str, ...] = _module(model).not_modelled(spec)
    return effects


def default_start_rad(spec: NeuronSpec, trials: int, seed: int = 0) -> Floats:
    """Phases of VCO1 and VCO3 at arming, [trial, 2]: the spec's, or uniform draws where it says random."""
    if spec.start_phases == "random":
        return np.random.default_rng(seed).uniform(0.0, 2 * np.pi, (trials, 2))
    return np.tile(fixed_start_rad(spec), (trials, 1))


def fixed_start_rad(spec: NeuronSpec) -> Floats:
    """Phases of VCO1 and VCO3 at arming; 0 where the spec says random."""
    phases = spec.start_phases if isinstance(spec.start_phases, StartPhases) else StartPhases()
    return np.array([phases.vco1_rad, phases.vco3_rad])


def _after_output_delay(record: FireRecord, spec: NeuronSpec) -> FireRecord:
    """The output spike comes output_delay_s after what the level decides; beyond the window the neuron is silent."""
    if spec.output_delay_s == 0:
        return record
    late = record.fire_time_over_tau + spec.output_delay_s / spec.tau_s
    lost = late > spec.window_over_tau
    return replace(record, fire_time_over_tau=np.where(lost, np.inf, late), false_fire=record.false_fire & ~lost)


def _module(level: str) -> ModuleType:
    if level not in _MODULES:
        raise InputError(f"level must be one of {', '.join(LEVELS)}, got {level!r}")
    return import_module(_MODULES[level])


def _check(t_over_tau: Floats, weights: Floats) -> None:
    if t_over_tau.shape != weights.shape:
        times, count = t_over_tau.shape[-1], weights.shape[-1]
        raise InputError(f"inputs and weights must be as many: got {times} spike times and {count} weights")
    if t_over_tau.shape[-1] < 1:
        raise InputError("inputs must be >= 1, got 0")
    if np.isnan(t_over_tau).any() or not np.isfinite(weights).all():
        raise InputError("inputs and weights must be numbers, got nan or an infinite weight")
    if np.abs(weights).max(initial=0.0) > LARGEST_WEIGHT:
        raise InputError(f"weights must be within ±{LARGEST_WEIGHT:g}, got {weights.flat[np.abs(weights).argmax()]:g}")
    if t_over_tau.size and t_over_tau.min() < 0:
        raise InputError(f"inputs must be >= 0 tau (arming), got {t_over_tau.min():g}")
