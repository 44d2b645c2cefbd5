"""The idle membrane, edge by edge: lead, drift, and the delay with which UP's ripple comes.

At the edges of VCO4 its phase over VCO3 is known without a model. There

    m(t) = -lead + drift (t - t0) + R(φ1(t) - δ) - R(φ1(t0) - δ),

with t0 the arming, R the ripple that the XOR's square UP leaves on the membrane in lock: a triangle that rises by
2π swing/(8 f1) over the first quarter of VCO1's period and repeats with half of it; δ = 2π f1 d with the delay d.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np

from neurocircuit.core.arrays import Floats

_DELAYS = 400  # tried over the half period with which the ripple repeats


@dataclass(frozen=True)
class Idle:
    """One idle run: times and membranes at VCO4's edges, both [edge]; the arming and the phase of VCO1 there."""

    time_s: Floats
    membrane_rad: Floats
    armed_s: float
    armed_rad: float


@dataclass(frozen=True)
class IdleFit:
    """What was fitted; residual_rad: root mean square of what is left at VCO4's edges.

    spread_rad: standard deviation over the runs of what each one's mean leaves: what the phase at arming does.
    """

    lead_rad: float
    drift_rad_per_s: float
    delay_s: float
    residual_rad: float
    spread_rad: float


def ripple_rad(swing_Hz: float, f1_Hz: float, vco1_rad: Floats) -> Floats:
    """Return R at phases of VCO1, any shape: 0 at an edge of VCO1, its full height a quarter period later."""
    x = np.mod(np.asarray(vco1_rad) / pi, 1.0)
    return np.asarray(2 * pi * swing_Hz / (4 * f1_Hz) * np.minimum(x, 1.0 - x))


def at_edges(edges_s: Mapping[str, Floats], lead_rad: float) -> tuple[Floats, Floats]:
    """Return the times of VCO4's edges, and VCO4 less VCO3 there, near -lead at first; both [edge], while VCO3 runs."""
    o3, o4 = edges_s["o3"], edges_s["o4"]
    inside = (o4 >= o3[0]) & (o4 <= o3[-1])
    membrane = 2 * pi * (np.arange(len(o4)) - np.interp(o4, o3, np.arange(len(o3))))[inside]
    return o4[inside], membrane - 2 * pi * np.round((membrane[0] + lead_rad) / (2 * pi))


def fit_idle(runs: Sequence[Idle], f1_Hz: float, swing_Hz: float) -> IdleFit:
    """Lead, drift and delay that runs armed at different phases of VCO1 have in common, each run with the same weight.

    One run says less: VCO4 at 1.25 f1 meets the ripple at the same few phases again and again.
    """
    since = [run.time_s - run.armed_s for run in runs]
    weight = np.concatenate([np.full(len(t), 1.0 / np.sqrt(len(t) * len(runs))) for t in since])
    time = np.concatenate(since)
    straight = np.stack([np.ones_like(time), time / time.max()], axis=1)
    best: tuple[float, float, Floats, Floats] = (np.inf, 0.0, np.zeros(2), np.zeros(0))
    for delay_s in np.arange(_DELAYS) / (_DELAYS * 2 * f1_Hz):
        bare = np.concatenate([_bare(run, t, f1_Hz, swing_Hz, delay_s) for run, t in zip(runs, since, strict=True)])
        line = np.linalg.lstsq(straight * weight[:, None], bare * weight, rcond=None)[0]
        left = bare - straight @ line
        size = float(np.sqrt(np.sum((weight * left) ** 2)))
        if size < best[0]:
            best = size, float(delay_s), line, left
    residual, delay_s, line, left = best
    means = [part.mean() for part in np.split(left, np.cumsum([len(t) for t in since])[:-1])]
    return IdleFit(-float(line[0]), float(line[1] / time.max()), delay_s, residual, float(np.std(means)))


def _bare(run: Idle, since_s: Floats, f1_Hz: float, swing_Hz: float, delay_s: float) -> Floats:
    """Return the membrane of a run less the ripple since its arming, if this is the delay."""
    begin_rad = run.armed_rad - 2 * pi * f1_Hz * delay_s
    ripple = ripple_rad(swing_Hz, f1_Hz, begin_rad + 2 * pi * f1_Hz * since_s)
    return np.asarray(run.membrane_rad - ripple + ripple_rad(swing_Hz, f1_Hz, np.array(begin_rad)))
