"""Fire times → output jitter (paper §4.2: |t_measured - t_desired|/t_desired), with 95 % intervals."""

import math

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats import Interval, half_width, size_interval, size_mixture_interval
from neurocircuit.errors import InputError

STATISTICS = {
    "mean": "mean |delta|/t over draws in which both runs fired",
    "standard_error": "standard error of the mean",
    "ci_low": "lower end of the 95 % interval of the mean; nan where so few draws allow none",
    "ci_high": "upper end of the 95 % interval of the mean; nan where so few draws allow none",
    "std": "standard deviation of the signed delta/t",
    "bias": "mean of the signed delta/t",
    "median": "median |delta|/t",
    "p95": "95th percentile of |delta|/t",
    "maximum": "largest |delta|/t",
    "silent_fraction": "draws in which a run stayed silent, over all draws",
    "failed_fraction": "draws in which a run failed, over all draws",
    "fired": "draws in which both runs fired",
    "n": "draws",
    "floor": "numerical floor of the level: mean |delta|/t when only its numerics are disturbed",
    "pulse_moves": "levels whose membrane rises in pulses: draws whose spike moved to another pulse",
}
COUNTS = ("fired", "n", "pulse_moves")
INTERVAL_METHOD = (
    "95 %: Student t on the logarithm of the mean |delta|/t; where pulses move the spike, joined with the mid-P "
    "binomial interval of their number"
)
EXPONENT_METHOD = "95 %: Student t on the draws' influence on the slope"
LEAST_EXPONENT_DRAWS = 40  # with fewer, the interval of the exponent covers more than 97 % where rows are proportional


def relative_error(desired: Floats, measured: Floats, origin_over_tau: Floats | float = 0.0) -> Floats:
    """Return the signed Δ/t [..., trial] from fire times (units of tau); t runs from the origin.

    nan where a run failed (nan) or stayed silent (inf), and where the desired spike does not come after the origin:
    no relative error exists there.
    """
    origin = np.broadcast_to(np.asarray(origin_over_tau, dtype=np.float64), np.shape(desired))
    with np.errstate(invalid="ignore"):  # inf - inf
        both = np.isfinite(desired) & np.isfinite(measured) & (desired - origin > 0)
        result: Floats = np.full(np.shape(both), math.nan)
        np.divide(measured - desired, desired - origin, out=result, where=both)
    return result


def output_jitter(
    desired: Floats,
    measured: Floats,
    *,
    origin_over_tau: Floats | float = 0.0,
    floor: float = math.nan,
    pulse_spacing_over_tau: float = math.nan,
    enough_draws: bool = True,
) -> dict[str, float]:
    """Return STATISTICS of |Δ|/t (ratios) over the draws in which both runs fired, from fire times [trial] in tau.

    Failed: nan in either run, or a desired spike at or before the origin. Silent: inf in either run, none failed.
    `std` and `bias` are those of the signed Δ/t. `floor` is handed through: the numerical floor of the level.
    pulse_spacing_over_tau: where the membrane rises in pulses; a spike that moves by more than a quarter of it is
    counted in `pulse_moves` and is of another kind for the interval. enough_draws: False leaves the interval out.
    With no fired draw the statistics are nan, with one the standard error and the interval are.
    Raise InputError when the two runs differ in length or hold no draw.
    """
    if np.shape(desired) != np.shape(measured) or np.ndim(desired) != 1 or np.size(desired) == 0:
        raise InputError(
            f"desired and measured must be [trial] of one length > 0, got {np.shape(desired)} and {np.shape(measured)}"
        )
    signed = relative_error(desired, measured, origin_over_tau)
    silent = (np.isinf(desired) | np.isinf(measured)) & ~np.isnan(desired) & ~np.isnan(measured)
    fired = np.isfinite(signed)
    size, count = np.abs(signed[fired]), int(fired.sum())
    in_pulses = not math.isnan(pulse_spacing_over_tau)
    moved = pulse_moves(desired, measured, pulse_spacing_over_tau)[fired]
    interval = size_mixture_interval(size, moved) if in_pulses else size_interval(size)
    mean, low, high = interval if enough_draws else (float(size.mean()) if count else math.nan, math.nan, math.nan)
    n = desired.size
    return {
        "mean": mean,
        "standard_error": float(size.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan,
        "ci_low": low,
        "ci_high": high,
        "std": float(signed[fired].std(ddof=1)) if count > 1 else math.nan,
        "bias": float(signed[fired].mean()) if count else math.nan,
        "median": float(np.median(size)) if count else math.nan,
        "p95": float(np.quantile(size, 0.95)) if count else math.nan,
        "maximum": float(size.max()) if count else math.nan,
        "silent_fraction": float(silent.sum() / n),
        "failed_fraction": float((n - count - silent.sum()) / n),
        "fired": float(count),
        "n": float(n),
        "floor": float(floor),
        "pulse_moves": float(moved.sum()) if in_pulses else math.nan,
    }


def pulse_moves(desired: Floats, measured: Floats, spacing_over_tau: float) -> NDArray[np.bool_]:
    """Return which spikes moved by more than a quarter of the pulses' spacing, from fire times [trial] in tau."""
    both = np.isfinite(desired) & np.isfinite(measured)
    moved: NDArray[np.bool_] = np.zeros(np.shape(desired), dtype=bool)
    moved[both] = np.abs(measured[both] - desired[both]) > spacing_over_tau / 4
    return moved


def curve_exponent(amplitudes: Floats, relative: Floats, *, enough_draws: bool = True) -> Interval:
    """Return the slope of log(mean |Δ|/t) against log(amplitude) with its 95 % interval.

    `relative` [row, trial] holds Δ/t or its size, nan where not both runs fired. With weights c of the least-squares
    slope over the rows (Σ c = 0), draw k moves the slope by Σ c_r x_rk / mean_r: Student's t on these influences; the
    rows share their draws. nan when a row has no fired draw, a mean of zero, or when there are fewer than two rows; no
    interval below LEAST_EXPONENT_DRAWS, nor without `enough_draws`.
    """
    if len(amplitudes) < 2:
        return math.nan, math.nan, math.nan
    fired = np.isfinite(relative)
    sizes = np.where(fired, np.abs(relative), 0.0)
    counts = fired.sum(axis=1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sizes.sum(axis=1) / counts
        logs = np.log(means)
    if not np.isfinite(logs).all():
        return math.nan, math.nan, math.nan
    x = np.log(amplitudes) - np.log(amplitudes).mean()
    slope = float((x * logs).sum() / (x * x).sum())
    if not enough_draws or counts.min() < LEAST_EXPONENT_DRAWS:
        return slope, math.nan, math.nan
    # Of a draw that fired in every row this is Σ c_r x_rk / mean_r, since Σ c_r = 0.
    influence = np.where(fired, sizes / means[:, None] - 1.0, 0.0) * (relative.shape[1] / counts)[:, None]
    moves = (x @ influence) / (x * x).sum()
    half = half_width(float(moves.std(ddof=1)) / math.sqrt(len(moves)), counts.min() - 1)
    return slope, slope - half, slope + half
