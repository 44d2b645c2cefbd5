"""Transistor rows beside edge rows over input jitter."""

from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import paper, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neurocircuit.tables.transistor_rows import ControlledRow


def transistor_rows(rows: "tuple[ControlledRow, ...]") -> "Figure":
    """Log-log, percent: reported means with intervals, plain Monte Carlo beside them, the edge level, the floor."""
    figure, (axes,) = style.new_figure(3.9)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.40)
    x = 100 * np.array([row.row for row in rows])
    main, edge, plain = style.LEVEL_COLOURS["transistor"], style.LEVEL_COLOURS["edge"], "#767676"
    columns = {
        name: 100 * np.array([getattr(row, name) for row in rows])
        for name in (
            "mean",
            "ci_low",
            "ci_high",
            "plain_mean",
            "plain_ci_low",
            "plain_ci_high",
            "edge_mean",
            "floor",
        )
    }
    axes.plot(x, columns["edge_mean"], "-", marker=style.LEVEL_MARKERS["edge"], color=edge, label="edge, same phases")
    for shift, mean, low, high, colour, marker, label in (
        (1.03, "plain_mean", "plain_ci_low", "plain_ci_high", plain, "_", "transistor, plain Monte Carlo"),
        (0.98, "mean", "ci_low", "ci_high", main, style.LEVEL_MARKERS["transistor"], "transistor, as reported"),
    ):
        low_end = np.where(columns[low] > 0, columns[low], columns[mean] / 10)
        axes.vlines(shift * x, low_end, columns[high], colors=colour, linewidth=1.4)
        axes.plot(shift * x, columns[mean], marker, color=colour, label=label, zorder=4)
    axes.plot(x, columns["floor"], ":", color=main, linewidth=1.0, label="time-step floor of the transistor rows")
    points = [(100 * value, 100 * printed) for value, printed in paper.TABLE_3["jitter"].items() if 100 * value in x]
    if points:
        axes.plot(*zip(*points, strict=True), "D", color=style.PAPER_COLOUR, markerfacecolor="none", label="paper")
    axes.set(xscale="log", yscale="log", xlabel="input jitter, std/t (%)", ylabel="output jitter, mean |Δ|/t (%)")
    axes.set_xlim(0.8 * x.min(), 1.25 * x.max())
    style.set_log_plain(axes.yaxis)
    axes.set_xticks(x, [f"{tick:g}" for tick in x], minor=False)
    axes.set_xticks([], minor=True)
    figure.legend(loc="lower left", bbox_to_anchor=(0.02, 0.02), borderaxespad=0)
    return figure
