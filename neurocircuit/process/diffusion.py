"""Phase noise of an oscillator as a random walk: drawn current noise, its phase by theory, what edges show.

White current noise of two-sided density S (A²/Hz) on the bias of an oscillator of gain k (Hz/A) is white frequency
noise: the phase walks with the variance D t, D = (2π k)² S, that is σφ = 2π k √(S t). A current drawn anew every
`step`, normal with standard deviation σ and drawn as straight lines between the draws, has S = σ² step up to a
fraction of 1/step.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError


@dataclass(frozen=True)
class Walk:
    """Measured diffusion, rad²/s, with its 95 % interval, from `increments` increments of the phase over lag_s."""

    diffusion_rad2_per_s: float
    low: float
    high: float
    increments: int
    lag_s: float


def noise_current_A(rng: np.random.Generator, count: int, density_A2_per_Hz: float, step_s: float) -> Floats:
    """Return `count` independent draws, A, whose straight-line course has the two-sided density given."""
    return np.asarray(rng.normal(0.0, np.sqrt(density_A2_per_Hz / step_s), count))


def analytic_diffusion(gain_Hz_per_A: float, density_A2_per_Hz: float) -> float:
    """Return D of σφ² = D t, rad²/s."""
    return (2.0 * np.pi * gain_Hz_per_A) ** 2 * density_A2_per_Hz


def walked_phase_rad(time_s: Floats, current_A: Floats, gain_Hz_per_A: float) -> Floats:
    """Phase that a noise current [time] moves the oscillator by since the first time: 2π k ∫ i, trapezoids; [time]."""
    area = np.concatenate([[0.0], np.cumsum(np.diff(time_s) * (current_A[1:] + current_A[:-1]) / 2)])
    return np.asarray(2.0 * np.pi * gain_Hz_per_A * area)


def diffusion(noisy_s: Floats, clean_s: Floats, lag: int) -> Walk:
    """Diffusion from edges of noisy oscillators [run, edge] and of the same one without noise [edge], lag in edges.

    The phase of edge n is -2π f (t_noisy - t_clean); increments over `lag` edges that do not overlap are independent
    for white frequency noise, so that their sum of squares is χ² distributed and gives the interval.
    """
    if noisy_s.ndim != 2 or noisy_s.shape[1] != len(clean_s) or not 1 <= lag < len(clean_s):
        raise InputError(f"edges must be [run, edge] beside [edge] with lag < edges, got {noisy_s.shape}, lag {lag}")
    f_Hz = (len(clean_s) - 1) / (clean_s[-1] - clean_s[0])
    phase = -2.0 * np.pi * f_Hz * (noisy_s - clean_s)
    increments = np.diff(phase[:, ::lag], axis=1).ravel()
    lag_s, count = lag / f_Hz, len(increments)
    total = float(np.sum(increments**2))
    low, high = (total / float(chdtri(count, p)) / lag_s for p in (0.025, 0.975))
    return Walk(total / count / lag_s, low, high, count, lag_s)
