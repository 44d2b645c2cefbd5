"""What a measurement leaves: named quantities, curves, remarks; one JSON file each, read back by the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.taskstore import read_task
from neurocircuit.errors import FileFormatError, InputError

SCHEMA = 1


@dataclass(frozen=True)
class Quantity:
    """One line of the datasheet: SI value, nan where it could not be read; `unit` is the SI unit, "" for a ratio."""

    key: str
    label: str
    value: float
    unit: str


@dataclass(frozen=True)
class Measured:
    """Result of one measurement at one condition.

    curves: columns of equal length by figure and column name, SI, the unit ends the name. details: what later
    measurements need and no table shows.
    """

    quantities: tuple[Quantity, ...]
    curves: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    cpu_s: float = 0.0

    def value(self, key: str, default: float | None = None) -> float:
        """Return the value of a quantity, or the default. Raise InputError when there is neither."""
        value = next((quantity.value for quantity in self.quantities if quantity.key == key), default)
        if value is None:
            raise InputError(f"measurement has no quantity {key}")
        return value

    def to_dict(self) -> dict[str, Any]:
        """Return strict JSON: a value that is not finite becomes null."""
        return {
            "schema": SCHEMA,
            "quantities": [
                {"key": q.key, "label": q.label, "value": _number(q.value), "unit": q.unit} for q in self.quantities
            ],
            "curves": {
                name: {column: [_number(v) for v in np.asarray(values).tolist()] for column, values in c.items()}
                for name, c in self.curves.items()
            },
            "remarks": list(self.remarks),
            "details": dict(self.details),
            "cpu_s": round(self.cpu_s, 3),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Measured":
        """Read back. Raise FileFormatError for another schema or a missing part."""
        if values.get("schema") != SCHEMA:
            raise FileFormatError(f"must have schema {SCHEMA}, got {values.get('schema')!r}")
        try:
            quantities = tuple(
                Quantity(q["key"], q["label"], _value(q["value"]), q["unit"]) for q in values["quantities"]
            )
            curves = {
                name: {column: np.array([_value(value) for value in data]) for column, data in c.items()}
                for name, c in values["curves"].items()
            }
            return cls(quantities, curves, tuple(values["remarks"]), values["details"], float(values["cpu_s"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"lacks or garbles {error}") from None


def load(path: Path) -> Measured:
    """Return the measurement in a file. Raise InputError or FileFormatError naming the file, also if it was changed."""
    values, _ = read_task(path)
    try:
        return Measured.from_dict(values)
    except FileFormatError as error:
        raise FileFormatError(f"{path} {error}") from None


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def _value(value: float | None) -> float:
    return float("nan") if value is None else float(value)
