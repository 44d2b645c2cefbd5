"""A transfer table as CSV, LaTeX and plain text."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import Protocol

from neurocircuit.tables.jitter import COUNTS, STATISTICS
from neurocircuit.units import decimals_carried

UNRESOLVED = "* So few draws allow no interval of this mean:"
_HEADINGS = {"jitter": "input jitter (%)", "bits": "weight bits"}


class Table(Protocol):
    """What this module shows of a TransferTable, which see."""

    @property
    def metric(self) -> str:
        """The statistic shown."""

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels, the main one first."""

    @property
    def halves(self) -> tuple[str, ...]:
        """The halves that were run."""

    def rows(self, half: str) -> tuple[float, ...]:
        """Return the row values of a half."""

    def row(self, half: str, level: str, value: float) -> dict[str, float]:
        """Return the statistics of a row."""

    def exponent(self, level: str) -> tuple[float, float, float]:
        """Return the exponent of the jitter curve with its interval."""

    def why_no_interval(self, half: str, level: str, value: float) -> str:
        """Return why a row has no interval."""


def percent_text(ratio: float, half_width: float = math.nan) -> str:
    """Return a ratio in percent without the sign: three decimals as in the paper, two digits below 0.01 %.

    "-" for nan. half_width: of its interval; no digit is shown that it does not carry.
    """
    percent = 100.0 * ratio
    if math.isnan(percent):
        return "-"
    text = f"{percent:.3f}" if abs(percent) >= 0.00995 or percent == 0.0 else f"{percent:#.2g}"
    shown = len(text.partition(".")[2])
    if "e" in text or (carried := decimals_carried(100.0 * half_width, shown)) == shown:
        return text
    return f"{percent:.{carried}f}"


def is_unresolved(row: Mapping[str, float]) -> bool:
    """Return whether so few draws fired, or so few moved to another pulse, that the mean has no interval."""
    return row["fired"] > 0 and math.isnan(row["ci_low"])


def value_text(row: Mapping[str, float], metric: str) -> str:
    """Return the statistic as shown in percent, "< floor" below the level's numerical floor.

    * marks an unresolved mean.
    """
    value, floor = row[metric], row["floor"]
    if value < floor:
        return f"< {percent_text(floor)}"
    return percent_text(value, _half_width(row, metric)) + ("*" if metric == "mean" and is_unresolved(row) else "")


def interval_text(row: Mapping[str, float], metric: str) -> str:
    """Return the 95 % interval in percent.

    Empty when there is none: below the floor, or where the mean is not resolved.
    """
    if metric != "mean" or math.isnan(row["ci_low"]) or row["mean"] < row["floor"]:
        return ""
    half_width = _half_width(row, metric)
    return f"{percent_text(max(row['ci_low'], 0.0), half_width)} … {percent_text(row['ci_high'], half_width)}"


def _half_width(row: Mapping[str, float], metric: str) -> float:
    return (row["ci_high"] - row["ci_low"]) / 2 if metric == "mean" else math.nan


def row_text(half: str, value: float) -> str:
    """Return the row heading: percent of input jitter, or bits."""
    return f"{100.0 * value:.10g}" if half == "jitter" else f"{value:g}"


def row_name(half: str, value: float) -> str:
    """Return a row's value with its unit."""
    return f"{row_text(half, value)} {'%' if half == 'jitter' else 'bit'}"


def run_rows(table: Table) -> Iterator[tuple[str, str, float, dict[str, float]]]:
    """Yield (half, level, row value, statistics) of all rows that were run."""
    for half in table.halves:
        for level in table.levels:
            for value in table.rows(half):
                row = table.row(half, level, value)
                if row["n"] > 0:
                    yield half, level, value, row


def csv_text(table: Table) -> str:
    """Return one line per half, level and row; empty where a column does not apply."""
    names = [name if name in COUNTS else f"{name}[1]" for name in STATISTICS]
    exponents = ["exponent[1]", "exponent_low[1]", "exponent_high[1]"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["half", "level", "input_jitter[1]", "bits[bit]", *names, *exponents])
    for half, level, value, row in run_rows(table):
        row_cells = [repr(value), ""] if half == "jitter" else ["", str(int(value))]
        numbers = [
            str(int(number)) if name in COUNTS and not math.isnan(number) else _number(number)
            for name, number in row.items()
        ]
        slope = [_number(number) for number in table.exponent(level)] if half == "jitter" else ["", "", ""]
        writer.writerow([half, level, *row_cells, *numbers, *slope])
    return stream.getvalue()


def plain_text(table: Table) -> str:
    """Return both halves in columns for a terminal."""
    blocks = []
    for half in table.halves:
        head = [
            "level",
            _HEADINGS[half],
            f"output jitter, {table.metric} (%)",
            "95 % interval",
            "fired",
            "silent",
            "failed",
        ]
        lines = [head]
        for row_half, level, value, row in run_rows(table):
            if row_half == half:
                silent, failed = (round(row[f"{name}_fraction"] * row["n"]) for name in ("silent", "failed"))
                shown = [value_text(row, table.metric), interval_text(row, table.metric)]
                lines.append([level, row_text(half, value), *shown, f"{row['fired']:g}", f"{silent}", f"{failed}"])
        widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
        blocks += [
            "  ".join(
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        blocks.append("")
    text = "\n".join(blocks[:-1])
    return f"{text}\n\n{unresolved_text(table)}" if "*" in text else text


def unresolved_text(table: Table, half: str = "") -> str:
    """Return what the star means, with each row's reason, of one half or of both; "" where no row has a star."""
    reasons: dict[str, list[str]] = {}
    for row_half, level, value, row in run_rows(table):
        if half in ("", row_half) and value_text(row, table.metric).endswith("*"):
            reason = table.why_no_interval(row_half, level, value) or "fewer than two draws fired"
            reasons.setdefault(reason, []).append(f"{level} {row_name(row_half, value)}")
    rows = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
    return f"{UNRESOLVED} {rows}." if reasons else ""


def latex_text(table: Table, paper: Mapping[str, Mapping[float, float]]) -> str:
    """Return a booktabs tabular: row, the paper's value if given, ours with its interval for each level."""
    columns = (["paper"] if paper else []) + [_escape(level) for level in table.levels]
    lines = [r"% needs \usepackage{booktabs}", rf"\begin{{tabular}}{{r{'r' * len(columns)}}}", r"\toprule"]
    for position, half in enumerate(table.halves):
        if position:
            lines.append(r"\midrule")
        lines.append(" & ".join([_escape(_HEADINGS[half]), *columns]) + r" \\")
        lines.append(r"\midrule")
        for value in table.rows(half):
            cells = [row_text(half, value)]
            if paper:
                cells.append(_latex_number(percent_text(paper.get(half, {}).get(value, math.nan))))
            cells += [_latex_cell(table.row(half, level, value), table.metric) for level in table.levels]
            lines.append(" & ".join(cells) + r" \\")
    caption = f"% output jitter (%), {table.metric} of |delta|/t; in brackets the 95 % interval of the mean"
    return "\n".join([caption, *lines, r"\bottomrule", r"\end{tabular}", ""])


def _latex_cell(row: Mapping[str, float], metric: str) -> str:
    if not row["n"] > 0:
        return "--"
    value, interval = value_text(row, metric), interval_text(row, metric)
    value = _latex_number(value.rstrip("*")) + ("*" if value.endswith("*") else "")
    low_high = ", ".join(_latex_number(end) for end in interval.split(" … "))
    return f"{value} [{low_high}]" if interval else value


def _latex_number(text: str) -> str:
    """Return the powers of ten, "< 0.0012" and signs in mathematics; a dash for an absent value."""
    if text == "-":
        return "--"
    mantissa, marker, exponent = text.partition("e")
    power = rf" \cdot 10^{{{int(exponent)}}}" if marker else ""
    return f"${mantissa}{power}$" if power or text.startswith(("<", "-")) else text


def _escape(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%")


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
