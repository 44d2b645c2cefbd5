"""How far the answer moves across plausible interpretations of the paper."""

import math
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import paper, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neurocircuit.rendering.read.sweep import Interpretation, Run

_LINE_INCH = 0.4
_BELOW_PLOT_INCH = 0.72
_APART = 0.13  # lines between the rows of one interpretation, so that equal values do not hide each other


def interpretations_figure(run: "Run", half: str) -> "Figure":
    """Draw one line per interpretation, one dot per row with its interval.

    Full lines: baseline; dashed lines: the paper, under its own testbench.
    """
    mine = [interpretation for interpretation in run.interpretations if interpretation.half == half]
    is_papers = paper.measures_table_3(run.testbench)
    names = list(dict.fromkeys(interpretation.name for interpretation in mine))
    rows = sorted({interpretation.row for interpretation in mine})
    height = _LINE_INCH * len(names) + _BELOW_PLOT_INCH
    figure, (axes,) = style.new_figure(height)
    figure.subplots_adjust(left=0.03, right=0.97, top=1 - 0.06 / height, bottom=_BELOW_PLOT_INCH / height)
    for k, row in enumerate(rows):
        colour, marker = style.SERIES_COLOURS[k % 6], style.SERIES_MARKERS[k % 6]
        shown = [interpretation for interpretation in mine if interpretation.row == row and interpretation.output > 0]
        y = [names.index(interpretation.name) + _APART * k for interpretation in shown]
        axes.hlines(y, *_ends(shown), colors=colour, linewidth=1.2)
        label = f"{100 * row:g} % input jitter" if half == "jitter" else f"{row:g} bit"
        axes.plot(
            [100 * interpretation.output for interpretation in shown],
            y,
            marker,
            color=colour,
            label=label,
            linestyle="none",
            zorder=3,
        )
        _references(axes, shown, paper.value(half, row) if is_papers else None, colour)
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


def _ends(interpretations: "list[Interpretation]") -> tuple[list[float], list[float]]:
    low = [
        100 * (interpretation.ci_low if interpretation.ci_low > 0 else interpretation.output)
        for interpretation in interpretations
    ]
    high = [
        100 * (interpretation.output if math.isnan(interpretation.ci_high) else interpretation.ci_high)
        for interpretation in interpretations
    ]
    return low, high


def _references(axes: "object", shown: "list[Interpretation]", printed: float | None, colour: str) -> None:
    baseline = [interpretation.output for interpretation in shown if interpretation.name == "baseline"]
    for value, look in ((baseline[0] if baseline else None, "-"), (printed, (0, (4, 3)))):
        if value is not None and np.isfinite(value):
            axes.axvline(100 * value, color=colour, linewidth=0.8, linestyle=look, alpha=0.8, zorder=1.2)  # type: ignore[attr-defined]
