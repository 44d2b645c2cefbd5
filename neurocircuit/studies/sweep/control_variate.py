"""Cheap levels as control variates of a costly one: the same mean with fewer costly runs.

Y is the costly level's |Δ|/t, X those of the cheap levels at the same draw and phases, μ = E X. For constants b the
mean of Y - b·(X - μ) is that of Y, and with least-squares b its variance is (1 - ρ²) σ_Y², ρ the correlation of Y and
b·X (Glasserman 2004, §4.1). A b from the very draws it is applied to would bias the mean and understate the spread;
here each draw takes the b of the other folds (cross-fitting), which is independent of it, so that E[b·(X - μ)] = 0
holds exactly, and the variance that remains is counted on draws that b has not seen.

Where both levels move their spikes in pulses, nearly all draws agree and a few differ by a whole pulse: Student's t on
Y - b·(X - μ) knows nothing of the differences that the draws do not happen to show (at 33 draws and ρ = 0.94 it covers
56 %). The chance of a difference has a mid-P interval, though, and a difference is worth one pulse. So with fewer than
MOVES_KNOWN differing draws the interval joins Student's t, in squares, with a pulse times the reach of that chance
above what was seen. It covers 93 % and more from LEAST_DRAWS draws on (tests/studies/sweep/test_coverage.py); whether
the controlled mean is reported is decided by the number of draws alone, for a choice by what the draws show would bias.
"""

import math
from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats import mid_p_interval, student_interval

LEAST_DRAWS = 80  # with fewer, intervals of rows in which few pulses move cover less than 93 %
MOVES_KNOWN = 8  # differing draws from which on their spread is known from themselves
FOLDS = 5
_LEAST_PER_FOLD = 2


@dataclass(frozen=True)
class Estimate:
    """Mean of the costly level over n draws, a ratio.

    used: whether `mean` rests on the control variates; else it is the plain one. low, high: 95 % interval of a
    controlled mean, nan of a plain one.
    correlation: of Y and the combination of the controls, √(1 - what remains of the variance), 0 where it grows;
    variance_reduction: Var Y over that of the controlled values; correlations: of Y and each control, nan where one of
    them does not vary. All nan where no control variate can be formed.
    """

    n: int
    mean: float
    correlations: tuple[float, ...]
    low: float = math.nan
    high: float = math.nan
    correlation: float = math.nan
    variance_reduction: float = math.nan
    used: bool = False


def estimate(costly: Floats, cheap: Floats, cheap_mean: Floats, pulse: float) -> Estimate:
    """Return the mean of `costly` [trial] with `cheap` [control, trial] as controls, over the draws finite in `costly`.

    cheap_mean [control] comes from other draws than these. pulse: what one pulse more or less changes in `costly`,
    which differs from the first control in a draw where more than half of it lies between them. Where a draw has no
    finite `cheap`, where there are fewer than two draws a fold, or where Y or all controls do not vary, the plain mean
    is all; it is reported, beside the correlations, below LEAST_DRAWS too.
    """
    fired = np.isfinite(costly)
    y, x = costly[fired], cheap[:, fired]
    count = len(y)
    plain = float(y.mean()) if count else math.nan
    nothing = Estimate(count, plain, correlations=(math.nan,) * len(x))
    if count < FOLDS * _LEAST_PER_FOLD or not (np.isfinite(x).all() and np.isfinite(cheap_mean).all()):
        return nothing
    if y.std() == 0 or not x.std(axis=1).any():
        return nothing
    controlled = y - np.sum(_cross_fitted(y, x) * (x - cheap_mean[:, None]), axis=0)
    remains = float(controlled.var(ddof=1)) / float(y.var(ddof=1))
    correlation = math.sqrt(max(1.0 - remains, 0.0))
    mean, low, high = plain, math.nan, math.nan
    if count >= LEAST_DRAWS:
        mean, _, student_high = student_interval(controlled)
        reach = math.hypot(student_high - mean, pulse * _unseen(int((np.abs(y - x[0]) > pulse / 2).sum()), count))
        low, high = max(mean - reach, 0.0), mean + reach
    return Estimate(
        count,
        mean,
        correlations=tuple(float(np.corrcoef(row, y)[0, 1]) if row.std() > 0 else math.nan for row in x),
        low=low,
        high=high,
        correlation=correlation,
        variance_reduction=1.0 / remains if remains > 0 else math.inf,
        used=count >= LEAST_DRAWS,
    )


def _unseen(differing: int, count: int) -> float:
    """Return how far the chance that a draw differs may lie above its share among the draws, 0 where it is known."""
    return mid_p_interval(differing, count)[1] - differing / count if differing < MOVES_KNOWN else 0.0


def _cross_fitted(y: Floats, x: Floats) -> Floats:
    """Least-squares coefficients of y over x for each draw, [control, trial], from the draws of the other folds."""
    fold = np.arange(len(y)) % FOLDS
    fitted = np.empty((len(x), FOLDS))
    for k in range(FOLDS):
        others = fold != k
        centred = x[:, others] - x[:, others].mean(axis=1, keepdims=True)
        fitted[:, k] = np.linalg.lstsq(centred.T, y[others] - y[others].mean(), rcond=None)[0]
    return np.asarray(fitted[:, fold])
