"""One neuron, or a batch of them, at any level: the entry that the sweep and the command line share.

A level is one file that fulfils the protocol Level with its functions, and one line of MODULES; options, messages and
records take their names from LEVELS. What a level costs, how it looks in a figure and how far it may lie from its
neighbour stand where that is used; docs/extending.md lists those tables. A new level that solves the model's own
equations takes `arming` and `identity` from record.py.
"""

from dataclasses import replace
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.neuron import flicker, supply
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.neuron.pulse_overlap import acting_times, overlapping_weights
from neurocircuit.neuron.record import Arming, FireRecord, Waveforms
from neurocircuit.neuron.supply import SupplyRipple
from neurocircuit.spec import NeuronSpec, StartPhases

MODULES = {
    "ideal": "neurocircuit.neuron.ideal",
    "averaged": "neurocircuit.neuron.averaged",
    "edge": "neurocircuit.neuron.edge",
    "bsource": "neurocircuit.spice.bsource",
    "transistor": "neurocircuit.spice.transistor",
}
LEVELS = tuple(MODULES)
SPICE_LEVELS = tuple(name for name, module in MODULES.items() if module.startswith("neurocircuit.spice."))
LARGEST_WEIGHT = 1e4  # units of the threshold; each XOR edge that a weight makes is an event
_ROUNDING_STEPS = 4  # ulps by which a refined closed form moves its inputs


class Level(Protocol):
    """What the file of a level holds. Arrays and units as in `evaluate`.

    HAS_DEVICES: whether its neurons are transistors, with their own pulses, overlap and output delay. Elsewhere inputs
    come as pulse_overlap.py has them act, and the output spike leaves by the spec's output delay.
    """

    HAS_DEVICES: bool

    def fire(
        self,
        spec: NeuronSpec,
        t_over_tau: Floats,
        weights: Floats,
        start_rad: Floats,
        noise_seed: NDArray[np.uint64],
        errors: NeuronErrors | None = None,
        **numerics: Any,
    ) -> FireRecord:
        """Decide every trial. Levels in SPICE take the numerics timeout_s and step_divisor, others none."""

    def waveforms(
        self,
        spec: NeuronSpec,
        t_over_tau: Floats,
        weights: Floats,
        start_rad: Floats,
        noise_seed: int,
        ripple: SupplyRipple | None = None,
    ) -> Waveforms:
        """Follow one neuron over the window; times and weights are [input], start_rad is [2].

        ripple: of the supply, that this neuron meets; None: none, as always where the level has devices.
        """

    def arming(self, spec: NeuronSpec, start_rad: Floats, inputs: int) -> Arming:
        """Return the arming that the level really makes for the phases wanted [trial, 2]."""

    def engine(self) -> str:
        """Return what determines the numbers: version of the code or of the simulator, and its options."""

    def identity(self, spec: NeuronSpec, inputs: int) -> str:
        """Return what determines the numbers beside level, engine and spec; "" for nothing."""

    def not_modelled(self, spec: NeuronSpec) -> tuple[str, ...]:
        """Return the effects that the spec switches on and the level leaves out."""


def level_of(name: str) -> Level:
    """Return the level of that name. Raise InputError, naming all levels, where there is none."""
    if name not in MODULES:
        raise InputError(f"level must be one of {', '.join(LEVELS)}, got {name!r}")
    return cast(Level, import_module(MODULES[name]))


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
    supply_rad: Floats | None = None,
) -> FireRecord:
    """Return the fire times from spike times and weights, both [trial, input].

    Times in units of tau from arming, inf: silent.

    start_rad: phases of VCO1 and VCO3 at arming, [trial, 2]; default: those of the spec, or where it says random,
    one draw per trial from a generator with seed 0.
    noise_seed: seed of phase noise, flicker and ripple, [trial]; default: the trial's number.
    supply_rad: phases of the supply's tones at arming, [tone, 1 or trial]; default: drawn for each trial by its seed.
    refined: the same physics with the level's numerics disturbed: half the time step in SPICE, inputs moved by a
    few ulps in a closed form. What that changes is the level's numerical floor.
    errors: what a chip's neurons have of their own, each [trial].

    Raise InputError for times before arming, SimulatorMissing where a level needs ngspice and there is none.
    """
    t_over_tau, weights = (np.atleast_2d(np.asarray(array, dtype=np.float64)) for array in (t_over_tau, weights))
    _check(t_over_tau, weights)
    trials = len(t_over_tau)
    if start_rad is None:
        start_rad = default_start_rad(spec, trials)
    if noise_seed is None:
        noise_seed = np.arange(trials, dtype=np.uint64)
    options: dict[str, Any] = {}
    if level in SPICE_LEVELS:
        options = {"timeout_s": timeout_s, "step_divisor": 2 if refined else 1}
    elif refined:
        t_over_tau = t_over_tau * (1.0 + _ROUNDING_STEPS * np.finfo(float).eps)
    chosen = level_of(level)
    if not chosen.HAS_DEVICES:
        errors = _with_ripple(spec, _with_flicker(spec, errors, noise_seed), noise_seed, supply_rad)
    if errors is not None:
        options["errors"] = errors
    if chosen.HAS_DEVICES:
        return _forced_at_the_end(chosen.fire(spec, t_over_tau, weights, start_rad, noise_seed, **options), spec)
    t_over_tau, weights = acting_times(spec, t_over_tau, weights), overlapping_weights(spec, t_over_tau, weights)
    record = _after_output_delay(chosen.fire(spec, t_over_tau, weights, start_rad, noise_seed, **options), spec)
    return _forced_at_the_end(record, spec)


def waveforms(
    level: str,
    spec: NeuronSpec,
    t_over_tau: Floats,
    weights: Floats,
    start_rad: Floats | None = None,
    noise_seed: int = 0,
) -> Waveforms:
    """Return the waveforms over the whole window of one neuron.

    t_over_tau and weights are [input], start_rad is [2].
    """
    t_over_tau, weights = (np.asarray(array, dtype=np.float64) for array in (t_over_tau, weights))
    _check(t_over_tau[None], weights[None])
    start = fixed_start_rad(spec) if start_rad is None else start_rad
    chosen, ripple = level_of(level), None
    if not chosen.HAS_DEVICES:
        trial_inputs = t_over_tau[None], weights[None]
        t_over_tau, weights = (act(spec, *trial_inputs)[0] for act in (acting_times, overlapping_weights))
        seeds = np.array([noise_seed], dtype=np.uint64)
        errors = _with_ripple(spec, _with_flicker(spec, None, seeds), seeds, None)
        spec = spec if errors is None else errors.spec_of(spec, 0)
        ripple = None if errors is None else errors.ripple
    result = chosen.waveforms(spec, t_over_tau, weights, start, noise_seed, ripple)
    if chosen.HAS_DEVICES or spec.output_delay_s == 0:
        return result
    late_over_tau = result.time_over_tau - spec.output_delay_s / spec.tau_s
    before = np.searchsorted(result.time_over_tau, late_over_tau, side="right") - 1
    return replace(result, q=np.where(before >= 0, result.q[np.maximum(before, 0)], 0.0))


def arming(level: str, spec: NeuronSpec, start_rad: Floats, inputs: int) -> Arming:
    """The arming of a neuron of `inputs` inputs when VCO1 and VCO3 are wanted at start_rad [trial, 2] at the origin.

    The transistor level starts from saved states: its phases are near the wanted ones, and its membrane was armed
    before the time origin. Every other level arms at the time origin, at the phases wanted.
    Raise SimulatorMissing, SimulatorTimeout or SimulatorBadOutput where a state has yet to be made and cannot be.
    """
    return level_of(level).arming(spec, start_rad, inputs)


def engine(level: str) -> str:
    """Return what determines the numbers of a level: code version, netlist, simulator and its options."""
    return level_of(level).engine()


def identity(level: str, spec: NeuronSpec, inputs: int) -> str:
    """Return what determines the numbers beside level, engine and spec: the files of the circuit's process.

    "" for most.
    """
    return level_of(level).identity(spec, inputs)


def not_modelled(level: str, spec: NeuronSpec) -> tuple[str, ...]:
    """Return the effects that the spec switches on and the level leaves out."""
    return level_of(level).not_modelled(spec)


def default_start_rad(spec: NeuronSpec, trials: int, seed: int = 0) -> Floats:
    """Return the phases of VCO1 and VCO3 at arming, [trial, 2]: the spec's, or uniform draws where it says random."""
    if spec.start_phases == "random":
        return np.random.default_rng(seed).uniform(0.0, 2 * np.pi, (trials, 2))
    return np.tile(fixed_start_rad(spec), (trials, 1))


def fixed_start_rad(spec: NeuronSpec) -> Floats:
    """Return the phases of VCO1 and VCO3 at arming; 0 where the spec says random."""
    phases = spec.start_phases if isinstance(spec.start_phases, StartPhases) else StartPhases()
    return np.array([phases.vco1_rad, phases.vco3_rad])


def _with_flicker(spec: NeuronSpec, errors: NeuronErrors | None, noise_seed: NDArray[np.uint64]) -> NeuronErrors | None:
    """Return the errors with each trial's frequency offsets by flicker; as they are where the spec has none."""
    if spec.flicker is None:
        return errors
    return (NeuronErrors.none() if errors is None else errors).with_frequencies(flicker.draw(spec, noise_seed))


def _with_ripple(
    spec: NeuronSpec, errors: NeuronErrors | None, noise_seed: NDArray[np.uint64], supply_rad: Floats | None
) -> NeuronErrors | None:
    """Return the errors with the ripple that each trial meets; as they are where the supply has none."""
    if spec.ripple is None:
        return errors
    trials = len(noise_seed)
    phase_rad = supply.phases(spec, noise_seed) if supply_rad is None else supply_rad
    ripple = supply.met(spec, spec.ripple, np.broadcast_to(phase_rad, (len(phase_rad), trials)))
    # each trial meets its own: errors that are alike become one for each
    apart = (NeuronErrors.none() if errors is None else errors).with_frequencies(np.zeros((4, trials)))
    return replace(apart, ripple=ripple)


def _after_output_delay(record: FireRecord, spec: NeuronSpec) -> FireRecord:
    """Let the output spike come output_delay_s after what the level decides.

    Beyond the window the neuron is silent.
    """
    if spec.output_delay_s == 0:
        return record
    late = record.fire_time_over_tau + spec.output_delay_s / spec.tau_s
    lost = late > spec.window_over_tau
    return replace(record, fire_time_over_tau=np.where(lost, np.inf, late), false_fire=record.false_fire & ~lost)


def _forced_at_the_end(record: FireRecord, spec: NeuronSpec) -> FireRecord:
    """Let neurons that are silent when a readout window of the form `forced` closes spike at that instant."""
    if spec.readout_window is None or spec.readout_window.form != "forced":
        return record
    silent = np.isinf(record.fire_time_over_tau)
    times = np.where(silent, spec.window_over_tau, record.fire_time_over_tau)
    return replace(record, fire_time_over_tau=times, forced=silent)


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
