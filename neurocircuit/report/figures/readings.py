"""How far the answer moves across plausible readings of the paper."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.report import paper, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neurocircuit.report.read.sweep import Reading

_LINE_INCH = 0.4
_BELOW_PLOT_INCH = 0.72
_APART = 0.13  # lines between the rows of one reading, so that equal values do not hide each other


def readings_figure(readings: "Sequence[Reading]", half: str) -> "Figure":
    """One line per reading, one dot per row with its interval; full lines: baseline, dashed lines: the paper."""
    mine = [reading for reading in readings if reading.half == half]
    names = list(dict.fromkeys(reading.name for reading in mine))
    rows = sorted({reading.row for reading in mine})
    height = _LINE_INCH * len(names) + _BELOW_PLOT_INCH
    figure, (axes,) = style.new_figure(height)
    figure.subplots_adjust(left=0.03, right=0.97, top=1 - 0.06 / height, bottom=_BELOW_PLOT_INCH / height)
    for k, row in enumerate(rows):
        colour, marker = style.SERIES_COLOURS[k % 6], style.SERIES_MARKERS[k % 6]
        shown = [reading for reading in mine if reading.row == row and reading.output > 0]
        y = [names.index(reading.name) + _APART * k for reading in shown]
        axes.hlines(y, *_ends(shown), colors=colour, linewidth=1.2)
        label = f"{100 * row:g} % input jitter" if half == "jitter" else f"{row:g} bit"
        axes.plot(
            [100 * reading.output for reading in shown],
            y,
            marker,
            color=colour,
            label=label,
            linestyle="none",
            zorder=3,
        )
        _references(axes, row, half, shown, colour)
    for k, name in enumerate(names):
        axes.annotate(
            name,
            (0.0, k),
            xycoords=("axes fraction", "data"),
            xytext=(2, 4),
            textcoords="offset points",
            fontsize=8,
            va="bottom",
            zorder=2.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )
    axes.set(xscale="log", ylim=(len(names) - 0.5, -1.0), yticks=[], xlabel="output jitter (%)")
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.06)
    style.set_log_plain(axes.xaxis)
    figure.legend(loc="lower center", ncols=3, columnspacing=1.0, handletextpad=0.2, borderaxespad=0.1)
    return figure


def _ends(readings: "list[Reading]") -> tuple[list[float], list[float]]:
    low = [100 * (reading.ci_low if reading.ci_low > 0 else reading.output) for reading in readings]
    high = [100 * (reading.output if math.isnan(reading.ci_high) else reading.ci_high) for reading in readings]
    return low, high


def _references(axes: "object", row: float, half: str, shown: "list[Reading]", colour: str) -> None:
    baseline = [reading.output for reading in shown if reading.name == "baseline"]
    for value, look in ((baseline[0] if baseline else None, "-"), (paper.value(half, row), (0, (4, 3)))):
        if value is not None and np.isfinite(value):
            axes.axvline(100 * value, color=colour, linewidth=0.8, linestyle=look, alpha=0.8, zorder=1.2)  # type: ignore[attr-defined]
