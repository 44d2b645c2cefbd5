"""White frequency noise of the VCOs, as all fast levels draw it: a random walk of each phase by the stated rad²/s.

A frequency is drawn anew each half period and held for it, with the variance that gives the walk,

    g = sqrt(2 D f0) N(0, 1) rad/s,    var of the phase it adds in a half period = D/(2 f0).

Level `edge` draws at the edges of its VCOs (neuron/edge.py). Levels without edges draw at every half period of the
free run, counted from arming: with the same seed the k-th number is the same, so that the walks of all levels differ
by less than the shift of an edge. Their excess phases are straight lines between these corners.

A loop that has long been in lock under this noise is armed with a phase error e and a speed y of VCO2 of their own. In
e' = w - y, y' = r (e - y), w white of density q = (D1 + D2) τ, the stationary covariance is (Lyapunov's equation)

    var y = cov(e, y) = q/2,    var e = q/2 (1 + 1/r).
"""

from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SpecError
from neurocircuit.spec import NeuronSpec

Seeds = NDArray[np.uint64]
LARGEST_WINDOW_cycles = 5e4  # of a noisy neuron without edges: it has two corners in each
VERSION = "noise/1"
_START_INDEX = 2**61  # of the numbers drawn for the loop's start: beyond all others of the same seed


@dataclass(frozen=True)
class Walk:
    """Phases [vco, corner] in rad that noise has added to VCO1 … VCO4 by the corners [corner], units of tau.

    start: phase error (rad) and speed of VCO2 (rad per tau) with which the loop is armed.
    """

    corners_over_tau: Floats
    phase_rad: Floats
    start: tuple[float, float] = (0.0, 0.0)

    def at(self, vco: int, time_over_tau: Floats) -> Floats:
        """Return the walk of VCO number `vco`, 1 … 4; same shape as the times."""
        return np.asarray(np.interp(time_over_tau, self.corners_over_tau, self.phase_rad[vco - 1]))


class HeldFrequencies(Protocol):
    """What moves frequencies beside noise (neuron/supply.py)."""

    @property
    def start(self) -> Floats:
        """Phase error and speed of VCO2 of a loop that has been following it, [2, trial], rad and rad per τ."""

    def speeds(self, time_over_tau: Floats) -> Floats:
        """Return the frequencies that it adds at times [instant], [4, trial, instant], rad per τ."""


def walk(spec: NeuronSpec, seed: int, ripple: HeldFrequencies | None = None) -> Walk | None:
    """Return the walk of one neuron over its window, by noise and by what else moves its frequencies; None: still.

    Raise SpecError for too long a window.
    """
    if not any(spec.phase_noise) and ripple is None:
        return None
    seeds = np.array([seed], dtype=np.uint64)
    speed = speeds(spec, seeds, ripple=ripple)[:, 0]
    corners = np.minimum(np.arange(speed.shape[1] + 1) * half_period_over_tau(spec), spec.window_over_tau)
    phase = np.concatenate([np.zeros((4, 1)), np.cumsum(speed * np.diff(corners), axis=1)], axis=1)
    error, of_vco2 = start_of_loop(spec, seeds, ripple=ripple)[:, 0]
    return Walk(corners, phase, (float(error), float(of_vco2)))


def start_of_loop(spec: NeuronSpec, seeds: Seeds, scale: Any = 1.0, ripple: HeldFrequencies | None = None) -> Floats:
    """Return the phase error e and the speed y of VCO2 less that of VCO1's free run at arming, [2, trial].

    Units rad and rad per τ, for `scale` as in `speeds` per own τ. By noise 0 unless the loop is locked under it.
    """
    seeds = np.asarray(seeds, dtype=np.uint64)
    following = np.zeros((2, len(seeds))) if ripple is None else ripple.start * scale
    if not spec.locked_under_noise:
        return following
    d1, d2 = spec.phase_noise[:2]
    spread = np.sqrt((d1 + d2) * spec.tau_s * scale / 2.0)
    both, apart = normal_pair(seeds, 0, np.array(_START_INDEX, dtype=np.uint64))
    return np.asarray(following + spread * np.stack([both + apart / np.sqrt(spec.loop_ratio), both]))


def half_period_over_tau(spec: NeuronSpec) -> float:
    """Return how long a drawn frequency is held."""
    return 1.0 / (2.0 * spec.cycles_per_tau)


def speeds(spec: NeuronSpec, seeds: Seeds, scale: Any = 1.0, ripple: HeldFrequencies | None = None) -> Floats:
    """Return the held frequencies of VCO1 … VCO4 in rad per tau, [vco, trial, half period], over the window.

    scale: a neuron's own τ over that of the spec, a number or [trial]; the frequencies are then per own τ.
    Raise SpecError for more cycles in the window than a level without edges can take.
    """
    cycles = spec.f0_Hz * spec.window_s
    if cycles > LARGEST_WINDOW_cycles:
        raise SpecError(
            f"f0·window must be <= {LARGEST_WINDOW_cycles:g} cycles with phase noise or ripple at a level without "
            f"edges, got {cycles:g}"
        )
    count = max(ceil(2.0 * cycles * (1.0 - 1e-12)), 1)
    index = np.arange(count, dtype=np.uint64)
    drawn = [normal_pair(np.asarray(seeds, dtype=np.uint64)[:, None], stream, index) for stream in (0, 1)]
    normal = np.stack([drawn[0][0], drawn[1][0], drawn[0][1], drawn[1][1]])  # as edge.cpp: VCO1 and VCO3 share a draw
    spread = np.array([held_spread(spec, diffusion) for diffusion in spec.phase_noise])
    held = normal * spread[:, None, None]
    if ripple is not None:
        held = held + ripple.speeds((np.arange(count, dtype=np.float64) + 0.5) * half_period_over_tau(spec))
    return np.asarray(held * np.reshape(scale, (1, -1, 1)))


def held_spread(spec: NeuronSpec, diffusion: float) -> float:
    """Return the standard deviation of a frequency that is held for half a period, rad per tau; diffusion in rad²/s."""
    return float(np.sqrt(diffusion * spec.tau_s * 2 * spec.cycles_per_tau))


def normal_pair(seed: Seeds, stream: int, index: Seeds) -> tuple[Floats, Floats]:
    """Return two standard normal numbers, a pure function of (seed, stream, index) shared with the kernel.

    All arguments broadcast.
    """
    with np.errstate(over="ignore"):
        golden = np.uint64(0x9E3779B97F4A7C15)
        key = _mix(seed + golden * (np.uint64(2) * index + np.uint64(stream + 1)))
        second = _mix(key + golden)
    radius = np.sqrt(-2.0 * np.log(((key >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53))
    angle = 2.0 * np.pi * ((second >> np.uint64(11)).astype(float) * 2.0**-53)
    return radius * np.cos(angle), radius * np.sin(angle)


def uniform(seed: Seeds, stream: int, index: Seeds) -> Floats:
    """Return a number in 0 … 1, a pure function of (seed, stream, index), which broadcast."""
    with np.errstate(over="ignore"):
        key = _mix(seed + np.uint64(0x9E3779B97F4A7C15) * (np.uint64(2) * index + np.uint64(stream + 1)))
    return ((key >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53


def _mix(x: Seeds) -> Seeds:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
