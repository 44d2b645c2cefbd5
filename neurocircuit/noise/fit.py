"""From simulated deviations of one layer to the cells of a noise table.

A firing neuron's deviation Δ is turned into what the membrane must have seen, m = s (1 - e^{-Δ}), s = W_C - 1; one
that missed its spike has at least what moves it to the window's end. Then, by operating point,

    m = b(cell) + κ_die u_die + κ_neuron u_neuron + κ_synapse u_synapse + κ_loop c_loop + κ_lag c_lag + ε(cell)

u: first-order terms of the chip that was simulated, c: those that all chips have in common (terms.py), κ near 1 where
first order holds, ε the event. Cells span the axes that improve the likelihood of operating points that were held out.
They hold b and ε twice: about the terms c (`rest_…`), and with the terms c in them, for a user who knows slope and time
only. Beyond the calibrated points by up to REACH the outermost cells speak: what the terms leave varies slowly.

A spike can also come long before its time, where an earlier bump of the membrane nearly reached the threshold. Such
events are no tail of ε: m below EARLY_SCALES spreads leaves the cells, and comes back as often as it does over all
neurons of the images, not over the chosen points.

A neuron that stays silent has the probability to fire by its closest approach to the threshold, terms included. Any
neuron wraps, and fires at once, with a probability by how close its lowest membrane comes to that (wrap_distance).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from neurocircuit.neuron.operating import Operating
from neurocircuit.noise import curves
from neurocircuit.noise.curves import QUANTILES as QUANTILES  # users of the cells need them
from neurocircuit.noise.response import NOT_EARLY as NOT_EARLY
from neurocircuit.noise.response import Early as Early
from neurocircuit.noise.response import fit_kappa, least_late
from neurocircuit.noise.response import membrane_seen as membrane_seen
from neurocircuit.noise.terms import common_shift, common_terms, drift_term
from neurocircuit.record import Bools, Floats
from neurocircuit.spec import NeuronSpec

AXES = ("slope", "time", "margin", "headroom", "root_sum_w2")
BINS = {"slope": 8, "time": 4, "margin": 4, "headroom": 3, "root_sum_w2": 3}
REACH = {"slope": (np.log(4.0), np.log(2.0)), "time": (9.0, 9.0), "margin": (6.0, 6.0), "headroom": (0.1, 0.1),
         "root_sum_w2": (0.2, 0.5)}  # fmt: skip  # what an axis extends below and above the calibrated points
LEAST_SAMPLES = 60
_DEGREES = 4.0  # Student's t of the likelihood: events have tails


@dataclass(frozen=True)
class Samples:
    """Simulated neurons of one layer, all [sample]; point: their operating points; u: membrane terms [3, sample]."""

    point: Operating
    headroom: Floats
    u: Floats
    t_over_tau: Floats  # on the circuit; inf: silent
    operating_point: NDArray[np.int64]  # number of the neuron and image
    chip: NDArray[np.int64]
    wrapped: Bools  # fired where phases modulo 2π read as a crossing


@dataclass(frozen=True)
class LayerFit:
    """The cells of one layer: [slope, time, margin, headroom, root_sum_w2], 1 cell for a dropped axis."""

    edges: dict[str, Floats]
    calibrated: dict[str, tuple[float, float]]  # what the points spanned; the edges end REACH beyond
    n: Floats
    bias: Floats
    bias_low: Floats
    bias_high: Floats
    spread: Floats
    spread_low: Floats
    spread_high: Floats
    missed: Floats
    quantiles: Floats  # [..., quantile]
    rest_bias: Floats  # as above, about the terms that all chips have in common
    rest_bias_low: Floats
    rest_bias_high: Floats
    rest_spread: Floats
    rest_spread_low: Floats
    rest_spread_high: Floats
    rest_quantiles: Floats
    term_kappa: Floats  # [term]
    term_kappa_error: Floats
    kappa: Floats  # [component]
    kappa_error: Floats
    component_spread: Floats  # [component]: of κ u over the samples
    false_fire: Floats  # [approach]
    false_low: Floats
    false_high: Floats
    false_n: Floats
    false_delay: Floats  # [quantile], from the closest approach
    wrap_fire: Floats  # [wrap distance]
    wrap_low: Floats
    wrap_high: Floats
    wrap_n: Floats
    wrap_time: Floats  # [quantile], over the time of the ideal spike or closest approach
    early_share: Floats  # [1], of firing neurons as they come
    early_time: Floats  # [quantile], over the time of the ideal spike
    gains: dict[str, tuple[float, float]]  # axis: held-out gain of log-likelihood per operating point, its error


def features(spec: NeuronSpec, point: Operating, headroom: Floats) -> Floats:
    """Coordinates on AXES, [axis, neuron]: ln(W_C - 1), t, log10 of the margin, headroom, √Σw²."""
    with np.errstate(divide="ignore"):
        return np.stack(
            [
                np.log(np.maximum(point.slope, 1e-300)),
                point.at,
                np.log10(np.maximum(point.margin, 1e-6)),
                headroom,
                point.root_sum_w2,
            ]
        )


def fit_layer(
    spec: NeuronSpec,
    samples: Samples,
    window: float,
    ranges: Floats,
    axes: tuple[str, ...] | None = None,
    early: Early = NOT_EARLY,
) -> LayerFit:
    """Cells of one layer.

    ranges: lowest and highest coordinate that the network uses, [axis, 2]; axes: those to span, None to choose.
    Wrapped samples enter by their curve only.
    """
    fired = samples.point.fired & ~samples.wrapped
    least = -np.inf
    if early.among:
        every = membrane_seen(samples.point.take(fired), samples.t_over_tau[fired], window)
        least = least_late(every)
        fired[fired] = every >= least
    point = samples.point.take(fired)
    coordinates = features(spec, point, samples.headroom[fired])
    m, u = membrane_seen(point, samples.t_over_tau[fired], window), samples.u[:, fired]
    common, clusters = common_terms(spec, point), samples.operating_point[fired]
    chips, drift = samples.chip[fired], drift_term(spec, point)
    kappa, error, term_kappa, term_error = fit_kappa(m - drift, u, common, chips, clusters)
    whole = m - kappa @ u
    rest = whole - common_shift(spec, point, term_kappa)
    spans = {name: (float(low), float(high)) for name, (low, high) in zip(AXES, ranges, strict=True)}
    ends = {name: np.array([spans[name][0] - REACH[name][0], spans[name][1] + REACH[name][1]]) for name in AXES}
    edges = {name: _edges(coordinates[k], BINS[name], ends[name]) for k, name in enumerate(AXES)}
    gains: dict[str, tuple[float, float]] = {}
    if axes is None:
        axes, gains = choose_axes(rest, coordinates, edges, clusters)
    kept = {name: edges[name] if name in axes else ends[name] for name in AXES}
    shape = tuple(len(kept[name]) - 1 for name in AXES)
    cells = cells_of(coordinates, kept)
    cell = np.ravel_multi_index(tuple(cells), shape)
    missed = ~np.isfinite(samples.t_over_tau[fired])
    stats = _cell_statistics(whole, missed, cell, cells[0], clusters, shape)
    about = _cell_statistics(rest, missed, cell, cells[0], clusters, shape)
    stats |= {f"rest_{name}": about[name] for name in about if name not in ("n", "missed")}
    silent = ~samples.point.fired & ~samples.wrapped
    shift = samples.u[:, silent].sum(axis=0)
    return LayerFit(
        edges=kept,
        calibrated=spans,
        **{name: values.reshape(*shape, *values.shape[1:]) for name, values in stats.items()},
        term_kappa=term_kappa,
        term_kappa_error=term_error,
        kappa=kappa,
        kappa_error=error,
        component_spread=np.std(kappa[:, None] * u, axis=1) if u.size else np.zeros(3),
        **curves.false_fires(spec, samples.point.take(silent), samples.t_over_tau[silent], shift, term_kappa),
        **curves.wraps(spec, samples.point, samples.t_over_tau, samples.wrapped),
        **early.beyond(least),
        gains=gains,
    )


def cells_of(coordinates: Floats, edges: dict[str, Floats]) -> NDArray[np.int64]:
    """Cell number along each axis, [axis, neuron]; beyond the ends the last cell (range checks come before)."""
    return np.stack(
        [
            np.clip(np.searchsorted(edges[name], coordinates[k], side="right") - 1, 0, len(edges[name]) - 2)
            for k, name in enumerate(AXES)
        ]
    )


def choose_axes(
    rest: Floats, coordinates: Floats, edges: dict[str, Floats], clusters: NDArray[np.int64]
) -> tuple[tuple[str, ...], dict[str, tuple[float, float]]]:
    """Forward selection: an axis stays when it improves the held-out log-likelihood by more than two errors.

    Half of the operating points fit, the other half judges, and then the other way round; the error of a gain is over
    operating points, since samples of one are not independent.
    """
    chosen: list[str] = []
    gains: dict[str, tuple[float, float]] = {}
    likelihood = _held_out(rest, np.zeros(len(rest), dtype=np.int64), clusters)
    while True:
        best: tuple[float, float, str, Floats] | None = None
        for name in AXES:
            if name in chosen:
                continue
            cell = _cell_numbers(coordinates, edges, [*chosen, name])
            trial = _held_out(rest, cell, clusters)
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


def _held_out(rest: Floats, cell: NDArray[np.int64], clusters: NDArray[np.int64]) -> Floats:
    """Mean log-likelihood of each operating point under cells fitted to the other half, [operating point]."""
    names, number = np.unique(clusters, return_inverse=True)
    half = number % 2
    each = np.empty(len(rest))
    for judged in (0, 1):
        fitting, test = half != judged, half == judged
        overall = _location_scale(rest[fitting])
        place, scale = np.full(cell.max() + 1, overall[0]), np.full(cell.max() + 1, overall[1])
        for one in np.unique(cell[fitting]):
            mine = rest[fitting & (cell == one)]
            if len(mine) >= LEAST_SAMPLES:
                place[one], scale[one] = _location_scale(mine)
        at = (rest[test] - place[cell[test]]) / scale[cell[test]]
        each[test] = student.logpdf(at, _DEGREES) - np.log(scale[cell[test]])
    return np.asarray(np.bincount(number, each) / np.bincount(number, minlength=len(names)))


def _location_scale(values: Floats) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, max(float(np.median(np.abs(values - middle))) / 0.741, 1e-9)  # MAD of Student's t with 4 degrees


def _edges(values: Floats, bins: int, limits: Floats) -> Floats:
    """Equal shares of the samples inside the range that the network uses."""
    inner = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])) if len(values) else np.empty(0)
    inner = inner[(inner > limits[0]) & (inner < limits[1])]
    return np.concatenate([[limits[0]], inner, [limits[1]]])


def _cell_statistics(
    rest: Floats,
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
    for one in range(cells):
        mine = cell == one
        result["n"][one] = mine.sum()
        if mine.sum() < LEAST_SAMPLES:
            mine = slope_cell == slope_of[one]
        if mine.sum() < LEAST_SAMPLES:
            mine = np.ones(len(rest), dtype=bool)
        values = rest[mine]
        middle = float(np.median(values))
        event = values - middle
        points = max(len(np.unique(clusters[mine])), 2)
        spread = float(event.std())
        error, spread_error = 1.96 * 1.25 * spread / np.sqrt(points), 1.96 * spread / np.sqrt(2 * points)
        result["bias"][one], result["spread"][one] = middle, spread
        result["bias_low"][one], result["bias_high"][one] = middle - error, middle + error
        result["spread_low"][one], result["spread_high"][one] = max(spread - spread_error, 0), spread + spread_error
        result["missed"][one] = missed[mine].mean()
        result["quantiles"][one] = np.quantile(event, QUANTILES)
    return result
