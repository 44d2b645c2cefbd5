"""NoiseModel: what a layer of the circuit makes of the spikes that eq. (4) says, drawn from a noise table.

Causes, each of which can be off: `systematic` (the bias that every neuron of a cell has), `die`, `neuron` and `synapse`
(the chip's terms, constant for a chip) and `event` (drawn anew for every image). With all of them off the times come
back untouched, bit for bit.
"""

from dataclasses import dataclass, field

import numpy as np

from neurocircuit.errors import InputError
from neurocircuit.neuron.operating import Operating
from neurocircuit.noise.fit import APPROACH_EDGES, AXES, QUANTILES, LayerFit, cells_of, features
from neurocircuit.noise.table import NoiseTable
from neurocircuit.noise.terms import COMPONENTS, Terms
from neurocircuit.record import Bools, Floats
from neurocircuit.spec import NeuronSpec

CAUSES = ("systematic", *COMPONENTS, "event")
LARGEST_OUTSIDE = 0.001
_TOLERANCE = 1e-9


@dataclass
class Count:
    """Operating points that the model was asked for, and those beyond what was calibrated."""

    asked: int = 0
    outside: int = 0

    @property
    def share(self) -> float:
        """Of the points that were asked for."""
        return self.outside / self.asked if self.asked else 0.0

    @property
    def valid(self) -> bool:
        """Whether the result may be used: at most 0.1 % were beyond."""
        return self.share <= LARGEST_OUTSIDE


@dataclass
class NoiseModel:
    """Draws circuit times. outside: "error", or "ideal": no noise there, counted."""

    table: NoiseTable
    causes: tuple[str, ...] = CAUSES
    outside: str = "error"
    count: Count = field(default_factory=Count)

    def __post_init__(self) -> None:
        for cause in self.causes:
            if cause not in CAUSES:
                raise InputError(f"causes must be among {', '.join(CAUSES)}, got {cause!r}")
        if self.outside not in ("error", "ideal"):
            raise InputError(f"outside must be error or ideal, got {self.outside!r}")

    def times(
        self,
        layer: int,
        spec: NeuronSpec,
        point: Operating,
        terms: Terms | None,
        generator: np.random.Generator,
    ) -> Floats:
        """Circuit fire times [neuron] for operating points of eq. (4); inf: silent within the window.

        terms: those of a chip, None without one. Raises InputError naming axis and range for a point beyond it,
        unless `outside` is "ideal". Two numbers per neuron are drawn whatever the causes: switching one off leaves
        the others' luck as it was.
        """
        even = generator.random((2, len(point.at)))
        ideal = np.where(point.fired, point.at, np.inf)
        if not self.causes:
            return ideal
        fit, window = self.table.layers[layer], spec.window_over_tau
        headroom = point.peak_current * spec.phase_per_weight_rad / (np.pi / 2)
        coordinates = features(spec, point, headroom)
        inside = self._inside(layer, fit, coordinates, point.fired)
        moved = self._moved(fit, coordinates, point, terms, even, window)
        moved = np.where(point.fired, moved, self._false(fit, point, terms, even, window))
        return np.where(inside, moved, ideal)

    def chip_shift(self, fit: LayerFit, terms: Terms | None, like: Floats) -> Floats:
        """Membrane disturbance by the chip, [neuron]."""
        total = np.zeros_like(like)
        for k, component in enumerate(COMPONENTS):
            if component in self.causes and terms is not None:
                total = total + fit.kappa[k] * terms.of(component)
        return total

    def _moved(
        self, fit: LayerFit, coordinates: Floats, point: Operating, terms: Terms | None, even: Floats, window: float
    ) -> Floats:
        cell = tuple(cells_of(coordinates, fit.edges))
        m = self.chip_shift(fit, terms, point.at)
        if "systematic" in self.causes:
            m = m + fit.bias[cell]
        if "event" in self.causes:
            m = m + draw_quantile(fit.quantiles[cell], even[0])
        s = np.where(point.fired, point.slope, 1.0)
        with np.errstate(divide="ignore"):
            t = point.at - np.log1p(-np.minimum(m / s, 1.0))
        return np.where(t < window - _TOLERANCE, np.maximum(t, 0.0), np.inf)

    def _false(self, fit: LayerFit, point: Operating, terms: Terms | None, even: Floats, window: float) -> Floats:
        chip = np.zeros_like(point.at)
        if terms is not None:
            chip = sum((terms.of(one) for one in COMPONENTS if one in self.causes), chip)
        approach = 1.0 - point.highest + chip
        share = fit.false_fire[np.searchsorted(APPROACH_EDGES, approach, side="right") - 1]
        if "event" not in self.causes:
            share = (share > 0.5).astype(float) if "systematic" in self.causes else (approach < 0).astype(float)
        # given that it fires, even[1]/share is evenly distributed: one draw decides both
        with np.errstate(divide="ignore", invalid="ignore"):
            when = np.where(share > 0, even[1] / share, 2.0)
        place = np.clip(when, 0.0, 1.0) if "event" in self.causes else np.full(len(when), 0.5)
        delay = draw_quantile(np.broadcast_to(fit.false_delay, (len(when), len(QUANTILES))), place)
        t = np.clip(point.at + delay, 0.0, window)
        return np.where(when < 1.0, t, np.inf)

    def _inside(self, layer: int, fit: LayerFit, coordinates: Floats, fired: Bools) -> Bools:
        ok = np.ones(len(fired), dtype=bool)
        for k, name in enumerate(AXES):
            if len(fit.edges[name]) <= 2:
                continue
            low, high = fit.edges[name][0], fit.edges[name][-1]
            good = ~fired | ((coordinates[k] >= low - _TOLERANCE) & (coordinates[k] <= high + _TOLERANCE))
            if self.outside == "error" and not good.all():
                worst = coordinates[k][~good][0]
                raise InputError(
                    f"noise table layer {layer}: {name} must be within {low:.4g} … {high:.4g}, got {worst:.4g}"
                )
            ok &= good
        self.count.asked += len(ok)
        self.count.outside += int((~ok).sum())
        return ok


def draw_quantile(quantiles: Floats, even: Floats) -> Floats:
    """Values [neuron] at the even deviates [neuron] of distributions given by their quantiles [neuron, quantile]."""
    right = np.clip(np.searchsorted(QUANTILES, even, side="right"), 1, len(QUANTILES) - 1)
    rows = np.arange(len(even))
    share = (even - QUANTILES[right - 1]) / (QUANTILES[right] - QUANTILES[right - 1])
    low, high = quantiles[rows, right - 1], quantiles[rows, right]
    value: Floats = low + share * (high - low)
    return value
