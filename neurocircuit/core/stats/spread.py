"""Standard deviations that a few far values do not move: those that a normal law of the same quantiles has."""

import numpy as np
from scipy.special import ndtri

from neurocircuit.core.arrays import Floats


def robust_spread(values: Floats) -> float:
    """Return the standard deviation by the median absolute deviation of `values` [trial]; 0 of nothing."""
    if not len(values):
        return 0.0
    return float(np.median(np.abs(values - np.median(values))) / ndtri(0.75))


def quantile_spread(distance: float, tail: float) -> float:
    """Return the standard deviation from the distance of the quantiles at `tail` and 1 - tail."""
    return float(distance / (-2 * ndtri(tail)))
