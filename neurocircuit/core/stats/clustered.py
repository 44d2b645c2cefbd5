"""Means and shares of values that share chips, images, or both: errors clustered two ways.

Between fewer than LEAST_GROUPS groups (of chips, say) the spread cannot be told: one degree of freedom makes an
interval of half the scale. Such groups are taken as they are: the interval speaks for them, not for others like them.
"""

import math

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats.means import Interval, half_width

LEAST_GROUPS = 5


def clustered_error(values: Floats, *clusters: NDArray[np.int64]) -> float:
    """Return the standard error of a mean with two-way clusters (Cameron, Gelbach, Miller 2011), >= the plain one."""
    n, residual = len(values), values - values.mean()

    def variance(label: NDArray[np.int64]) -> float:
        sums = np.bincount(label, residual)
        groups = max(len(np.unique(label)), 2)
        return float(np.sum(sums**2) / n**2 * groups / (groups - 1))

    plain = float(residual.var() / n)
    both = np.unique(np.stack(clusters), axis=1, return_inverse=True)[1].ravel()
    total = sum(variance(label) for label in clusters) - (variance(both) if len(clusters) > 1 else 0.0)
    return float(np.sqrt(max(total, plain, 1e-12)))


def clustered_interval(values: Floats, *clusters: NDArray[np.int64]) -> Interval:
    """Return the mean of the finite `values` [run] and its 95 % interval, for the groups at hand where they are few.

    Student's t with one degree less than the fewest groups of a cluster that counts; nan where none does.
    """
    kept = np.isfinite(values)
    if not kept.any():
        return math.nan, math.nan, math.nan
    mean = float(values[kept].mean())
    sizes = {k: len(np.unique(label[kept])) for k, label in enumerate(clusters)}
    counted = [k for k, size in sizes.items() if size >= LEAST_GROUPS]
    if not counted:
        return mean, math.nan, math.nan
    error = clustered_error(values[kept], *(clusters[k][kept] for k in counted))
    half = half_width(error, min(sizes[k] for k in counted) - 1)
    return mean, mean - half, mean + half


def design_effect(inside: NDArray[np.bool_], *clusters: NDArray[np.int64]) -> float:
    """Return by how much clusters multiply the variance of a share, >= 1: n over it is the effective number of runs."""
    share = float(inside.mean())
    plain = share * (1 - share) / max(len(inside) - 1, 1)
    return max(clustered_error(inside.astype(float), *clusters) ** 2 / plain, 1.0) if plain > 0 else 1.0
