"""A mapped network at characterised conditions of its process."""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import PlainSerializer

from neurocircuit.core.result import Result, Values
from neurocircuit.results.inference import InferenceFigures
from neurocircuit.spec import Condition

Trim = Literal["mapped", "again", "nominal"]
TRIMS: dict[Trim, str] = {
    "mapped": "trimmed and mapped there",
    "again": "trimmed there",
    "nominal": "trimmed at nominal only",
}


class MappedLayer(Values):
    """Scales of a layer at a condition; threshold: in units of the network's weights."""

    lead_rad: float
    phase_per_weight_rad: float
    threshold: float


class AtCondition(Values):
    """A condition of the process, and how the circuit was trimmed there (`TRIMS`); label: the condition in words."""

    label: str
    condition: Annotated[Condition, PlainSerializer(Condition.to_dict, when_used="json")]
    trim: Trim


class FailedRow(AtCondition):
    """A condition at which there is no such circuit; failed: the reason."""

    failed: str


class Row(AtCondition, InferenceFigures):
    """A condition at which the network ran; errors: relative frequency errors of VCO1 … VCO4 after the trim."""

    failed: Literal[""] = ""
    tau_s: float
    errors: tuple[float, float, float, float]
    layers: tuple[MappedLayer, ...]

    @property
    def threshold(self) -> float:
        """Mean over the layers, in units of the network's weights."""
        return sum(layer.threshold for layer in self.layers) / len(self.layers)


class Pvt(Result):
    """A mapped network at characterised conditions, three times at each (`TRIMS`); nominal: label of that condition."""

    kind: ClassVar[str] = "pvt"

    name: str
    level: str
    split: str
    images: int
    map_images: int
    chips: int
    seed: int
    datasheet: str
    nominal: str
    rows: tuple[Row | FailedRow, ...]

    def summary(self) -> str:
        """Return a line for each condition and trim."""
        lines = [f"{self.images} images of split {self.split} on {self.chips} chips at level {self.level}"]
        for row in self.rows:
            text = f"{row.label}, {TRIMS[row.trim]}: "
            if isinstance(row, FailedRow):
                lines.append(text + row.failed)
                continue
            energy_J, reading = row.energy
            energy = "" if math.isnan(energy_J) else f", {1e9 * energy_J:.3g} nJ {reading}"
            lines.append(
                f"{text}{row.accuracy:.1%} ({row.accuracy_low:.1%} to {row.accuracy_high:.1%}), "
                f"{1e9 * row.latency_s:.3g} ns{energy}, undecided {row.undecided:.1%}"
            )
        return "\n".join(lines)
