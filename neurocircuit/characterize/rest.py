"""The idle membrane, edge by edge: lead, drift, and the delay with which UP's ripple comes.

At the edges of VCO4 its phase over VCO3 is known without a model. There

    m(t) = -lead + drift (t - t0) + R(φ1(t) - δ) - R(φ1(t0) - δ),

with t0 the arming, R the ripple that the XOR's square UP leaves on the membrane in lock: a triangle that rises by
2π swing/(8 f1) over the first quarter of VCO1's period and repeats with half of it; δ = 2π f1 d with the delay d.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi

import numpy as np

from neurocircuit.record import Floats

_DELAYS = 400  # tried over the half period with which the ripple repeats


@dataclass(frozen=True)
class Rest:
    """What was fitted; residual_rad: root mean square of what is left at VCO4's edges."""

    lead_rad: float
    drift_rad_per_s: float
    delay_s: float
    residual_rad: float


def ripple_rad(swing_Hz: float, f1_Hz: float, vco1_rad: Floats) -> Floats:
    """R at phases of VCO1, any shape: 0 at an edge of VCO1, its full height a quarter period later."""
    x = np.mod(np.asarray(vco1_rad) / pi, 1.0)
    return np.asarray(2 * pi * swing_Hz / (4 * f1_Hz) * np.minimum(x, 1.0 - x))


def at_edges(edges_s: Mapping[str, Floats], lead_rad: float) -> tuple[Floats, Floats]:
    """Times of VCO4's edges, and VCO4 less VCO3 there, near -lead at first; both [edge], while VCO3 runs."""
    o3, o4 = edges_s["o3"], edges_s["o4"]
    inside = (o4 >= o3[0]) & (o4 <= o3[-1])
    membrane = 2 * pi * (np.arange(len(o4)) - np.interp(o4, o3, np.arange(len(o3))))[inside]
    return o4[inside], membrane - 2 * pi * np.round((membrane[0] + lead_rad) / (2 * pi))


def fit_rest(
    time_s: Floats, membrane_rad: Floats, armed_s: float, armed_rad: float, f1_Hz: float, swing_Hz: float
) -> Rest:
    """From times and membranes at VCO4's edges [edge]; armed_s, armed_rad: t0 and the phase of VCO1 there."""
    since = time_s - armed_s
    straight = np.stack([np.ones_like(since), since / since[-1]], axis=1)
    best: tuple[float, float, Floats] = (np.inf, 0.0, np.zeros(2))
    for delay_s in np.arange(_DELAYS) / (_DELAYS * 2 * f1_Hz):
        begin_rad = armed_rad - 2 * pi * f1_Hz * delay_s
        ripple = ripple_rad(swing_Hz, f1_Hz, begin_rad + 2 * pi * f1_Hz * since)
        bare = membrane_rad - ripple + ripple_rad(swing_Hz, f1_Hz, np.array(begin_rad))
        line = np.linalg.lstsq(straight, bare, rcond=None)[0]
        left = float(np.sqrt(np.mean((bare - straight @ line) ** 2)))
        if left < best[0]:
            best = left, float(delay_s), line
    residual, delay_s, line = best
    return Rest(-float(line[0]), float(line[1] / since[-1]), delay_s, residual)
