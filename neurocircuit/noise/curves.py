"""Spikes that eq. (4) does not have, by probability: false fires of silent neurons, wraps of any.

A neuron that stays silent fires with a probability by how close its membrane comes to the threshold, all first-order
terms included. Where the comparator reads phases modulo 2π any neuron whose membrane falls low enough fires at once:
the probability is by the distance of its lowest membrane from there.
"""

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.core.stats import wilson_interval
from neurocircuit.neuron.operating_points import Operating
from neurocircuit.neuron.sensitivity import common_shift, wrap_distance
from neurocircuit.spec import NeuronSpec

QUANTILES = np.array(
    [
        0.0,
        0.001,
        0.005,
        0.01,
        0.025,
        0.05,
        0.1,
        0.15,
        0.2,
        0.3,
        0.4,
        0.5,
        0.6,
        0.7,
        0.8,
        0.85,
        0.9,
        0.95,
        0.975,
        0.99,
        0.995,
        0.999,
        1.0,
    ]
)
APPROACH_EDGES = np.array([-np.inf, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, np.inf])
WRAP_EDGES = np.array([-np.inf, -0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.7, 1.2, 2.0, np.inf])


def approach_of(spec: NeuronSpec, point: Operating, shift: Floats | float, term_kappa: Floats) -> Floats:
    """Thresholds that the membrane of a silent neuron lacks, the chip's shift and common terms included, [neuron]."""
    lacks: Floats = 1.0 - point.highest + shift + common_shift(spec, point, term_kappa)
    return lacks


def false_fires(
    spec: NeuronSpec, point: Operating, t_over_tau: Floats, shift: Floats, term_kappa: Floats
) -> dict[str, Floats]:
    """Probability by closest approach, and the delay from it, of silent neurons [sample] as a level ran them."""
    fired = np.isfinite(t_over_tau)
    share, low, high, n = _shares(approach_of(spec, point, shift, term_kappa), fired, APPROACH_EDGES)
    delay = np.quantile((t_over_tau - point.at)[fired], QUANTILES) if fired.any() else np.zeros(len(QUANTILES))
    return {"false_fire": share, "false_low": low, "false_high": high, "false_n": n, "false_delay": delay}


def wraps(spec: NeuronSpec, point: Operating, t_over_tau: Floats, wrapped: Bools) -> dict[str, Floats]:
    """Return the probability by distance of any neurons [sample].

    Their time over that of the ideal spike or closest approach.
    """
    share, low, high, n = _shares(wrap_distance(spec, point), wrapped, WRAP_EDGES)
    if not wrapped.any():
        share = np.zeros_like(share)
    ratio = (t_over_tau / np.maximum(point.at, 1e-9))[wrapped]
    time = np.quantile(ratio, QUANTILES) if len(ratio) else np.zeros(len(QUANTILES))
    return {"wrap_fire": share, "wrap_low": low, "wrap_high": high, "wrap_n": n, "wrap_time": time}


def share_at(shares: Floats, edges: Floats, where: Floats) -> Floats:
    """Return the probability [neuron] of the bins in which `where` lies."""
    return np.asarray(shares[np.clip(np.searchsorted(edges, where, side="right") - 1, 0, len(edges) - 2)])


def draw_quantile(quantiles: Floats, uniform: Floats) -> Floats:
    """Values [neuron] at the uniform deviates [neuron] of distributions given by their quantiles [neuron, quantile]."""
    right = np.clip(np.searchsorted(QUANTILES, uniform, side="right"), 1, len(QUANTILES) - 1)
    rows = np.arange(len(uniform))
    share = (uniform - QUANTILES[right - 1]) / (QUANTILES[right] - QUANTILES[right - 1])
    low, high = quantiles[rows, right - 1], quantiles[rows, right]
    value: Floats = low + share * (high - low)
    return value


def _shares(where: Floats, hit: Bools, edges: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Share of hits in each bin, its 95 % interval, and how many were there; an empty bin takes its neighbours'."""
    bins = len(edges) - 1
    number = np.clip(np.searchsorted(edges, where, side="right") - 1, 0, bins - 1)
    n, hits = np.bincount(number, minlength=bins), np.bincount(number, hit, minlength=bins)
    ends = np.array(
        [wilson_interval(int(k), int(total)) if total else (0.0, 1.0) for k, total in zip(hits, n, strict=True)]
    )
    share = np.divide(hits, n, out=np.zeros(bins), where=n > 0)
    known = n > 0
    if known.any():
        share = np.interp(np.arange(bins), np.flatnonzero(known), share[known])
    return share, ends[:, 0], ends[:, 1], n.astype(float)
