"""Two spikes into one VCO1: what their jumps lose of the sum, by signs and lag.

VCO1's f(I) is compressive, and a synapse that draws from a node that another one has moved gives less. Spikes of jumps
a and b move the phase by a + b - c(lag)·a·b; c is fitted by c0 (1 - lag/width)+, as neuron/pulse_overlap.py reads it.
Each pair is compared with the same two spikes alone at the same phases of VCO1: a lag of n turns and one of n - PHASES
meet it at the same phase.
"""

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.results.measurement import Quantity

KINDS = {"two_sources": (1, 1), "two_sinks": (-1, -1), "both": (1, -1)}  # signs of the first spike and of the second
LAGS = (0, 3, 6, 9, 13)  # turns: periods of VCO1 over synapse.PHASES
WIDTHS_s = np.linspace(0.5e-9, 4e-9, 141)


def rings(code: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the spikes (code, turn) of each pair, kind after kind, lag after lag."""
    return [((a * code, 0), (b * code, lag)) for a, b in KINDS.values() for lag in LAGS]


def overlap(pair_rad: Floats, alone_rad: Floats, turn_s: float) -> tuple[Quantity, ...]:
    """Return the loss at lag 0 over the product, and the lag at which it has gone, of each kind.

    pair_rad: jumps of `rings`, signed; alone_rad: of single spikes, source and sink, at the phases of VCO1 [2, turn].
    """
    lost = []
    for (a, b), pairs in zip(KINDS.values(), np.reshape(pair_rad, (len(KINDS), len(LAGS))), strict=True):
        first = alone_rad[(1 - a) // 2, 0]
        second = alone_rad[(1 - b) // 2, np.array(LAGS) % alone_rad.shape[1]]
        lost.append((first + second - pairs) / (first * second))
    fitted = [triangle(turn_s * np.array(LAGS), losses) for losses in lost]
    names = [name.replace("_", " ") for name in KINDS]
    return (
        *(
            Quantity(
                f"overlap_{key}", f"Two coincident spikes lose of their sum, over the product, {name}", height, "1/rad"
            )
            for key, name, (height, _) in zip(KINDS, names, fitted, strict=True)
        ),
        *(
            Quantity(f"overlap_width_{key}", f"Lag at which that has gone, {name}", width_s, "s")
            for key, name, (_, width_s) in zip(KINDS, names, fitted, strict=True)
        ),
    )


def triangle(lag_s: Floats, lost: Floats) -> tuple[float, float]:
    """Return the height c0 and width of c0 (1 - lag/width)+ by least squares, the width among WIDTHS_s."""
    shapes = np.maximum(1.0 - lag_s / WIDTHS_s[:, None], 0.0)
    heights = shapes @ lost / np.sum(shapes**2, axis=1)
    best = int(np.argmin(np.sum((heights[:, None] * shapes - lost) ** 2, axis=1)))
    return float(heights[best]), float(WIDTHS_s[best])
