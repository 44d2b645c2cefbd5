"""Transistor rows as they stand in transistor.csv, beside table.nc where the level was run."""

import csv
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from neurocircuit.errors import FileFormatError, InputError

CONTROL_VARIATE, PLAIN = "control variate", "plain Monte Carlo"


@dataclass(frozen=True)
class ControlledRow:
    """One disturbed row, ratios: the reported mean of |Δ|/t, plain Monte Carlo with its 95 % interval, the controls.

    ci_low, ci_high: of the reported mean.
    correlation: with the controls together, and with each of them; edge_mean: that control's mean over edge_n other
    draws at the same phases, with its standard error. difference: mean less edge_mean, with the interval of both.
    floor: how far Δ/t moves when the time step is halved, the median over floor_n draws.
    nan where there is none, as intervals where draws are too few; the names are the columns of the file.
    """

    half: str
    row: float
    n: int
    method: str  # CONTROL_VARIATE or PLAIN
    mean: float
    ci_low: float
    ci_high: float
    plain_mean: float
    plain_ci_low: float
    plain_ci_high: float
    correlation: float
    correlation_edge: float
    correlation_ideal: float
    variance_reduction: float
    edge_mean: float
    edge_error: float
    edge_n: int
    difference: float
    difference_ci_low: float
    difference_ci_high: float
    floor: float
    floor_n: int
    resolved: bool

    @property
    def agrees(self) -> bool | None:
        """Whether the interval of the difference holds 0; None where the row is not resolved or has none."""
        if not self.resolved or math.isnan(self.difference_ci_low):
            return None
        return self.difference_ci_low <= 0 <= self.difference_ci_high


def to_csv(rows: list[ControlledRow]) -> str:
    """Return one line per row; ratios, empty where there is no number."""
    names = [field.name for field in fields(ControlledRow)]
    return "\n".join([",".join(names), *(",".join(_cell(getattr(row, name)) for name in names) for row in rows)]) + "\n"


def _cell(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return str(value)


def read(path: Path) -> tuple[ControlledRow, ...]:
    """Return the rows of a file; none where there is no file. Raise FileFormatError naming a damaged one."""
    if not path.exists():
        return ()
    try:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        return tuple(_row(line) for line in lines)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise FileFormatError(f"{path} is not a table of transistor rows: {error!r}") from None


def _row(line: dict[str, str]) -> ControlledRow:
    values: dict[str, Any] = {}
    for field in fields(ControlledRow):
        text = line[field.name]
        if field.type is bool:
            values[field.name] = {"yes": True, "no": False}[text]
        elif field.type is float:
            values[field.name] = float(text) if text else math.nan
        else:
            values[field.name] = int(text) if field.type is int else text
    return ControlledRow(**values)
