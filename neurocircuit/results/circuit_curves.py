"""Accuracy of groups of networks over quantities of circuits."""

from typing import ClassVar, Literal

from neurocircuit.core.result import Number, Result, Values


class Group(Values):
    """Networks trained alike: file, hash and chips of each; software: mean share of right images under eq. (4)."""

    weights: tuple[str, ...]
    chips: tuple[tuple[int, ...], ...]
    sha256: tuple[str, ...]
    software: Number


class AtPoint(Values):
    """A circuit by name with one quantity changed to a value; both None: the circuit as it is."""

    circuit: str
    quantity: str | None
    value: float | None


class FailedRow(AtPoint):
    """A point at which there is no such circuit; failed: the reason."""

    group: str
    failed: str


class Row(AtPoint):
    """A group at a point: accuracy with its 95 % interval over images, networks and, of five on, chips.

    standard_errors: of the accuracy, by source; by_chip: accuracy of each chip; undecided: share of images without an
    output spike; lead_rad: of each layer, mean over the networks; broken: limits that a network breaks there.
    """

    group: str
    failed: Literal[""] = ""
    accuracy: float
    low: Number
    high: Number
    standard_errors: dict[str, Number]
    by_chip: tuple[float, ...]
    undecided: float
    latency_s: float
    lead_rad: tuple[float, ...]
    broken: tuple[str, ...]


class Gain(AtPoint):
    """Accuracy of the second group less that of the first on the same images and chips, with its 95 % interval."""

    gain: float
    low: Number
    high: Number


class CircuitCurves(Result):
    """Accuracy of groups of networks over quantities of circuits.

    groups: by name; circuits: by name, the value of each quantity as the circuit has it; quantities: label of each;
    method: every neuron of an image at the level, or images under a noise table of each point. rows: one for each point
    and group; gains: one for each point, of the second group on the first.
    """

    kind: ClassVar[str] = "circuit_curves"

    level: str
    method: Literal["circuit", "table"] = "circuit"
    split: str
    images: int
    map_images: int
    chips: int
    seed: int
    groups: dict[str, Group]
    circuits: dict[str, dict[str, float]]
    quantities: dict[str, str]
    rows: tuple[Row | FailedRow, ...]
    gains: tuple[Gain, ...]
    cpu_s_of_all_tasks: float
    jobs: int = 1

    def value_at(self, point: AtPoint, quantity: str) -> float:
        """Return the value of a quantity at one of its points, or at an unchanged circuit."""
        return self.circuits[point.circuit][quantity] if point.value is None else point.value

    def rows_of(self, quantity: str, circuit: str | None = None, group: str | None = None) -> list[Row | FailedRow]:
        """Return the rows of a quantity by its value, unchanged circuits among them; None: of all."""
        rows = [
            row
            for row in self.rows
            if row.quantity in (quantity, None) and circuit in (row.circuit, None) and group in (row.group, None)
        ]
        return sorted(rows, key=lambda row: self.value_at(row, quantity))

    def gain_at(self, point: AtPoint) -> Gain | None:
        """Return the gain at a point; None where it has none."""
        key = (point.circuit, point.quantity, point.value)
        return next((gain for gain in self.gains if (gain.circuit, gain.quantity, gain.value) == key), None)

    def summary(self) -> str:
        """Return a line for each point and group."""
        lines = []
        for row in self.rows:
            point = row.circuit if row.quantity is None else f"{row.circuit}, {row.quantity} {row.value:g}"
            text = row.failed if isinstance(row, FailedRow) else f"{row.accuracy:.1%} ({row.low:.1%} to {row.high:.1%})"
            lines.append(f"{point}, {row.group}: {text}")
        return "\n".join(lines)
