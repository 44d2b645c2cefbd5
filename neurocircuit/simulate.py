"""One neuron, or a batch of them, at any level: the entry that the sweep and the command line share."""

from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from neurocircuit.chips import NeuronErrors
from neurocircuit.errors import InputError
from neurocircuit.record import FireRecord, Floats, Waveforms
from neurocircuit.spec import NeuronSpec, StartPhases

LEVELS = ("ideal", "averaged", "edge", "bsource")
_MODULES = {
    "ideal": "neurocircuit.neuron.ideal",
    "averaged": "neurocircuit.neuron.averaged",
    "edge": "neurocircuit.neuron.edge",
    "bsource": "neurocircuit.spice.bsource",
}
_SPICE_LEVELS = ("bsource",)
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
    if level in _SPICE_LEVELS:
        options = {"timeout_s": timeout_s, "step_divisor": 2 if refined else 1}
    elif refined:
        t_over_tau = t_over_tau * (1.0 + _ROUNDING_STEPS * np.finfo(float).eps)
    record: FireRecord = _module(level).fire(spec, t_over_tau, weights, start_rad, noise_seed, errors, **options)
    return record


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
    result: Waveforms = _module(level).waveforms(spec, t_over_tau, weights, start, noise_seed)
    return result


def engine(level: str) -> str:
    """What determines the numbers of a level: code version, netlist, simulator and its options."""
    text: str = _module(level).engine()
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
