"""A layer with noise of known components, and the data that its simulation would give."""

import numpy as np

from neurocircuit.neuron.operating_points import Operating
from neurocircuit.neuron.sensitivity import common_terms
from neurocircuit.noise import fit
from neurocircuit.spec import NeuronSpec

WINDOW = 4.0
SPEC = NeuronSpec(window_s=WINDOW * 20e-9)
TERM_KAPPA = (1.0, 1.5)  # loop, lag
SIGMA = {"die": 0.03, "neuron": 0.06, "synapse": 0.02}
KAPPA = (1.0, 0.9, 1.1)
EVENT, BIAS = 0.05, 0.02
WRAPS_BELOW, WRAP_SHARE = -1.9, 0.3


def points(rng, count=150, silent=60):
    """Operating points, firing ones first."""
    n = count + silent
    fired = np.arange(n) < count
    return Operating(
        fired=fired,
        at=rng.uniform(0.5, 2.0, n),
        slope=np.exp(rng.uniform(np.log(0.5), np.log(8.0), n)),
        margin=rng.uniform(0.01, 0.5, n),
        peak_current=rng.uniform(1, 6, n),
        lowest=-rng.uniform(0, 2, n),
        highest=np.where(fired, 1.0, rng.uniform(0.5, 1.0, n)),
        tau_term=rng.uniform(0.2, 0.8, n),
        root_synapse=rng.uniform(0.3, 1.0, n),
        root_sum_w2=rng.uniform(0.5, 2.0, n),
    )


def samples(rng, chips=100, count=150, silent=60):
    """The circuit's answers under m = bias + Σ κ u + Σ κ c + event, Δ = -ln(1 - m/s); wraps below -1.9 thresholds."""
    point = points(rng, count, silent)
    n = count + silent
    parts = []
    for chip in range(chips):
        u = np.stack(
            [
                np.full(n, SIGMA["die"] * rng.standard_normal()),
                SIGMA["neuron"] * rng.standard_normal(n),
                SIGMA["synapse"] * rng.standard_normal(n),
            ]
        )
        common = np.array(TERM_KAPPA) @ common_terms(SPEC, point)
        m = BIAS + np.array(KAPPA) @ u + common + EVENT * rng.standard_normal(n)
        share = np.minimum(m / point.slope, 1 - 1e-12)
        t = point.at - np.log1p(-share)
        t = np.where(t < WINDOW, t, np.inf)
        hit = rng.random(n) < 1 / (1 + np.exp((1 - point.highest + u.sum(axis=0) + common - 0.1) / 0.03))
        t = np.where(point.fired, t, np.where(hit, point.at + rng.uniform(-0.1, 0.1, n), np.inf))
        wrapped = (point.lowest < WRAPS_BELOW) & (rng.random(n) < WRAP_SHARE)
        t = np.where(wrapped, 0.3 * point.at, t)
        parts.append((u, t, np.full(n, chip), wrapped))
    fields = {name: np.tile(getattr(point, name), chips) for name in vars(point)}
    return fit.Samples(
        point=Operating(**fields),
        headroom=np.tile(point.peak_current * 0.1, chips),
        u=np.concatenate([p[0] for p in parts], axis=1),
        t_over_tau=np.concatenate([p[1] for p in parts]),
        operating_point=np.tile(np.arange(n), chips),
        chip=np.concatenate([p[2] for p in parts]),
        wrapped=np.concatenate([p[3] for p in parts]),
    )
