"""The membrane kernel: how far VCO4 gains on VCO3 after one input, and its fit to measured membranes.

The loop of eq. (2) in state form (neuron/arc.py) with r = w_lf τ and t in τ: after a unit phase jump at t = 0

    e = c + r/2 s,   y = r s,   c = e^{-rt/2} cosh δt,   s = e^{-rt/2} sinh(δt)/δ,   δ² = r²/4 - r,
    k(t) = ∫ e = 1 - e + y/r,                  which goes to 1,
    n(t) = ∫ k = t - k + (1 - e)/r,            so that a jump spread over the width w gives (n(t) - n(t - w))/w.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.optimize import least_squares

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.neuron.arc import damping

SMALLEST_RATIO, LARGEST_RATIO = 0.3, 300.0  # of w_lf τ; beyond, a membrane sampled each period cannot tell


@dataclass(frozen=True)
class Membrane:
    """One run with one input: membrane over that of an idle neuron over time, both [sample], and when the input came.

    0 before the input. A slope or start of its own would only take from the kernel what differs between the signs.
    sink: whether the input was inhibitory.
    """

    time_s: Floats
    membrane_rad: Floats
    input_s: float
    sink: bool = False


@dataclass(frozen=True)
class KernelFit:
    """Fitted kernel; gains are those of the runs [run]: what the membrane gains in the end, rad.

    width_s, sink_width_s: time over which a jump is spread, which stands for the spike, its tail and the synapse's
    delay alike; nan for a sign without runs.
    residual_rad: root mean square over all samples; worst_rad: largest.
    """

    tau_s: float
    loop_filter_rad_per_s: float
    width_s: float
    sink_width_s: float
    gain_rad: Floats
    residual_rad: float
    worst_rad: float


def response(t_over_tau: Floats, r: float, width_over_tau: float = 0.0) -> Floats:
    """Return the kernel at times since the input began, units of tau, any shape; 0 before, 1 in the end."""
    if width_over_tau <= 0:
        return _kernel(t_over_tau, r)[0]
    late, early = (_kernel(t_over_tau - shift, r)[1] for shift in (0.0, width_over_tau))
    return np.asarray((late - early) / width_over_tau)


def _kernel(t: Floats, r: float) -> tuple[Floats, Floats]:
    """Return K and its integral n, 0 before t = 0."""
    t = np.maximum(np.asarray(t, dtype=np.float64), 0.0)
    c, s = damping(r, t)
    e = c + r / 2 * s
    k = 1.0 - e + s
    return np.asarray(k), np.asarray(t - k + (1.0 - e) / r)


def fit(runs: Sequence[Membrane], *, tau_s: float, loop_filter_rad_per_s: float, width_s: float) -> KernelFit:
    """Fit by least squares all samples of all runs; the keywords are where the search begins.

    Nonlinear in τ, r and the widths only: the gains follow linearly at each step.
    Raise InputError without samples.
    """
    if not runs or min(len(run.time_s) for run in runs) < 8:
        raise InputError("kernel fit needs runs of at least 8 samples each")
    problem = _Problem(tuple(runs))
    signs = sorted({run.sink for run in runs})
    start = np.log([tau_s, tau_s * loop_filter_rad_per_s, *[width_s] * len(signs)])
    low = np.log([tau_s / 10, SMALLEST_RATIO, *[width_s / 10] * len(signs)])
    high = np.log([tau_s * 10, LARGEST_RATIO, *[width_s * 10] * len(signs)])
    inside = np.clip(start, low + 1e-9, high - 1e-9)
    solution = least_squares(problem.residual, inside, bounds=(low, high))
    gains, residual = problem.solve(solution.x)
    tau, r, *widths = (float(value) for value in np.exp(solution.x))
    of_sign = dict(zip(signs, widths, strict=True))
    return KernelFit(
        tau_s=tau,
        loop_filter_rad_per_s=r / tau,
        width_s=of_sign.get(False, nan),
        sink_width_s=of_sign.get(True, nan),
        gain_rad=gains,
        residual_rad=float(np.sqrt(np.mean(residual**2))),
        worst_rad=float(np.abs(residual).max()),
    )


@dataclass(frozen=True)
class _Problem:
    """solve() gives the gain of each run, and the residual of each sample, run after run."""

    runs: tuple[Membrane, ...]

    def residual(self, x: Floats) -> Floats:
        return self.solve(x)[1]

    def solve(self, x: Floats) -> tuple[Floats, Floats]:
        tau, r, *widths = (float(value) for value in np.exp(x))
        gains, residuals = [], []
        for run in self.runs:
            width = widths[-1] if run.sink else widths[0]
            shape = response((run.time_s - run.input_s) / tau, r, width / tau)
            gains.append(shape @ run.membrane_rad / (shape @ shape))
            residuals.append(gains[-1] * shape - run.membrane_rad)
        return np.array(gains), np.concatenate(residuals)
