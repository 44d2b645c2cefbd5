"""Cells of operating points: their axes and which of them earn their place, and statistics of what lies in each."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.operating_points import Operating
from neurocircuit.noise.curves import QUANTILES
from neurocircuit.spec import NeuronSpec

AXES = ("slope", "time", "margin", "headroom", "root_sum_w2")
BINS = {"slope": 8, "time": 4, "margin": 4, "headroom": 3, "root_sum_w2": 3}
# What an axis extends below and above the calibrated points.
REACH = {
    "slope": (np.log(4.0), np.log(2.0)),
    "time": (9.0, 9.0),
    "margin": (6.0, 6.0),
    "headroom": (0.1, 0.1),
    "root_sum_w2": (0.2, 0.5),
}
LEAST_SAMPLES = 60
_DEGREES = 4.0  # Student's t of the likelihood: events have tails


def features(spec: NeuronSpec, point: Operating, headroom: Floats) -> Floats:
    """Return the coordinates on AXES, [axis, neuron]: ln(W_C - 1), t, log10 of the margin, headroom, √Σw².

    Under a readout window no spike follows, and the margin is put to 1.
    """
    margin = point.margin if spec.readout_window is None else np.ones_like(point.margin)
    with np.errstate(divide="ignore"):
        return np.stack(
            [
                np.log(np.maximum(point.slope, 1e-300)),
                point.at,
                np.log10(np.maximum(margin, 1e-6)),
                headroom,
                point.root_sum_w2,
            ]
        )


def cells_of(coordinates: Floats, edges: dict[str, Floats]) -> NDArray[np.int64]:
    """Return the cell number along each axis, [axis, neuron].

    Beyond the ends the last cell (range checks come before).
    """
    return np.stack(
        [
            np.clip(np.searchsorted(edges[name], coordinates[k], side="right") - 1, 0, len(edges[name]) - 2)
            for k, name in enumerate(AXES)
        ]
    )


def choose_axes(
    residual: Floats, coordinates: Floats, edges: dict[str, Floats], clusters: NDArray[np.int64]
) -> tuple[tuple[str, ...], dict[str, tuple[float, float]]]:
    """Select axes forward: an axis stays when it improves the held-out log-likelihood by more than two errors.

    Half of the operating points fit, the other half judges, and then the other way round; the error of a gain is over
    operating points, since samples of one are not independent.
    """
    chosen: list[str] = []
    gains: dict[str, tuple[float, float]] = {}
    likelihood = _held_out(residual, np.zeros(len(residual), dtype=np.int64), clusters)
    while True:
        best: tuple[float, float, str, Floats] | None = None
        for name in AXES:
            if name in chosen:
                continue
            cell = _cell_numbers(coordinates, edges, [*chosen, name])
            trial = _held_out(residual, cell, clusters)
            gain = trial - likelihood
            mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
            gains[name] = (mean, error)
            if mean > 2 * error and (best is None or mean > best[0]):
                best = (mean, error, name, trial)
        if best is None:
            return tuple(chosen), gains
        chosen.append(best[2])
        gains[best[2]] = best[:2]
        likelihood = best[3]
        if len(chosen) == 3:  # more cells than samples could fill
            return tuple(chosen), gains


def _cell_numbers(coordinates: Floats, edges: dict[str, Floats], names: list[str]) -> NDArray[np.int64]:
    kept = {name: edges[name] if name in names else np.array([-np.inf, np.inf]) for name in AXES}
    shape = tuple(len(kept[name]) - 1 for name in AXES)
    return np.asarray(np.ravel_multi_index(tuple(cells_of(coordinates, kept)), shape), dtype=np.int64)


def _held_out(residual: Floats, cell: NDArray[np.int64], clusters: NDArray[np.int64]) -> Floats:
    """Mean log-likelihood of each operating point under cells fitted to the other half, [operating point]."""
    names, number = np.unique(clusters, return_inverse=True)
    half = number % 2
    each = np.empty(len(residual))
    for judged in (0, 1):
        fitting, test = half != judged, half == judged
        overall = _location_scale(residual[fitting])
        location, scale = np.full(cell.max() + 1, overall[0]), np.full(cell.max() + 1, overall[1])
        for number_of_cell in np.unique(cell[fitting]):
            mine = residual[fitting & (cell == number_of_cell)]
            if len(mine) >= LEAST_SAMPLES:
                location[number_of_cell], scale[number_of_cell] = _location_scale(mine)
        at = (residual[test] - location[cell[test]]) / scale[cell[test]]
        each[test] = student.logpdf(at, _DEGREES) - np.log(scale[cell[test]])
    return np.asarray(np.bincount(number, each) / np.bincount(number, minlength=len(names)))


def _location_scale(values: Floats) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, max(float(np.median(np.abs(values - middle))) / 0.741, 1e-9)  # MAD of Student's t with 4 degrees


def edges_of(values: Floats, bins: int, limits: Floats) -> Floats:
    """Return the equal shares of the samples inside the range that the network uses."""
    inner = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])) if len(values) else np.empty(0)
    inner = inner[(inner > limits[0]) & (inner < limits[1])]
    if len(inner) and values.min() == values.max():  # as the slopes of a ramp
        inner = inner[:0]
    return np.concatenate([[limits[0]], inner, [limits[1]]])


def interval_error(low: Floats, high: Floats) -> Floats:
    """Return the standard error behind a 95 % interval, same shape."""
    return np.asarray((high - low) / (2 * 1.96))


def redrawn_cells(fit: Any, prefix: str, bias_luck: Floats, spread_luck: Floats) -> dict[str, Any]:
    """Return the bias, spread and quantiles of a fit's cells as another calibration of its size could have given them.

    The two lucks are standard normal, shaped like the cells: statistics of the same samples share them.
    """
    bias, low, high = (getattr(fit, f"{prefix}bias{end}") for end in ("", "_low", "_high"))
    spread, spread_low, spread_high = (getattr(fit, f"{prefix}spread{end}") for end in ("", "_low", "_high"))
    quantiles = getattr(fit, f"{prefix}quantiles")
    drawn = np.maximum(spread + interval_error(spread_low, spread_high) * spread_luck, 0.0)
    scale = np.divide(drawn, spread, out=np.ones_like(drawn), where=spread > 0)
    middle = quantiles[..., [len(QUANTILES) // 2]]
    return {
        f"{prefix}bias": bias + interval_error(low, high) * bias_luck,
        f"{prefix}spread": drawn,
        f"{prefix}quantiles": middle + (quantiles - middle) * scale[..., None],
    }


def scaled_cells(fit: Any, prefix: str, bias: float, event: float) -> dict[str, Any]:
    """Return the bias, spread and quantiles of a fit's cells, so many times as large."""
    ends = ("", "_low", "_high")
    return (
        {f"{prefix}bias{end}": getattr(fit, f"{prefix}bias{end}") * bias for end in ends}
        | {f"{prefix}spread{end}": getattr(fit, f"{prefix}spread{end}") * event for end in ends}
        | {f"{prefix}quantiles": getattr(fit, f"{prefix}quantiles") * event}
    )


def cell_statistics(
    residual: Floats,
    missed: NDArray[np.bool_],
    cell: NDArray[np.int64],
    slope_cell: NDArray[np.int64],
    clusters: NDArray[np.int64],
    shape: tuple[int, ...],
) -> dict[str, Floats]:
    """By cell; one with too few samples takes those of its slope, or of all."""
    names = ("n", "bias", "bias_low", "bias_high", "spread", "spread_low", "spread_high", "missed")
    cells = int(np.prod(shape))
    result = {name: np.zeros(cells) for name in names} | {"quantiles": np.zeros((cells, len(QUANTILES)))}
    slope_of = np.unravel_index(np.arange(cells), shape)[0]
    for number in range(cells):
        mine = cell == number
        result["n"][number] = mine.sum()
        if mine.sum() < LEAST_SAMPLES:
            mine = slope_cell == slope_of[number]
        if mine.sum() < LEAST_SAMPLES:
            mine = np.ones(len(residual), dtype=bool)
        values = residual[mine]
        middle = float(np.median(values))
        event = values - middle
        points = max(len(np.unique(clusters[mine])), 2)
        spread = float(event.std())
        error, spread_error = 1.96 * 1.25 * spread / np.sqrt(points), 1.96 * spread / np.sqrt(2 * points)
        result["bias"][number], result["spread"][number] = middle, spread
        result["bias_low"][number], result["bias_high"][number] = middle - error, middle + error
        result["spread_low"][number], result["spread_high"][number] = (
            max(spread - spread_error, 0),
            spread + spread_error,
        )
        result["missed"][number] = missed[mine].mean()
        result["quantiles"][number] = np.quantile(event, QUANTILES)
    return result
