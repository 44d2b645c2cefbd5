"""Standard deviations that a few far values do not move, by a normal law's quantiles; the interval of a variance."""

import numpy as np
from scipy.special import chdtri, ndtri

from neurocircuit.core.arrays import Floats


def robust_spread(values: Floats) -> float:
    """Return the standard deviation by the median absolute deviation of `values` [trial]; 0 of nothing."""
    if not len(values):
        return 0.0
    return float(np.median(np.abs(values - np.median(values))) / ndtri(0.75))


def quantile_spread(distance: float, tail: float) -> float:
    """Return the standard deviation from the distance of the quantiles at `tail` and 1 - tail."""
    return float(distance / (-2 * ndtri(tail)))


def variance_interval(squares: float, freedom: int) -> tuple[float, float]:
    """Return the 95 % interval of the variance of normal values, from the sum of their squares (chi-squared).

    freedom: how many values the sum has, less one where they are about their own mean.

    >>> low, high = variance_interval(9.0, 10)
    >>> f"{low:.3f} {high:.3f}"
    '0.439 2.772'
    """
    return float(squares / chdtri(freedom, 0.025)), float(squares / chdtri(freedom, 0.975))
