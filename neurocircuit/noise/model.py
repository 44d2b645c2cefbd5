"""NoiseModel: what a layer of the circuit makes of the spikes that eq. (4) says, drawn from a noise table.

Causes, each of which can be off: `systematic` (the bias that every neuron of a cell has), `die`, `neuron` and `synapse`
(the chip's terms, constant for a chip), `flicker` and `supply` (what these take from the membrane, by the spec) and
`event` (all other noise), which are drawn anew for every image. With all of them off the times come back untouched,
bit for bit.

Where a user has the neurons' membranes they fire at first passages (first_passage.py); without, and by tables before
version 3, a spike moves by the slope at its crossing.

A point beyond the calibrated ones, but within what the table's axes reach, is answered by the outermost cell and
counted as `tail`; one beyond that is `outside`.
"""

from dataclasses import dataclass, field

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.errors import InputError
from neurocircuit.neuron.membrane import Membranes
from neurocircuit.neuron.operating_points import Operating, delay_of
from neurocircuit.neuron.sensitivity import COMPONENTS, Terms, common_shift, flicker_spread, wrap_distance
from neurocircuit.neuron.supply import course, tones
from neurocircuit.noise.cells import AXES, cells_of, features
from neurocircuit.noise.curves import (
    APPROACH_EDGES,
    QUANTILES,
    WRAP_EDGES,
    approach_of,
    draw_quantile,
    share_at,
)
from neurocircuit.noise.first_passage import FirstPassageFit
from neurocircuit.noise.fit import LayerFit
from neurocircuit.noise.table import NoiseTable
from neurocircuit.spec import NeuronSpec

CAUSES = ("systematic", *COMPONENTS, "flicker", "supply", "event")
LARGEST_OUTSIDE = 0.001
_TOLERANCE = 1e-9


def check_causes(causes: tuple[str, ...]) -> None:
    """Raise InputError for the first one that is unknown."""
    for cause in causes:
        if cause not in CAUSES:
            raise InputError(f"causes must be among {', '.join(CAUSES)}, got {cause!r}")


@dataclass
class Count:
    """Counts of operating points: all that were looked up, those in the table's tails, and those beyond the table."""

    points: int = 0
    outside: int = 0
    tail: int = 0

    @property
    def share(self) -> float:
        """Share of the points that lie beyond the table."""
        return self.outside / self.points if self.points else 0.0

    @property
    def valid(self) -> bool:
        """Whether the result may be used: at most 0.1 % were beyond."""
        return self.share <= LARGEST_OUTSIDE


@dataclass(frozen=True)
class _EventDrift:
    """Flicker of events, normal deviates [neuron], and phases of the supply's tones [tone, neuron]; None: neither."""

    spec: NeuronSpec
    flicker: Floats | None
    supply_rad: Floats | None

    @property
    def is_none(self) -> bool:
        """Whether nothing is taken."""
        return self.flicker is None and self.supply_rad is None

    def taken(self, t_over_tau: Floats) -> Floats:
        """Return what they take from the membranes by t [1 or neuron, instant], thresholds, [neuron, instant]."""
        total = np.zeros(1)
        if self.flicker is not None:
            total = total + self.flicker[:, None] * flicker_spread(self.spec, t_over_tau)
        if self.supply_rad is not None:
            total = total - course(self.spec).membrane(t_over_tau, self.supply_rad[:, :, None])
        return total


@dataclass
class NoiseModel:
    """Draws circuit times. outside: "error", or "ideal": no noise there, counted."""

    table: NoiseTable
    causes: tuple[str, ...] = CAUSES
    outside: str = "error"
    count: Count = field(default_factory=Count)

    def __post_init__(self) -> None:
        check_causes(self.causes)
        if self.outside not in ("error", "ideal"):
            raise InputError(f"outside must be error or ideal, got {self.outside!r}")

    def times(
        self,
        layer: int,
        spec: NeuronSpec,
        point: Operating,
        terms: Terms | None,
        generator: np.random.Generator,
        membranes: Membranes | None = None,
        supply_rad: Floats | None = None,
    ) -> Floats:
        """Return the circuit fire times [neuron] for operating points of eq. (4); inf: silent within the window.

        membranes: those of the neurons; without, and by tables before version 3, a spike moves by the slope at its
        crossing alone, and what that misses (early spikes, false fires) comes by probability.
        terms: those of a chip, None without one. Raise InputError naming axis and range for a point beyond it,
        unless `outside` is "ideal". Three numbers per neuron are drawn whatever the causes: switching one off leaves
        the others' luck as it was; a spec with flicker draws a fourth. supply_rad: phases of the supply's tones at
        arming, [tone, 1 or neuron]; default: drawn for each neuron.
        """
        uniform = generator.random((3, len(point.at)))
        drift = self._event_drift(spec, len(point.at), generator, supply_rad)
        ideal = np.where(point.fired, point.at, np.inf)
        if not self.causes:
            return ideal
        fit = self.table.layers[layer]
        headroom = spec.headroom(point.peak_current)
        coordinates = features(spec, point, headroom)
        inside = self._inside(layer, fit, coordinates, point.fired)
        if membranes is not None and fit.first_passage is not None:
            drifting = membranes if drift.is_none else membranes.without(drift.taken(membranes.grid[None]))
            moved = self._first_passages(fit.first_passage, coordinates, point, terms, uniform, membranes, drifting)
            return np.where(
                inside, np.minimum(moved, self._wrapped(fit, spec, point, uniform[2], early_too=False)), ideal
            )
        shift = np.zeros_like(point.at) if drift.is_none else drift.taken(point.at[:, None])[:, 0]
        moved = self._moved(fit, spec, coordinates, point, terms, shift, uniform)
        moved = np.where(point.fired, moved, self._false(fit, spec, point, terms, shift, uniform))
        return np.where(inside, np.minimum(moved, self._wrapped(fit, spec, point, uniform[2])), ideal)

    def _event_drift(
        self, spec: NeuronSpec, neurons: int, generator: np.random.Generator, supply_rad: Floats | None
    ) -> "_EventDrift":
        """Return what flicker and ripple of the events take; numbers are drawn whatever the causes."""
        flicker = None if spec.flicker is None else generator.standard_normal(neurons)
        if spec.ripple is not None and supply_rad is None:
            supply_rad = 2.0 * np.pi * generator.random((tones(spec), neurons))
        return _EventDrift(
            spec,
            flicker if "flicker" in self.causes else None,
            supply_rad if spec.ripple is not None and "supply" in self.causes else None,
        )

    def _first_passages(
        self,
        fit: FirstPassageFit,
        coordinates: Floats,
        point: Operating,
        terms: Terms | None,
        uniform: Floats,
        membranes: Membranes,
        drifting: Membranes,
    ) -> Floats:
        """Return the first passages of the membranes (first_passage.py); drifting: less flicker and ripple."""
        cell = tuple(cells_of(coordinates, fit.edges))
        shift = self.chip_shift(fit, terms, point.at)
        xi = np.zeros_like(shift)
        if "systematic" in self.causes:
            shift = shift + fit.bias[cell]
        if "event" in self.causes:
            xi = draw_quantile(fit.quantiles[cell], uniform[0])
        t = drifting.first_passages(shift, xi)
        if "systematic" not in self.causes:  # the membranes have it: only what the other causes change is left
            plain = membranes.first_passages(np.zeros_like(shift), np.zeros_like(xi))
            late = t - np.minimum(plain, membranes.grid[-1])
            t = np.where(point.fired, point.at + late, np.where(np.isfinite(plain), np.inf, t))
        return np.where(t < membranes.grid[-1] - _TOLERANCE, np.maximum(t, 0.0), np.inf)

    def chip_shift(self, fit: LayerFit | FirstPassageFit, terms: Terms | None, like: Floats) -> Floats:
        """Return the membrane disturbance by the chip, [neuron]."""
        return np.zeros_like(like) if terms is None else terms.shift(self.causes, fit.kappa)

    def _moved(
        self,
        fit: LayerFit,
        spec: NeuronSpec,
        coordinates: Floats,
        point: Operating,
        terms: Terms | None,
        flicker: Floats,
        uniform: Floats,
    ) -> Floats:
        cell = tuple(cells_of(coordinates, fit.edges))
        m = self.chip_shift(fit, terms, point.at) + flicker
        if "systematic" in self.causes:
            m = m + fit.rest_bias[cell] + common_shift(spec, point, fit.term_kappa)
        if "event" in self.causes:
            m = m + draw_quantile(fit.rest_quantiles[cell], uniform[0])
        t = point.at + delay_of(spec, point, m)
        return np.where(t < spec.window_over_tau - _TOLERANCE, np.maximum(t, 0.0), np.inf)

    def _false(
        self,
        fit: LayerFit,
        spec: NeuronSpec,
        point: Operating,
        terms: Terms | None,
        flicker: Floats,
        uniform: Floats,
    ) -> Floats:
        chip = flicker if terms is None else terms.shift(self.causes) + flicker
        approach = approach_of(spec, point, chip, fit.term_kappa * ("systematic" in self.causes))
        share = share_at(fit.false_fire, APPROACH_EDGES, approach)
        if "event" not in self.causes:
            share = (share > 0.5).astype(float) if "systematic" in self.causes else (approach < 0).astype(float)
        # given that it fires, uniform[1]/share is evenly distributed: one draw decides both
        with np.errstate(divide="ignore", invalid="ignore"):
            when = np.where(share > 0, uniform[1] / share, 2.0)
        quantile = np.clip(when, 0.0, 1.0) if "event" in self.causes else np.full(len(when), 0.5)
        delay = draw_quantile(np.broadcast_to(fit.false_delay, (len(when), len(QUANTILES))), quantile)
        t = np.clip(point.at + delay, 0.0, spec.window_over_tau)
        return np.where(when < 1.0, t, np.inf)

    def _wrapped(
        self, fit: LayerFit, spec: NeuronSpec, point: Operating, uniform: Floats, early_too: bool = True
    ) -> Floats:
        """Times of wraps and of early spikes, inf where there is none: what every neuron may do, so systematic."""
        wrap, early = np.zeros((2, len(point.at)))
        if "systematic" in self.causes:
            wrap = share_at(fit.wrap_fire, WRAP_EDGES, wrap_distance(spec, point))
            early = np.where(point.fired & early_too, fit.early_share[0], 0.0)
        if "event" not in self.causes:
            wrap, early = (wrap > 0.5).astype(float), (early > 0.5).astype(float)
        # one draw decides whether, which and when: below the one share a wrap, below both an early spike
        wraps, comes_early = uniform < wrap, (uniform >= wrap) & (uniform < wrap + early)
        quantile = np.where(wraps, uniform / np.maximum(wrap, 1e-12), (uniform - wrap) / np.maximum(early, 1e-12))
        times = np.where(wraps[:, None], fit.wrap_time, fit.early_time)
        t = np.clip(point.at * draw_quantile(times, np.clip(quantile, 0.0, 1.0)), 0.0, spec.window_over_tau)
        return np.where(wraps | comes_early, t, np.inf)

    def reach(self, layer: int, coordinates: Floats) -> tuple[Bools, Bools]:
        """Return which firing neurons the table answers for, and which lie within the calibrated points; both [neuron].

        coordinates: [axis, neuron] (fit.features). An axis that the table does not span bounds nothing.
        """
        fit = self.table.layers[layer]
        ok, known = np.ones((2, coordinates.shape[1]), dtype=bool)
        for k, name in enumerate(AXES):
            if len(fit.edges[name]) <= 2:
                continue
            ok &= _within(coordinates[k], (float(fit.edges[name][0]), float(fit.edges[name][-1])))
            known &= _within(coordinates[k], fit.calibrated[name])
        return ok, known

    def _inside(self, layer: int, fit: LayerFit, coordinates: Floats, fired: Bools) -> Bools:
        ok, known = (flags | ~fired for flags in self.reach(layer, coordinates))
        if self.outside == "error" and not ok.all():
            self._refuse(layer, fit, coordinates[:, ~ok])
        self.count.points += len(ok)
        self.count.outside += int((~ok).sum())
        self.count.tail += int((ok & ~known).sum())
        return ok

    def _refuse(self, layer: int, fit: LayerFit, beyond: Floats) -> None:
        for k, name in enumerate(AXES):
            low, high = float(fit.edges[name][0]), float(fit.edges[name][-1])
            bad = beyond[k][~_within(beyond[k], (low, high))]
            if len(fit.edges[name]) > 2 and len(bad):
                raise InputError(
                    f"noise table layer {layer}: {name} must be within {low:.4g} … {high:.4g}, got {bad[0]:.4g}"
                )


def _within(values: Floats, ends: tuple[float, float]) -> Bools:
    return np.asarray((values >= ends[0] - _TOLERANCE) & (values <= ends[1] + _TOLERANCE))
