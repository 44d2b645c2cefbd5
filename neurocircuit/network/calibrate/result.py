"""Calibration: the noise table of a network on a circuit, what it says of each layer, and what each cause does."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import PrivateAttr

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.core.provenance import RunClock, RunRecord
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.core.stats import quantile_spread
from neurocircuit.errors import InputError
from neurocircuit.network.calibrate.budget import LayerBudget, budget
from neurocircuit.network.calibrate.points import Points, Within
from neurocircuit.network.calibrate.table import fit_table
from neurocircuit.network.run import Circuit, OnCircuit
from neurocircuit.neuron import levels
from neurocircuit.neuron.operating_points import window_share_of
from neurocircuit.neuron.sensitivity import COMPONENTS, TERMS
from neurocircuit.noise import curves, fit
from neurocircuit.noise.first_passage import FirstPassageFit
from neurocircuit.noise.table import NoiseTable

PRELOAD = ("neurocircuit.network.calibrate.simulate",)  # what a worker needs


class FirstPassage(Values):
    """What a layer's first passage says: responses to a chip's terms, and the event at the median fire time.

    Bias and spreads in thresholds, but xi_spread, which is in units of g; at: units of τ.
    """

    kappa: dict[str, float]
    kappa_error: dict[str, float]
    axes: tuple[str, ...]
    gains: dict[str, tuple[Number, Number]]
    bias: float
    xi_spread: float
    event_spread: float
    at: float


class LayerNoise(Values):
    """What the table says of one layer, and the data beside it.

    kappa: response over the first-order term, by component; spreads in thresholds; late_median and late_spread: by
    group of slopes W_C - 1, units of τ, or, under a readout window, of window_share: when the spike comes, 0 at
    the arming, 1 at the window's end; false_*: by closest approach; wrap_*: by distance from wrapping.
    """

    name: str
    axes: tuple[str, ...]
    gains: dict[str, tuple[Number, Number]]
    samples: int
    kappa: dict[str, float]
    kappa_error: dict[str, float]
    passage: FirstPassage
    component_spread: dict[str, float]
    term_kappa: dict[str, float]
    term_kappa_error: dict[str, float]
    event_spread: float
    spread_without_terms: float
    bias: float
    slope: tuple[float, ...]
    window_share: tuple[float, ...] = ()
    late_median: tuple[Number, ...]
    late_spread: tuple[Number, ...]
    approach: tuple[tuple[Number, Number], ...]
    false_fire: tuple[Number, ...]
    false_low: tuple[Number, ...]
    false_high: tuple[Number, ...]
    false_n: tuple[Number, ...]
    early: float
    wrapped: float
    wrap_edges: tuple[Number, ...]
    wrap_fire: tuple[Number, ...]
    wrap_n: tuple[Number, ...]
    missed: float

    @property
    def middle_spread_over_tau(self) -> float:
        """Standard deviation of the fire time in the middle group of slopes, or of places in the window."""
        return self.late_spread[len(self.late_spread) // 2]


class Calibration(Result):
    """What a noise table was made from and what it says of each layer; the noise budget where that was asked for."""

    kind: ClassVar[str] = "calibration"

    name: str
    level: str
    layers: tuple[LayerNoise, ...]
    budget: tuple[LayerBudget, ...]
    seed: int
    chips: int
    images: int
    split: str
    _table: NoiseTable | None = PrivateAttr(None)

    def save(self, out: Path | str) -> Path:
        """Write the table (.nc) and beside it NAME.calibration.json; return that file's path.

        Raise InputError naming what cannot be written; a calibration that was read from a file has no table to write.
        """
        path = Path(out)
        if self._table is None or path.suffix != ".nc":
            raise InputError(f"the file of a noise table must end in .nc, and the table be at hand, got {str(path)!r}")
        self._table.save(path)
        return self.write(path.with_suffix(".calibration.json"))

    def summary(self) -> str:
        """Return what was simulated, and a line for each layer: how far each cause spreads its membranes."""
        of = f"{self.images} {self.split or 'given'} images"
        lines = [
            f"calibrated at level {self.level} with the neurons of {of} on {self.chips} chips: how far their spikes "
            "move, and what moves them",
        ]
        for layer in self.layers:
            passage = layer.passage
            of_chip = ", ".join(f"{name} {value:.2g}" for name, value in layer.component_spread.items())
            lines.append(
                f"layer {layer.name}: spikes move by {layer.middle_spread_over_tau:.2g} tau, {100 * layer.missed:.2g} "
                f"% are missed; membrane: event {passage.event_spread:.2g} at {passage.at:.2f} tau, {of_chip}; "
                f"{layer.samples} samples"
            )
        lines += [
            "  spikes: standard deviation of the fire time of a neuron with the middle slope, or in mid-window",
            "  membrane: standard deviations at the spike, in units of the threshold. What differs between dies, "
            "neurons and synapses stays as it is on a chip; an event is another at each spike",
            "next: evaluate --noise says what this costs in accuracy, verify --table whether the table holds",
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Source:
    """What a table was calibrated from."""

    circuit: Circuit
    points: list[Points]
    samples: list[fit.Samples]
    seed: int
    images: int
    split: str
    run: RunRecord


class CalibratedTable(NoiseTable):
    """A noise table with the operating points that it was calibrated from, by which it knows its noise budget."""

    _source: _Source

    def __str__(self) -> str:
        """What was simulated, and a line for each layer."""
        return self.result().summary()

    def budget(self, chips: int = 30, jobs: int = 1, scheduler: str | None = None) -> tuple[LayerBudget, ...]:
        """Return what each cause alone does to the fire times of each layer; simulates `chips` chips a cause.

        jobs: processes, scheduler: "local" or the address of a Dask scheduler; they change no number.
        """
        source = self._source
        with open_pool(jobs, scheduler, preload=PRELOAD) as pool:
            rows = budget(
                source.circuit, source.points, level=self.level, seed=source.seed, chip_count=chips, pool=pool
            )
        return tuple(rows)

    @property
    def level(self) -> str:
        """Level of the neuron that was simulated."""
        return str(self.provenance["level"])

    def result(self, budget: tuple[LayerBudget, ...] = ()) -> Calibration:
        """Return what the table says of each layer, and its noise budget where that is given."""
        source = self._source
        calibration = Calibration(
            run=source.run,
            name=source.circuit.mapped.name,
            level=self.level,
            layers=tuple(_described(source.circuit, self, source.samples)),
            budget=budget,
            seed=source.seed,
            chips=int(self.provenance["chips"]),
            images=source.images,
            split=source.split,
        )
        calibration._table = self
        return calibration

    @classmethod
    def of(cls, table: NoiseTable, source: _Source) -> Self:
        """Return the table with what it was calibrated from."""
        calibrated = cls(table.dataset)
        calibrated._source = source
        return calibrated


def calibrate(
    network: OnCircuit,
    images: Any,
    *,
    chips: int = 100,
    level: str = "edge",
    points: int = 400,
    headroom: float | None = None,
    latest_over_tau: float | None = None,
    seed: int = 1,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> CalibratedTable:
    """Simulate the operating points that a network's own images use on many chips, and fit its noise table.

    Args:
        network: a network on a circuit, from `map`.
        images: a data set's images, each run on a chip of its own to find the points; training images serve.
        chips: that each point meets.
        level: of the neuron: ideal, averaged, edge, bsource.
        points: neurons of each layer.
        headroom: only neurons within this share of the XOR's range; others lie outside the table. None: all.
        latest_over_tau: only neurons that fire by then. None: all.
        seed: root of all random draws.
        jobs: processes; changes no number.
        scheduler: "local" or the address of a Dask scheduler, to run there.
        progress: hears how far it is.

    Returns:
        The noise table; `budget()` tells what each cause alone does, `result()` what the table says.

    Raise InputError for an unknown level, images of another data set, or where a layer has no neuron that fires.
    """
    clock = RunClock()
    if level not in levels.LEVELS:
        raise InputError(f"level must be among {', '.join(levels.LEVELS)}, got {level!r}")
    encoded = network.encoded(images)
    with open_pool(jobs, scheduler, preload=PRELOAD) as pool:
        table, fits, samples = fit_table(
            network.circuit,
            encoded.spikes,
            level=level,
            seed=seed,
            chip_count=chips,
            points_per_layer=points,
            within=Within(headroom or np.inf, latest_over_tau or np.inf),
            pool=pool,
            progress=progress,
        )
    source = _Source(network.circuit, fits, samples, seed, len(encoded), encoded.split, clock.record())
    return CalibratedTable.of(table, source)


def _described(circuit: Circuit, table: NoiseTable, samples: list[fit.Samples]) -> list[LayerNoise]:
    """Return what the table says of each layer, and the data beside it."""
    rows = []
    for k, (layer, met) in enumerate(zip(table.layers, samples, strict=True)):
        fired = met.point.fired & np.isfinite(met.t_over_tau)
        spec, late = circuit.mapped.neuron_of(k), (met.t_over_tau - met.point.at)[fired]
        free = spec.readout_window is None
        along = np.log(met.point.slope[fired]) if free else window_share_of(spec, met.point)[fired]
        edges = np.quantile(along, np.linspace(0, 1, 13))
        each = [late[(along >= low) & (along <= high)] for low, high in pairwise(edges)]
        kept = np.array([len(group) > 0 for group in each])  # few points leave some between them empty
        groups, middles = [group for group in each if len(group)], ((edges[:-1] + edges[1:]) / 2)[kept]
        rows.append(
            LayerNoise(
                name=circuit.mapped.layers[k].name,
                axes=tuple(table.axes(k)),
                gains={name: (gain[0], gain[1]) for name, gain in layer.gains.items()},
                samples=len(met.chip),
                kappa=_by_name(COMPONENTS, layer.kappa),
                kappa_error=_by_name(COMPONENTS, layer.kappa_error),
                passage=_first_passage(layer.first_passage, float(np.median(met.point.at[met.point.fired])), met),
                component_spread=_by_name(COMPONENTS, layer.component_spread),
                term_kappa=_by_name(TERMS, layer.term_kappa),
                term_kappa_error=_by_name(TERMS, layer.term_kappa_error),
                event_spread=_robust_spread(layer.rest_quantiles),
                spread_without_terms=_robust_spread(layer.quantiles),
                bias=float(np.median(layer.bias)),
                slope=tuple(np.exp(middles).tolist()) if free else (),
                window_share=() if free else tuple(middles.tolist()),
                late_median=tuple(float(np.median(group)) for group in groups),
                late_spread=tuple(
                    quantile_spread(np.subtract(*np.quantile(group, (0.84, 0.16))), 0.16) for group in groups
                ),
                approach=tuple((float(low), float(high)) for low, high in pairwise(curves.APPROACH_EDGES)),
                false_fire=tuple(layer.false_fire.tolist()),
                false_low=tuple(layer.false_low.tolist()),
                false_high=tuple(layer.false_high.tolist()),
                false_n=tuple(layer.false_n.tolist()),
                early=float(layer.early_share[0]),
                wrapped=float(met.wrapped.mean()),
                wrap_edges=tuple(curves.WRAP_EDGES[1:-1].tolist()),
                wrap_fire=tuple(layer.wrap_fire.tolist()),
                wrap_n=tuple(layer.wrap_n.tolist()),
                missed=float(np.mean(~np.isfinite(met.t_over_tau[met.point.fired]))),
            )
        )
    return rows


def _first_passage(passage: FirstPassageFit | None, middle: float, met: fit.Samples) -> FirstPassage:
    assert passage is not None  # noqa: S101
    assert met.membranes is not None  # noqa: S101
    g = float(np.interp(middle, met.membranes.grid, met.membranes.g))
    weights = passage.n / passage.n.sum()
    return FirstPassage(
        kappa=_by_name(COMPONENTS, passage.kappa),
        kappa_error=_by_name(COMPONENTS, passage.kappa_error),
        axes=tuple(name for name in passage.edges if len(passage.edges[name]) > 2),
        gains={name: (gain[0], gain[1]) for name, gain in passage.gains.items()},
        bias=float((weights * passage.bias).sum()),
        xi_spread=float((weights * passage.spread).sum()),
        event_spread=float((weights * passage.spread).sum()) * g,
        at=middle,
    )


def _by_name(names: tuple[str, ...], values: Floats) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _robust_spread(quantiles: Floats) -> float:
    """Median over cells of the standard deviation that the 15 % and 85 % quantiles of a normal event would mean."""
    low, high = (quantiles[..., np.searchsorted(curves.QUANTILES, share)] for share in (0.15, 0.85))
    return quantile_spread(float(np.median(high - low)), 0.15)
