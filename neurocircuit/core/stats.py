"""Fire times → output jitter (paper §4.2: |t_measured - t_desired|/t_desired), with 95 % intervals."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError

CONFIDENCE = 0.95
_BLOCKS = 2048  # more draws than this are resampled in blocks, which bounds time and memory
_RESAMPLES = 2000
_BATCH = 100  # resamples at once: small enough to stay in the cache


def relative_error(desired: Floats, measured: Floats, origin_over_tau: Floats | float = 0.0) -> Floats:
    """Signed Δ/t [..., trial] from fire times (units of tau); t runs from the origin.

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
    desired: Floats, measured: Floats, *, origin_over_tau: Floats | float = 0.0, floor: float = math.nan
) -> dict[str, float]:
    """Statistics of |Δ|/t (ratios) over the draws in which both runs fired, from fire times [trial] in units of tau.

    Failed: nan in either run, or a desired spike at or before the origin. Silent: inf in either run, none failed.
    `std` and `bias` are those of the signed Δ/t. `floor` is handed through: the numerical floor of the level.
    With no fired draw the statistics are nan, with one the standard error and the interval are.
    Raises InputError when the two runs differ in length or hold no draw.
    """
    if np.shape(desired) != np.shape(measured) or np.ndim(desired) != 1 or np.size(desired) == 0:
        raise InputError(
            f"desired and measured must be [trial] of one length > 0, got {np.shape(desired)} and {np.shape(measured)}"
        )
    signed = relative_error(desired, measured, origin_over_tau)
    silent = (np.isinf(desired) | np.isinf(measured)) & ~np.isnan(desired) & ~np.isnan(measured)
    fired = np.isfinite(signed)
    size, count = np.abs(signed[fired]), int(fired.sum())
    mean, low, high = student_interval(size)
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
    }


def pulse_moves(desired: Floats, measured: Floats, spacing_over_tau: float) -> int:
    """Draws whose spike moved by more than a quarter of the XOR pulses' spacing, from fire times [trial] in tau."""
    both = np.isfinite(desired) & np.isfinite(measured)
    return int(np.sum(np.abs(measured[both] - desired[both]) > spacing_over_tau / 4))


def student_interval(values: Floats) -> tuple[float, float, float]:
    """Mean and 95 % Student t interval of `values` [trial]; nan where it takes more values than there are."""
    if values.size == 0:
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    if values.size == 1:
        return mean, math.nan, math.nan
    half = float(stdtrit(values.size - 1, 0.5 + CONFIDENCE / 2) * values.std(ddof=1) / math.sqrt(values.size))
    return mean, mean - half, mean + half


def paired_difference(a: Floats, b: Floats) -> tuple[float, float, float]:
    """Mean of a - b [trial] with its 95 % Student t interval, over the draws in which both are finite."""
    both = np.isfinite(a) & np.isfinite(b)
    return student_interval(a[both] - b[both])


def fraction_interval(count: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of the fraction count/n; written out, since scipy.stats takes a second to import.

    Raises InputError unless 0 <= count <= n and n > 0.
    """
    if not 0 <= count <= n or n == 0:
        raise InputError(f"count must be within 0 … n with n > 0, got {count} of {n}")
    z = float(ndtri(0.5 + CONFIDENCE / 2))
    centre = (count + z * z / 2) / (n + z * z)
    half = z * math.sqrt(count * (n - count) / n + z * z / 4) / (n + z * z)
    # Exact at the ends, where rounding could leave the fraction outside its own interval.
    return (max(centre - half, 0.0) if count else 0.0), (min(centre + half, 1.0) if count < n else 1.0)


def curve_exponent(amplitudes: Floats, relative: Floats, generator: np.random.Generator) -> tuple[float, float, float]:
    """Slope of log(mean |Δ|/t) against log(amplitude) with a 95 % interval by a paired bootstrap over draws.

    `relative` [row, trial] holds Δ/t or its size, nan where not both runs fired. Each resample draws trials with
    replacement, the same ones for all rows, because the rows share their draws. nan when a row has no fired draw,
    a mean of zero, or when there are fewer than two rows.
    """
    if len(amplitudes) < 2:
        return math.nan, math.nan, math.nan
    fired = np.isfinite(relative)
    sums, counts = _in_blocks(np.where(fired, np.abs(relative), 0.0)), _in_blocks(fired.astype(np.float64))
    exponent = _slopes(amplitudes, sums.sum(axis=1, keepdims=True), counts.sum(axis=1, keepdims=True))
    batches = (_times_taken(sums.shape[1], generator) for _ in range(_RESAMPLES // _BATCH))
    slopes = np.concatenate([_slopes(amplitudes, _dot(sums, times), _dot(counts, times)) for times in batches])
    if not math.isfinite(exponent[0]) or not np.isfinite(slopes).all():
        return float(exponent[0]), math.nan, math.nan
    low, high = np.quantile(slopes, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return float(exponent[0]), float(low), float(high)


def _times_taken(blocks: int, generator: np.random.Generator) -> Floats:
    """How often each block enters each of _BATCH resamples, [sample, block]."""
    drawn = generator.integers(0, blocks, size=(_BATCH, blocks)) + blocks * np.arange(_BATCH)[:, None]
    return np.bincount(drawn.ravel(), minlength=_BATCH * blocks).reshape(_BATCH, blocks).astype(np.float64)


def _dot(values: Floats, taken: Floats) -> Floats:
    """[row, block] · [sample, block] → [row, sample], in one fixed order: BLAS may change its own with the threads."""
    return np.asarray(np.einsum("rb,sb->rs", values, taken, optimize=False))


def _in_blocks(values: Floats) -> Floats:
    """Sums over at most _BLOCKS runs of neighbouring draws, [row, block]."""
    blocks = min(values.shape[1], _BLOCKS)
    starts = np.arange(blocks) * values.shape[1] // blocks
    return np.asarray(np.add.reduceat(values, starts, axis=1))


def _slopes(amplitudes: Floats, sums: Floats, counts: Floats) -> Floats:
    """Least-squares slope in log-log over the rows, [sample], from sums and counts [row, sample]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        logs: NDArray[np.float64] = np.log(sums / counts)
    logs[np.isinf(logs)] = math.nan
    x = np.log(amplitudes) - np.log(amplitudes).mean()
    return np.asarray((x[:, None] * logs).sum(axis=0) / (x * x).sum())
