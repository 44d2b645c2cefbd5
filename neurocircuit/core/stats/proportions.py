"""Intervals of shares and exact binomial tests."""

import math
from functools import lru_cache

from scipy.optimize import brentq
from scipy.special import bdtr, bdtrc, betaincinv, ndtri

from neurocircuit.errors import InputError

_CONFIDENCE = 0.95


def _check(count: int, n: int) -> None:
    if not 0 <= count <= n or n == 0:
        raise InputError(f"count must be within 0 … n with n > 0, got {count} of {n}")


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of the share count/n. Raise InputError unless 0 <= count <= n and n > 0.

    >>> low, high = wilson_interval(0, 20)
    >>> low, round(high, 4)
    (0.0, 0.1611)
    """
    _check(count, n)
    z = float(ndtri(0.5 + _CONFIDENCE / 2))
    centre = (count + z * z / 2) / (n + z * z)
    half = z * math.sqrt(count * (n - count) / n + z * z / 4) / (n + z * z)
    # Exact at the ends, where rounding could leave the share outside its own interval.
    return (max(centre - half, 0.0) if count else 0.0), (min(centre + half, 1.0) if count < n else 1.0)


def exact_interval(count: int, n: int, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson (1934), which covers >= `confidence`. Raise as wilson_interval."""
    _check(count, n)
    tail = (1 - confidence) / 2
    low = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return low, high


@lru_cache(maxsize=4096)
def mid_p_interval(count: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval whose tails count half the probability of `count` itself. Raise as wilson_interval.

    It covers 95 % on average over p, where the exact one covers more (Agresti and Gottard, 2007).
    """
    _check(count, n)
    low, high = exact_interval(count, n)
    tail, share = (1 - _CONFIDENCE) / 2, count / n

    def above(p: float) -> float:
        return float(bdtrc(count - 1, n, p)) / 2 + float(bdtrc(count, n, p)) / 2 - tail

    def below(p: float) -> float:
        return float(bdtr(count, n, p)) / 2 + (float(bdtr(count - 1, n, p)) if count else 0.0) / 2 - tail

    # Half of the probability of `count`: the mid-P limits lie between the exact ones and the share itself.
    return (float(brentq(above, low, share)) if count else 0.0), (
        float(brentq(below, share, high)) if count < n else 1.0
    )


def binomial_p_value(count: int, n: int, share: float) -> float:
    """Return the two-sided P of `count` of n under `share`: twice the smaller tail. Raise as wilson_interval.

    >>> round(binomial_p_value(18, 22, 0.95), 3)
    0.044
    """
    _check(count, n)
    lower = float(bdtr(count, n, share))
    upper = float(bdtrc(count - 1, n, share)) if count else 1.0
    return min(1.0, 2 * min(lower, upper))


def rejection_limits(n: int, share: float, significance: float) -> tuple[int, int]:
    """Return the least and the largest count of n at which binomial_p_value keeps `share` at that significance."""
    kept = [count for count in range(n + 1) if binomial_p_value(count, n, share) >= significance]
    return kept[0], kept[-1]


def smallest_detectable_shortfall(n: float, share: float, significance: float, power: float = 0.8) -> float:
    """Return the largest true share below `share` that n runs would reject with probability `power`; nan: none would.

    n may be an effective number of runs, smaller than those made where they share chips and images.
    """
    runs = max(round(n), 1)
    least, _ = rejection_limits(runs, share, significance)
    if least == 0:
        return math.nan
    return float(brentq(lambda p: float(bdtr(least - 1, runs, p)) - power, 0.0, share))
