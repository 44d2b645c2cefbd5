"""From simulated fire times of one layer to the event of a first passage (neuron/membrane.py).

With the membrane V(t) that all chips share, a neuron that fired at t, not before, has seen m = max V(up to t) - 1, and

    m = b(cell) + κ_die u_die + κ_neuron u_neuron + κ_synapse u_synapse + ...,      shift = b + Σ κ u

The event is what is left in units of g(t): ξ = max over t' <= t of (V(t') - 1 - shift)/g(t'). A spike that did not come
within the window had ξ at least at its end's: it gets the ξ of a run that is known to lie beyond that, drawn evenly
(redistribution to the right, Efron 1967), since a neuron with more room would have shown it.
V is the membrane less what flicker and ripple of its event take from it.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.membrane import Membranes
from neurocircuit.neuron.sensitivity import TERMS, drift
from neurocircuit.neuron.supply import course
from neurocircuit.noise.cells import (
    AXES,
    BINS,
    LEAST_SAMPLES,
    REACH,
    cell_statistics,
    cells_of,
    choose_axes,
    edges_of,
    redrawn_cells,
)
from neurocircuit.noise.response import fit_kappa
from neurocircuit.spec import NeuronSpec

_CHUNK = 5000  # samples whose membranes are looked at together


@dataclass(frozen=True)
class FirstPassageFit:
    """Cells of ξ on their own axes, [slope, time, margin, headroom, root_sum_w2], 1 cell for a dropped axis."""

    edges: dict[str, Floats]
    n: Floats
    bias: Floats  # b, thresholds
    bias_low: Floats
    bias_high: Floats
    spread: Floats  # of ξ
    spread_low: Floats
    spread_high: Floats
    quantiles: Floats  # of ξ, [..., quantile]
    kappa: Floats  # [component]
    kappa_error: Floats
    gains: dict[str, tuple[float, float]]

    def redrawn(self, generator: np.random.Generator, kappa_luck: Floats) -> "FirstPassageFit":
        """Return the fit as another calibration of this size could have given it; kappa_luck: normal, [component]."""
        bias_luck, spread_luck = generator.standard_normal((2, *self.n.shape))
        cells = redrawn_cells(self, "", bias_luck, spread_luck)
        return replace(self, **cells, kappa=self.kappa + self.kappa_error * kappa_luck)


@dataclass(frozen=True)
class FirstPassageSamples:
    """Firing neurons of one layer as a level ran them, all [sample] but `membranes`; u: [component, sample]."""

    membranes: Membranes  # [operating point, instant]
    row: NDArray[np.int64]  # of each sample in `membranes`
    coordinates: Floats  # [axis, sample]
    u: Floats
    t_over_tau: Floats
    chip: NDArray[np.int64]
    common: NDArray[np.bool_]  # of points drawn as they come
    spec: NeuronSpec | None = None
    offsets: Floats | None = None  # relative frequency offsets of VCO1 … VCO4 by flicker, [4, sample]; None: none
    supply_rad: Floats | None = None  # phases of the supply's tones at arming, [tone, sample]; None: no ripple

    def event_of(self, which: NDArray[np.int64], shift: Floats, scale: float | None) -> Floats:
        """Return the events of some samples beside their shifts, both [sample]; scale as of Membranes.event_of."""
        membranes = self.membranes.take(self.row[which])
        if self.offsets is not None and self.spec is not None:
            membranes = membranes.without(drift(self.spec, membranes.grid, self.offsets[:, which, None]))
        if self.supply_rad is not None and self.spec is not None:
            moved = course(self.spec).membrane(membranes.grid, self.supply_rad[:, which, None])
            membranes = membranes.without(-moved)
        return membranes.event_of(self.t_over_tau[which], shift, scale)


def fit_first_passages(samples: FirstPassageSamples, spans: dict[str, tuple[float, float]]) -> FirstPassageFit:
    """Return the bias and event by cell; spans: lowest and highest coordinate that the network uses, by axis."""
    known = np.isfinite(samples.t_over_tau)
    m = _events(samples, np.zeros(len(known)), 1.0)
    m = _redistributed(m, known)
    kappa, error, _, _ = fit_kappa(m, samples.u, np.zeros((len(TERMS), len(m))), samples.chip, samples.row)
    residual = m - kappa @ samples.u
    ends = {name: np.array([spans[name][0] - REACH[name][0], spans[name][1] + REACH[name][1]]) for name in AXES}
    edges = {name: edges_of(samples.coordinates[k], BINS[name], ends[name]) for k, name in enumerate(AXES)}
    g = np.interp(samples.t_over_tau.clip(max=samples.membranes.grid[-1]), samples.membranes.grid, samples.membranes.g)
    axes, gains = choose_axes(residual / g, samples.coordinates, edges, samples.row)
    kept = {name: edges[name] if name in axes else ends[name] for name in AXES}
    shape = tuple(len(kept[name]) - 1 for name in AXES)
    cells = cells_of(samples.coordinates, kept)
    cell = np.asarray(np.ravel_multi_index(tuple(cells), shape), dtype=np.int64)
    about = cell_statistics(residual, ~known, cell, cells[0], samples.row, shape)
    xi = _events(samples, kappa @ samples.u + about["bias"][cell], None)
    xi = _redistributed(xi, known)
    # rare points are drawn beyond their share: where enough common ones fill a cell, its events are theirs
    enough = np.bincount(cell, samples.common, int(np.prod(shape))) >= LEAST_SAMPLES
    which = samples.common | ~enough[cell]
    event = cell_statistics(xi[which], ~known[which], cell[which], cells[0][which], samples.row[which], shape)
    stats = {name: about[name] for name in ("n", "bias", "bias_low", "bias_high")}
    stats |= {name: event[name] for name in ("spread", "spread_low", "spread_high")}
    stats["quantiles"] = event["quantiles"] + event["bias"][:, None]
    return FirstPassageFit(
        edges=kept,
        **{name: values.reshape(*shape, *values.shape[1:]) for name, values in stats.items()},
        kappa=kappa,
        kappa_error=error,
        gains=gains,
    )


def _events(samples: FirstPassageSamples, shift: Floats, scale: float | None) -> Floats:
    parts = [np.arange(k, min(k + _CHUNK, len(shift))) for k in range(0, len(shift), _CHUNK)]
    events_of_part = [samples.event_of(part, shift[part], scale) for part in parts]
    return np.concatenate(events_of_part) if events_of_part else np.empty(0)


def _redistributed(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Values [sample] of which those not known are lower bounds: each moved to a known one beyond it, if there is."""
    order = np.sort(values[known])
    first = np.searchsorted(order, values[~known])
    room = len(order) - first
    # evenly spread over what lies beyond, by a low-discrepancy sequence instead of a generator
    fraction = np.modf(np.arange(len(first)) * 0.6180339887498949)[0]
    moved = values.copy()
    if len(order):
        redrawn = order[np.minimum(first + (fraction * room).astype(np.int64), len(order) - 1)]
        moved[~known] = np.where(room > 0, redrawn, values[~known])
    return moved
