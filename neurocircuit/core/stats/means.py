"""Intervals of means, 95 %.

Sizes |x| are positive and skewed: Student's t of their mean at 4 half-normal values covers 92 %. The mean's logarithm
is nearly symmetric, so the interval is exp(ln m ± t s/(√n m)) (delta method); it covers 94.5 … 95.5 % of half-normal
sizes at any n >= 2.

Where a share p of the values is moved far (by a whole oscillator pulse, say) and the others little, the mean is
(1 - p) m₀ + p m₁. Neither t nor its logarithm knows that the number of moved values is binomial. The mixture's interval
joins the mid-P interval of p with those of m₀ and m₁, each deviation weighed by its slope and added in squares (MOVER,
Zou and Donner, Statistics in Medicine 27, 2008). It covers 93.5 … 97 % where four or more moves are expected.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats.proportions import mid_p_interval

CONFIDENCE = 0.95
Interval = tuple[float, float, float]  # value, low, high
_NO_INTERVAL: Interval = (math.nan, math.nan, math.nan)
_LARGEST_LOG = 40.0  # of a half-width: two draws may give any


def half_width(error: float, degrees: float, confidence: float = CONFIDENCE) -> float:
    """Return Student's t times a standard error."""
    return float(stdtrit(degrees, 0.5 + confidence / 2)) * error


def student_interval(values: Floats) -> Interval:
    """Return mean and Student t interval of `values` [trial]; nan where it takes more values than there are."""
    if values.size < 2:
        return (float(values.mean()), math.nan, math.nan) if values.size else _NO_INTERVAL
    mean = float(values.mean())
    half = half_width(float(values.std(ddof=1)) / math.sqrt(values.size), values.size - 1)
    return mean, mean - half, mean + half


def size_interval(sizes: Floats) -> Interval:
    """Return mean and interval of `sizes` [trial] >= 0, on the logarithm; nan where it takes more than there are."""
    mean, _, high = student_interval(sizes)
    if not mean > 0 or math.isnan(high):
        return mean, *((mean, mean) if mean == 0 and sizes.size > 1 else (math.nan, math.nan))
    factor = math.exp(min((high - mean) / mean, _LARGEST_LOG))
    return mean, mean / factor, mean * factor


def size_mixture_interval(sizes: Floats, moved: NDArray[np.bool_]) -> Interval:
    """Return mean and interval of `sizes` [trial] >= 0 of which those `moved` [trial] are of another, larger kind."""
    if sizes.size < 2:
        return size_interval(sizes)
    unmoved, unmoved_low, unmoved_high = _or_known(size_interval(sizes[~moved]))
    jump, jump_low, jump_high = _or_known(size_interval(sizes[moved]))
    below, above = _mixture_reach(
        moved,
        (unmoved, unmoved - unmoved_low, unmoved_high - unmoved),
        (jump, jump - jump_low, jump_high - jump),
    )
    mean = float(sizes.mean())
    return mean, max(mean - below, 0.0), mean + above


def _mixture_reach(moved: NDArray[np.bool_], unmoved: Interval, jump: Interval) -> tuple[float, float]:
    """Return how far the interval of a mixture's mean reaches below and above it.

    moved: of which kind each draw is, [trial]. unmoved, jump: of each kind the mean, and how far its interval reaches
    below and above. The reach of the share, times the distance of the two kinds, is the third part.
    """
    share, low_share, high_share = (float(moved.mean()), *mid_p_interval(int(moved.sum()), moved.size))
    step = jump[0] - unmoved[0]
    below, above = share - low_share, high_share - share
    if step < 0:
        below, above = above, below
    return (
        math.hypot((1 - share) * unmoved[1], share * jump[1], step * below),
        math.hypot((1 - share) * unmoved[2], share * jump[2], step * above),
    )


def _or_known(interval: Interval) -> Interval:
    """Take one value of a kind for its mean, and none for 0: their share of the mean is then small or unknown."""
    mean, low, _ = interval
    if math.isnan(mean):
        return 0.0, 0.0, 0.0
    return (mean, mean, mean) if math.isnan(low) else interval


def paired_difference(a: Floats, b: Floats) -> Interval:
    """Return mean of a - b [trial] with its Student t interval, over the draws in which both are finite."""
    both = np.isfinite(a) & np.isfinite(b)
    return student_interval(a[both] - b[both])


def paired_mixture_difference(a: Floats, b: Floats, moved: NDArray[np.bool_]) -> Interval:
    """Return mean of a - b [trial] with an interval that knows that the draws `moved` [trial] differ in kind."""
    both = np.isfinite(a) & np.isfinite(b)
    difference, moved = (a - b)[both], moved[both]
    if difference.size < 2:
        return student_interval(difference)
    unmoved, unmoved_low, _ = _or_known(student_interval(difference[~moved]))
    jump, jump_low, _ = _or_known(student_interval(difference[moved]))
    widths = unmoved - unmoved_low, jump - jump_low  # Student's t reaches as far above as below
    below, above = _mixture_reach(moved, (unmoved, widths[0], widths[0]), (jump, widths[1], widths[1]))
    mean = float(difference.mean())
    return mean, mean - below, mean + above


def separated_difference(a: Interval, b: Interval) -> Interval:
    """Return a - b of two independent estimates with their intervals (MOVER); nan where one has none."""
    value = a[0] - b[0]
    return value, value - math.hypot(a[0] - a[1], b[2] - b[0]), value + math.hypot(a[2] - a[0], b[0] - b[1])
