"""What changed from one transfer table to another: first the rows that moved beyond their intervals."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.core.netcdf import read_dataset
from neurocircuit.core.stats import (
    Interval,
    paired_difference,
    paired_mixture_difference,
    separated_difference,
)
from neurocircuit.errors import InputError
from neurocircuit.tables.jitter import COUNTS, pulse_moves, relative_error
from neurocircuit.tables.render import interval_text, percent_text, row_name, row_text, value_text
from neurocircuit.tables.transfer import TransferTable

_DRAWS = {"jitter": ("clean_jitter", "jittered"), "bits": ("clean_bits", "quantised")}
LEAST_DISAGREEING = 10  # draws that a pulse moved in one of two runs only


@dataclass(frozen=True)
class Difference:
    """One change: what kind, where, and both sides as text."""

    kind: str
    where: str
    before: str
    after: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.kind} {self.where}: {self.before} -> {self.after}"


@dataclass(frozen=True)
class RowDifference:
    """One row of both tables: their values as shown, and B - A of the mean (ratios) with its 95 % interval.

    paired: over the same draws; else the difference of two intervals. low, high are nan where the draws allow none.
    """

    half: str
    level: str
    value: float
    before: str
    after: str
    change: float
    low: float
    high: float
    paired: bool

    @property
    def moved(self) -> bool:
        """Whether the interval of the change leaves out 0."""
        return self.low > 0 or self.high < 0

    @property
    def decided(self) -> bool:
        """Whether the change has an interval."""
        return not math.isnan(self.low)

    def __str__(self) -> str:
        """Return one line, percentage points of output jitter."""
        how = "paired over the same draws" if self.paired else "two intervals"
        interval = f" [{_points(self.low)}, {_points(self.high)}] ({how})" if self.decided else " (no interval)"
        return (
            f"{self.level} {row_name(self.half, self.value)}: {self.before} -> {self.after} %, "
            f"{_points(self.change)}{interval}"
        )


@dataclass(frozen=True)
class Comparison:
    """What changed: the rows that both tables have, and everything else by kind."""

    rows: tuple[RowDifference, ...]
    others: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether nothing differs."""
        return not self.others and all(row.change == 0 or math.isnan(row.change) for row in self.rows)

    @property
    def moved(self) -> tuple[RowDifference, ...]:
        """The rows that moved beyond their intervals."""
        return tuple(row for row in self.rows if row.moved)

    def summary(self) -> str:
        """Return which rows moved beyond their intervals and by how much, in lines."""
        if self.identical:
            return "no difference"
        decided = [row for row in self.rows if row.decided]
        lines = [f"{len(self.moved)} of {len(decided)} rows moved beyond their 95 % interval"]
        lines[0] += ": output jitter in %, change in points" if self.moved else "."
        lines += [f"  {row}" for row in self.moved]
        undecided = [f"{row.level} {row_name(row.half, row.value)}" for row in self.rows if not row.decided]
        if undecided:
            lines.append(f"{len(undecided)} rows have too few draws to tell: {', '.join(undecided)}.")
        axes = [other for other in self.others if other.kind == "rows"]
        lines += [str(axis) for axis in axes]
        if hidden := len(self.others) - len(axes):
            lines.append(f"{hidden} other differences, of provenance and statistics: --all lists them.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return all that was compared, and whether the two are identical."""
        return {"identical": self.identical} | asdict(self)

    def everything(self) -> str:
        """Return all rows and all other differences, in lines."""
        lines = [str(row) for row in self.rows if row.change != 0] + [str(other) for other in self.others]
        return "\n".join(lines) or "no difference"


@dataclass(frozen=True)
class _Side:
    """A table, and the draws behind it where they are at hand."""

    table: TransferTable
    draws: xr.Dataset | None


def compare(a: Path | TransferTable, b: Path | TransferTable) -> Comparison:
    """Return what changed from `a` to `b`: tables, files table.nc, or folders of runs, whose draws are then paired.

    Raise InputError or FileFormatError for a path that holds no transfer table.
    """
    before, after = _side(a), _side(b)
    paired = before.draws is not None and after.draws is not None and _same_draws(before.table, after.table)
    rows = tuple(
        _row_difference(before, after, half, level, value, paired)
        for half in before.table.halves
        for level in before.table.levels
        for value in before.table.rows(half)
        if _has_row(before.table, half, level, value) and _has_row(after.table, half, level, value)
    )
    return Comparison(rows, tuple(_others(before.table, after.table)))


def _side(source: Path | TransferTable) -> _Side:
    if isinstance(source, TransferTable):
        return _Side(source, None)
    if not source.is_dir():
        return _Side(TransferTable.load(source), None)
    if not (source / "table.nc").is_file():
        raise InputError(f"{source} must be a run of `sweep` with its table.nc, got a folder without one")
    draws = source / "draws.nc"
    return _Side(TransferTable.load(source / "table.nc"), read_dataset(draws) if draws.is_file() else None)


def _same_draws(a: TransferTable, b: TransferTable) -> bool:
    """Return whether draw k of one table has the input times, weights, deviates and phases of draw k of the other."""

    def determining(table: TransferTable) -> list[Any]:
        testbench = table.provenance.get("testbench", {})
        fields = ("input_times_over_tau", "weights", "quantised_weights", "time_origin")
        return [table.provenance.get("seed"), *(testbench.get(name) for name in fields)]

    at_arming = all(t.provenance.get("testbench", {}).get("time_origin", "arming") == "arming" for t in (a, b))
    return at_arming and determining(a) == determining(b)


def _has_row(table: TransferTable, half: str, level: str, value: float) -> bool:
    has_axes = half in table.halves and level in table.levels and value in table.rows(half)
    return has_axes and table.row(half, level, value)["n"] > 0


def _row_difference(a: _Side, b: _Side, half: str, level: str, value: float, paired: bool) -> RowDifference:
    rows = [side.table.row(half, level, value) for side in (a, b)]
    shown = [f"{value_text(row, 'mean')}{_bracketed(row)}" for row in rows]
    intervals: list[Interval] = [(row["mean"], row["ci_low"], row["ci_high"]) for row in rows]
    change, low, high = separated_difference(intervals[1], intervals[0])
    known = not math.isnan(low)
    ends = _paired(a, b, half, level, value) if known and paired else None
    if ends is not None:
        low, high = ends
    return RowDifference(half, level, value, shown[0], shown[1], change, low, high, ends is not None)


def _paired(a: _Side, b: _Side, half: str, level: str, value: float) -> tuple[float, float] | None:
    """Return the ends of B - A over the draws of both; None where too few draws tell them."""
    sizes, moved = [], []
    for side in (a, b):
        clean, measured = _fire_times(side, half, level, value)
        sizes.append(np.abs(relative_error(clean, measured)))
        spacing = _pulse_spacing(side.table)
        moved.append(pulse_moves(clean, measured, spacing))
    count = min(len(size) for size in sizes)
    before, after = (size[:count] for size in sizes)
    if math.isnan(b.table.row(half, level, value)["pulse_moves"]):
        return paired_difference(after, before)[1:]
    return paired_ends(before, after, moved[0][:count] != moved[1][:count])


def paired_ends(before: Floats, after: Floats, disagree: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return the ends of the mean of after - before [trial]; `disagree`: draws that a pulse moved in one of them only.

    None with few such draws, which do not tell how far the others of their kind move: such ends covered 57 % at 33
    draws. Runs that agree in every draw to the last bit differ by 0.
    """
    if disagree.sum() < LEAST_DISAGREEING and not np.array_equal(before, after, equal_nan=True):
        return None
    return paired_mixture_difference(after, before, disagree)[1:]


def _fire_times(side: _Side, half: str, level: str, value: float) -> tuple[Floats, Floats]:
    """Return desired and measured fire times [trial] of one row; nan beyond the level's own draws."""
    assert side.draws is not None  # noqa: S101
    clean, measured = _DRAWS[half]
    axis = "input_jitter" if half == "jitter" else "bits"
    desired = side.draws[clean].sel(level=level).values
    return np.asarray(desired), np.asarray(side.draws[measured].sel({"level": level, axis: value}).values)


def _pulse_spacing(table: TransferTable) -> float:
    spec = table.provenance.get("spec", {})
    tau_s, f0_Hz = spec.get("tau_s"), spec.get("f0_Hz")
    return 1 / (2 * tau_s * f0_Hz) if tau_s and f0_Hz else math.inf


def _others(a: TransferTable, b: TransferTable) -> list[Difference]:
    """Return changes of provenance by key, of axes, and of every statistic but the mean and its interval."""
    changes = _provenance("", a.provenance, b.provenance)
    axes = {"level": (a.levels, b.levels)} | {half: (a.rows(half), b.rows(half)) for half in ("jitter", "bits")}
    changes += [Difference("rows", name, _listed(name, x), _listed(name, y)) for name, (x, y) in axes.items() if x != y]
    for half in a.halves:
        for level in a.levels:
            for value in a.rows(half):
                if _has_row(a, half, level, value) and _has_row(b, half, level, value):
                    where = f"{level} {row_name(half, value)}"
                    changes += _statistics(where, a.row(half, level, value), b.row(half, level, value))
    for level in a.levels:
        if level in b.levels:
            changes += _exponents(level, a.exponent(level), b.exponent(level))
    return changes


def _exponents(level: str, a: Interval, b: Interval) -> list[Difference]:
    return [
        Difference("exponent", f"{level} {name}", f"{before:.6g}", f"{after:.6g}")
        for name, before, after in zip(("value", "low", "high"), a, b, strict=True)
        if not _same(before, after)
    ]


def _statistics(where: str, a: dict[str, float], b: dict[str, float]) -> list[Difference]:
    return [
        Difference("value", f"{where} {name}", _statistic_text(name, a[name]), _statistic_text(name, b[name]))
        for name in a
        if name != "mean" and not _same(a[name], b[name])
    ]


def _statistic_text(name: str, value: float) -> str:
    return f"{value:g}" if name in COUNTS else f"{percent_text(value)} %"


def _provenance(path: str, a: Any, b: Any) -> list[Difference]:
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(a.keys() | b.keys())
        return [change for key in keys for change in _provenance(f"{path}.{key}".strip("."), a.get(key), b.get(key))]
    return [] if a == b else [Difference("provenance", path, _short(a), _short(b))]


def _listed(name: str, values: tuple[Any, ...]) -> str:
    return ", ".join(map(str, values) if name == "level" else (row_text(name, v) for v in values)) or "none"


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _bracketed(row: dict[str, float]) -> str:
    interval = interval_text(row, "mean")
    return f" ({interval})" if interval else ""


def _points(ratio: float) -> str:
    text = percent_text(ratio)
    return text if text.startswith("-") or ratio == 0 else f"+{text}"
