"""Output jitter over input jitter, and over weight bits."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.rendering import paper, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neurocircuit.rendering.read.sweep import Run


def transfer_curve(run: "Run") -> "Figure":
    """Draw, log-log in percent, all levels, the band of the main one, the paper's five points, both fitted slopes."""
    figure, (axes,) = style.new_figure(3.9)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.405)
    rows = np.array(run.table.rows("jitter"))
    for level in reversed(run.levels):
        _level_line(axes, run, "jitter", level, 100 * rows, f"{level}{_slope_text(run.table.exponent(level))}")
    points = paper.TABLE_3["jitter"] if paper.measures_table_3(run.testbench) else {}
    slope = f": slope {paper.exponent():.2f} through its five points"
    if points:
        axes.plot(100 * np.array(list(points)), 100 * np.array(list(points.values())), "D", **_paper_style(slope))
    axes.plot(
        100 * rows,
        100 * rows,
        color="#767676",
        linewidth=0.8,
        linestyle=":",
        label="output = input",
        gid=style.REFERENCE,
    )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="input jitter, std/t (%)",
        ylabel=f"output jitter, {run.table.metric} |Δ|/t (%)",
    )
    style.set_log_plain(axes.yaxis)
    ticks = sorted({*rows.tolist(), *points}) if len(rows) <= 6 or not points else list(points)
    axes.set_xticks([100 * tick for tick in ticks], [f"{100 * tick:g}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    _legend_below(figure, axes, 0.02)
    return figure


def quantisation_curve(run: "Run") -> "Figure":
    """Percent on a logarithmic axis over bits: all levels, the paper's points, and each level's numerical floor."""
    figure, (axes,) = style.new_figure(4.1)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.97, bottom=0.44)
    rows = np.array(run.table.rows("bits"))
    for level in reversed(run.levels):
        _level_line(axes, run, "bits", level, rows, level)
        floors = 100 * _column(run, "bits", level, "floor")
        if np.isfinite(floors).any() and np.nanmax(floors) > 0:
            axes.hlines(
                np.nanmax(floors),
                rows.min() - 1,
                rows.max() + 1,
                colors=style.LEVEL_COLOURS[level],
                linestyles=(0, (2, 2)),
                linewidth=0.8,
            )
    points = paper.TABLE_3["bits"] if paper.measures_table_3(run.testbench) else {}
    if points:
        axes.plot(list(points), [100 * value for value in points.values()], "D", **_paper_style(""))
    axes.plot(
        [], [], color="#767676", linestyle=(0, (2, 2)), linewidth=0.8, label="numerical floor, in its level's colour"
    )
    axes.plot([], [], "o", color="#767676", markerfacecolor="white", label="hollow: below the floor, drawn at it")
    axes.set(
        yscale="log", xlabel="resolution of the weights (bit)", ylabel=f"output jitter, {run.table.metric} |Δ|/t (%)"
    )
    axes.set_xticks(sorted({*rows.tolist(), *points}) if len(rows) <= 8 else rows[:: len(rows) // 6].tolist())
    style.set_log_plain(axes.yaxis)
    _legend_below(figure, axes, 0.02)
    return figure


def _level_line(axes: "Axes", run: "Run", half: str, level: str, x: Floats, label: str) -> None:
    value, low, high, floor = (
        _column(run, half, level, name) for name in (run.table.metric, "ci_low", "ci_high", "floor")
    )
    below = value < floor
    shown = 100 * np.where(below, floor, value)
    shown = np.where(shown > 0, shown, math.nan)
    colour, main = style.LEVEL_COLOURS[level], level == run.main
    look: dict[str, Any] = {"color": colour, "linestyle": style.LEVEL_LINES[level], "linewidth": 1.6 if main else 1.0}
    axes.plot(x, shown, marker=style.LEVEL_MARKERS[level], label=label, zorder=3 if main else 2, **look)
    axes.plot(x[below], shown[below], style.LEVEL_MARKERS[level], color=colour, markerfacecolor="white", zorder=4)
    if run.table.metric == "mean":
        ends = [np.where(below | ~(end > 0), math.nan, 100 * end) for end in (low, high)]
        if main:
            axes.fill_between(x, ends[0], ends[1], color=colour, alpha=0.25, linewidth=0)
        axes.vlines(x, ends[0], ends[1], colors=colour, linewidth=1.0, zorder=2)


def _column(run: "Run", half: str, level: str, name: str) -> Floats:
    return np.array([run.table.row(half, level, row)[name] for row in run.table.rows(half)])


def _slope_text(exponent: tuple[float, float, float]) -> str:
    value, low, high = exponent
    if math.isnan(value):
        return ""
    return f": slope {value:.2f}" + ("" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]")


def _paper_style(remark: str) -> dict[str, Any]:
    return {
        "color": style.PAPER_COLOUR,
        "markerfacecolor": "none",
        "markersize": 6,
        "label": f"paper{remark}",
        "zorder": 5,
    }


def _legend_below(figure: "Figure", axes: "Axes", bottom: float) -> None:
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda k: (labels[k].startswith(("output", "numerical", "hollow")), -k))
    figure.legend(
        [handles[k] for k in order],
        [labels[k] for k in order],
        loc="lower left",
        bbox_to_anchor=(0.02, bottom),
        borderaxespad=0,
    )
