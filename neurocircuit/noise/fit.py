"""From simulated deviations of one layer to the cells of a noise table.

A firing neuron's deviation Δ is turned into what the membrane must have seen, m = s (1 - e^{-Δ}), s = W_C - 1; one
that missed its spike has at least what moves it to the window's end. Then, by operating point,

    m = b(cell) + κ_die u_die + κ_neuron u_neuron + κ_synapse u_synapse + κ_loop c_loop + κ_lag c_lag + ε(cell)

u: first-order terms of the chip that was simulated, c: those that all chips have in common, κ near 1 where
first order holds, ε the event; what flicker and ripple take from a membrane is known for each event, and no part of m.
Cells span the axes that improve the likelihood of operating points that were held out.
They hold b and ε twice: about the terms c (`rest_…`), and with the terms c in them, for a user who knows slope and time
only. Beyond the calibrated points by up to REACH the outermost cells speak: what the terms leave varies slowly.

A spike can also come long before its time, where an earlier bump of the membrane nearly reached the threshold. Such
events are no tail of ε: m below EARLY_SCALES spreads leaves the cells, and comes back as often as it does over all
neurons of the images, not over the chosen points.

A neuron that stays silent has the probability to fire by its closest approach to the threshold, terms included. Any
neuron wraps, and fires at once, with a probability by how close its lowest membrane comes to that (wrap_distance).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.neuron.membrane import Membranes
from neurocircuit.neuron.operating_points import Operating
from neurocircuit.neuron.sensitivity import COMPONENTS, common_shift, common_terms, drift, drift_term
from neurocircuit.neuron.supply import course
from neurocircuit.noise import curves
from neurocircuit.noise.cells import AXES as AXES
from neurocircuit.noise.cells import BINS as BINS
from neurocircuit.noise.cells import LEAST_SAMPLES as LEAST_SAMPLES
from neurocircuit.noise.cells import (
    REACH,
    cell_statistics,
    choose_axes,
    edges_of,
    interval_error,
    redrawn_cells,
    scaled_cells,
)
from neurocircuit.noise.cells import cells_of as cells_of
from neurocircuit.noise.cells import features as features
from neurocircuit.noise.curves import QUANTILES as QUANTILES  # users of the cells need them
from neurocircuit.noise.first_passage import FirstPassageFit, FirstPassageSamples, fit_first_passages
from neurocircuit.noise.response import NOT_EARLY as NOT_EARLY
from neurocircuit.noise.response import Early as Early
from neurocircuit.noise.response import fit_kappa, least_late
from neurocircuit.noise.response import membrane_seen as membrane_seen
from neurocircuit.spec import NeuronSpec


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
    membranes: Membranes | None = None  # of the operating points [operating point]; None: no first passages
    common: Bools | None = None  # of points drawn as they come; None: all are
    offsets: Floats | None = None  # relative frequency offsets of VCO1 … VCO4 by flicker, [4, sample]; None: none
    supply_rad: Floats | None = None  # phases of the supply's tones at arming, [tone, sample]; None: no ripple

    def event_drift(self, spec: NeuronSpec, which: Bools) -> Floats | float:
        """Return the membrane terms of some samples by flicker and ripple of their events, [sample], or 0 without."""
        at = self.point.at[which]
        taken: Floats | float = 0.0
        if self.offsets is not None:
            taken = taken + drift(spec, at, self.offsets[:, which])
        if self.supply_rad is not None:
            taken = taken - course(spec).membrane(at, self.supply_rad[:, which])
        return taken


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
    wrap_share: Floats  # [1], of all neurons as they come
    wrap_at: Floats  # [quantile], units of tau
    gains: dict[str, tuple[float, float]]  # axis: held-out gain of log-likelihood per operating point, its error
    first_passage: FirstPassageFit | None = None  # the event of a first passage; None: a table before version 3

    def redrawn(self, generator: np.random.Generator) -> "LayerFit":
        """Return the fit as another calibration of this size could have given it: all parts within their errors.

        Normal, but for shares, which stay within 0 … 1. Both forms of a statistic of the same samples move together: of
        the cells about and with the common terms, of a component's response by slope and by first passage. The shares
        of early spikes and wraps among neurons as they come, and quantiles of times, have no error here and stay.
        """
        bias_luck, spread_luck = generator.standard_normal((2, *self.n.shape))
        kappa_luck = generator.standard_normal(self.kappa.shape)
        kappa = self.kappa + self.kappa_error * kappa_luck
        first_passage = self.first_passage
        return replace(
            self,
            **redrawn_cells(self, "", bias_luck, spread_luck),
            **redrawn_cells(self, "rest_", bias_luck, spread_luck),
            term_kappa=self.term_kappa + self.term_kappa_error * generator.standard_normal(self.term_kappa.shape),
            kappa=kappa,
            component_spread=self.component_spread * np.abs(kappa / np.where(self.kappa == 0, 1.0, self.kappa)),
            false_fire=self._redrawn_share("false", self.false_fire, generator),
            wrap_fire=self._redrawn_share("wrap", self.wrap_fire, generator),
            first_passage=None if first_passage is None else first_passage.redrawn(generator, kappa_luck),
        )

    def scaled(self, factors: Mapping[str, float]) -> "LayerFit":
        """Return the fit with the causes so many times as large; see `NoiseTable.scaled`."""
        bias, event = factors.get("systematic", 1.0), factors.get("event", 1.0)
        by_component = np.array([factors.get(name, 1.0) for name in COMPONENTS])
        first_passage = self.first_passage
        return replace(
            self,
            **scaled_cells(self, "", bias, event),
            **scaled_cells(self, "rest_", bias, event),
            term_kappa=self.term_kappa * bias,
            kappa=self.kappa * by_component,
            component_spread=self.component_spread * by_component,
            first_passage=None
            if first_passage is None
            else replace(
                first_passage, **scaled_cells(first_passage, "", bias, event), kappa=first_passage.kappa * by_component
            ),
        )

    def _redrawn_share(self, name: str, share: Floats, generator: np.random.Generator) -> Floats:
        low, high, n = (getattr(self, f"{name}_{end}") for end in ("low", "high", "n"))
        error = np.where(n > 0, interval_error(low, high), 0.0)
        return np.clip(share + error * generator.standard_normal(share.shape), 0.0, 1.0)


def fit_layer(
    spec: NeuronSpec,
    samples: Samples,
    ranges: Floats,
    axes: tuple[str, ...] | None = None,
    early: Early = NOT_EARLY,
) -> LayerFit:
    """Return the cells of one layer.

    ranges: lowest and highest coordinate that the network uses, [axis, 2]; axes: those to span, None to choose.
    Wrapped samples enter by their curve only.
    """
    fired = samples.point.fired & ~samples.wrapped
    least = -np.inf
    if early.among:
        peak_membrane = membrane_seen(spec, samples.point.take(fired), samples.t_over_tau[fired])
        least = least_late(peak_membrane)
        fired[fired] = peak_membrane >= least
    point = samples.point.take(fired)
    coordinates = features(spec, point, samples.headroom[fired])
    m, u = membrane_seen(spec, point, samples.t_over_tau[fired]), samples.u[:, fired]
    m = m - samples.event_drift(spec, fired)
    common, clusters = common_terms(spec, point), samples.operating_point[fired]
    chips, by_spec = samples.chip[fired], drift_term(spec, point)
    kappa, error, term_kappa, term_error = fit_kappa(m - by_spec, u, common, chips, clusters)
    whole = m - kappa @ u
    residual = whole - common_shift(spec, point, term_kappa)
    spans = {name: (float(low), float(high)) for name, (low, high) in zip(AXES, ranges, strict=True)}
    ends = {name: np.array([spans[name][0] - REACH[name][0], spans[name][1] + REACH[name][1]]) for name in AXES}
    edges = {name: edges_of(coordinates[k], BINS[name], ends[name]) for k, name in enumerate(AXES)}
    gains: dict[str, tuple[float, float]] = {}
    if axes is None:
        axes, gains = choose_axes(residual, coordinates, edges, clusters)
    kept = {name: edges[name] if name in axes else ends[name] for name in AXES}
    shape = tuple(len(kept[name]) - 1 for name in AXES)
    cells = cells_of(coordinates, kept)
    cell = np.ravel_multi_index(tuple(cells), shape)
    missed = ~np.isfinite(samples.t_over_tau[fired])
    stats = cell_statistics(whole, missed, cell, cells[0], clusters, shape)
    about = cell_statistics(residual, missed, cell, cells[0], clusters, shape)
    stats |= {f"rest_{name}": about[name] for name in about if name not in ("n", "missed")}
    silent = ~samples.point.fired & ~samples.wrapped
    shift = samples.u[:, silent].sum(axis=0) + samples.event_drift(spec, silent)
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
        first_passage=None if samples.membranes is None else _first_passage(spec, samples, spans),
    )


def _first_passage(spec: NeuronSpec, samples: Samples, spans: dict[str, tuple[float, float]]) -> FirstPassageFit | None:
    """Of all firing neurons that did not wrap, early ones included: the membrane knows what they fired at."""
    assert samples.membranes is not None  # noqa: S101
    fired = samples.point.fired & ~samples.wrapped
    coordinates = features(spec, samples.point.take(fired), samples.headroom[fired])
    row, chip = samples.operating_point[fired], samples.chip[fired]
    common = np.ones(len(row), dtype=bool) if samples.common is None else samples.common[fired]
    offsets = None if samples.offsets is None else samples.offsets[:, fired]
    kept = FirstPassageSamples(
        samples.membranes,
        row,
        coordinates,
        samples.u[:, fired],
        samples.t_over_tau[fired],
        chip,
        common,
        spec,
        offsets,
        None if samples.supply_rad is None else samples.supply_rad[:, fired],
    )
    return fit_first_passages(kept, spans)
