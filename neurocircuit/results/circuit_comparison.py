"""Two circuits side by side: what differs between them, and what that does to spikes and to a network."""

from typing import ClassVar

from neurocircuit.core.result import Number, Result, Values
from neurocircuit.results.loop import TransferRow
from neurocircuit.units import format_quantity

SHOWN_FIELDS = 6
EMBEDDED = "embedded"


class Change(Values):
    """A field or a derived quantity with another value in B than in A, as text."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} {self.before} → {self.after}"


class RowChange(Values):
    """A row of Table 3 in both: means as shown, and B - A (ratio) with its 95 % interval.

    paired: over the same draws. low and high are nan where the draws allow no interval.
    """

    half: str
    level: str
    value: float
    before: str
    after: str
    change: Number
    low: Number
    high: Number
    paired: bool
    text: str

    @property
    def moved(self) -> bool:
        """Whether the interval of the change leaves out 0."""
        return self.low > 0 or self.high < 0


class LimitChange(Values):
    """A limit of the circuit on the network's layers: the share of it that is used, and whether it is met."""

    name: str
    before: Number
    after: Number
    met_before: bool
    met_after: bool


class Measured(Values):
    """A quantity of both circuits, SI unit ("": a ratio), each (value, low, high) of a 95 % interval; nan: unknown."""

    name: str
    unit: str
    before: tuple[Number, Number, Number]
    after: tuple[Number, Number, Number]

    @property
    def moved(self) -> bool | None:
        """Whether the intervals are apart; None where one of them is not known."""
        (_, low, high), (_, low_after, high_after) = self.before, self.after
        if any(end != end for end in (low, high, low_after, high_after)):
            return None
        return low > high_after or high < low_after

    def __str__(self) -> str:
        before, after = self.before[0], self.after[0]
        text = f"{self.name} {_text(self.before, self.unit)} → {_text(self.after, self.unit)}"
        if self.unit and before:
            text += f" ({100 * (after / before - 1):+.0f} %)".replace("-", "−")
        verdict = {True: ", beyond the intervals", False: ", within the intervals", None: ""}[self.moved]
        return text + verdict


class CircuitComparison(Result):
    """Circuits A and B: fields and derived quantities that differ, rows of Table 3, limits, latency, energy, accuracy.

    label_a, label_b: what was given. level, trials: of the rows' main level. power_source: where the power behind the
    energies is from. notes: what could not be compared, and why.
    """

    kind: ClassVar[str] = "circuit_comparison"

    label_a: str
    label_b: str
    circuit_a: str
    circuit_b: str
    fields: tuple[Change, ...]
    derived: tuple[Change, ...]
    level: str
    trials: int
    rows: tuple[RowChange, ...]
    transfer_a: tuple[TransferRow, ...]
    transfer_b: tuple[TransferRow, ...]
    limits: tuple[LimitChange, ...]
    measured: tuple[Measured, ...]
    power_source: str
    notes: tuple[str, ...]

    @property
    def moved(self) -> tuple[RowChange, ...]:
        """The rows that moved beyond their intervals."""
        return tuple(row for row in self.rows if row.moved)

    def rows_sentence(self) -> str:
        """Return how many rows of Table 3 moved."""
        if not self.rows:
            return "Table 3: not compared"
        decided = [row for row in self.rows if row.low == row.low]
        how = ", the same for both" if all(row.paired for row in decided) else ""
        undecided = len(self.rows) - len(decided)
        return (
            f"Output jitter (Table 3) at level {self.level}, {self.trials} draws a row{how}: {len(self.moved)} of "
            f"{len(decided)} rows differ by more than the 95 % interval"
            + (f"; too few draws to tell for {undecided} more" if undecided else "")
        )

    def limits_sentence(self) -> str:
        """Return which limits are broken in one of the two, or which moved most, in a line; "" without any."""
        broken = [limit for limit in self.limits if limit.met_before != limit.met_after]
        if broken:
            listed = (f"{limit.name} is broken in {'A' if limit.met_after else 'B'} only" for limit in broken)
            return f"limits: {'; '.join(listed)}"
        if not self.limits:
            return ""
        largest = max(self.limits, key=lambda limit: abs(limit.after - limit.before))
        met = "all are met in both" if all(limit.met_after for limit in self.limits) else "the same are broken in both"
        return f"limits: {met}; {largest.name} uses {largest.before:.0%} → {largest.after:.0%} of its bound"

    def summary(self) -> str:
        """Return what differs: some ten lines, and one for each row that moved."""
        lines = [f"A: {_side(self.label_a, self.circuit_a)}; B: {_side(self.label_b, self.circuit_b)}"]
        if not self.fields:
            lines.append("the circuits are the same in every field")
        else:
            shown = ", ".join(map(str, self.fields[:SHOWN_FIELDS]))
            more = len(self.fields) - SHOWN_FIELDS
            lines.append(f"fields: {shown}" + (f", and {more} more" if more > 0 else ""))
            lines.append(f"what follows from them: {', '.join(map(str, self.derived)) or 'the same'}")
        lines.append(self.rows_sentence())
        lines += [f"  {row.text}" for row in sorted(self.moved, key=lambda row: -abs(row.change))]
        lines += [self.limits_sentence()] if self.limits else []
        lines += [str(quantity) for quantity in self.measured]
        return "\n".join([*lines, *self.notes])


def _side(label: str, circuit: str) -> str:
    """Return what was given, and the circuit's name where that says more."""
    if label == circuit == EMBEDDED:
        return f"{EMBEDDED}, the circuit that comes with the package"
    return label if label == circuit else f"{label} (circuit {circuit})"


def _text(values: tuple[float, float, float], unit: str) -> str:
    """Return a quantity with its interval, ratios in percent."""
    value, low, high = values
    if value != value:
        return "unknown"
    if not unit:
        ends = f" ({low:.1%} … {high:.1%})" if low == low else ""
        return f"{value:.1%}{ends}"
    return format_quantity(float(f"{value:.4g}"), unit)
