"""Figure of a loop: what the circuit does to a spike, and to a network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.results.loop import LoopRun, TransferRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def loop_figure(result: LoopRun) -> "Figure":
    """Draw accuracies with their intervals, in software and on chips; below output jitter over input jitter."""
    rows = [row for row in result.transfer if row.half == "jitter"]
    figure, axes = style.new_figure(4.6 if rows else 2.5, 2 if rows else 1)
    figure.subplots_adjust(left=0.15, right=0.97, top=0.97, bottom=0.1 if rows else 0.2, hspace=0.5)
    _accuracies(axes[0], result)
    if rows:
        _transfer(axes[1], rows, result.level)
    return figure


def _accuracies(axes: "Axes", result: LoopRun) -> None:
    groups = (
        (f"noise tables, {result.chips} chips", result.recovery),
        (f"level {result.in_circuit.level}, {result.in_circuit.chips} chips", result.in_circuit.recovery),
    )
    for k, (label, recovery) in enumerate(groups):
        values = 100 * np.array([recovery.clean, recovery.trained])
        errors = np.abs(values[:, 1:] - values[:, :1]).T
        axes.errorbar(
            np.array([1.0, 2.0]) + (k - 0.5) * 0.2,
            values[:, 0],
            yerr=np.where(np.isfinite(errors), errors, 0.0),
            fmt=style.SERIES_MARKERS[k],
            color=style.SERIES_COLOURS[k],
            capsize=2,
            label=label,
        )
        axes.plot(
            (k - 0.5) * 0.2,
            100 * recovery.software,
            style.SERIES_MARKERS[k],
            color=style.SERIES_COLOURS[k],
            mfc="white",
        )
    axes.axhline(100 * result.recovery.software, color="black", linestyle="--", linewidth=0.8)
    axes.set_xticks((0, 1, 2), ("in software", "on chips,\nas trained", "on chips,\nnoise-aware"))
    axes.set(xlim=(-0.5, 2.5), ylabel="accuracy (%)")
    axes.grid(axis="x", visible=False)
    axes.legend(loc="best", handletextpad=0.3)


def _transfer(axes: "Axes", rows: Sequence[TransferRow], level: str) -> None:
    inputs, means = (100 * np.array([getattr(row, name) for row in rows]) for name in ("value", "mean"))
    ends = 100 * np.array([[row.low, row.high] for row in rows])
    errors = np.abs(ends - means[:, None]).T
    colour, marker = style.LEVEL_COLOURS[level], style.LEVEL_MARKERS[level]
    axes.errorbar(inputs, means, yerr=np.where(np.isfinite(errors), errors, 0.0), fmt=marker + "-", color=colour)
    axes.set(xscale="log", yscale="log", xlabel="input jitter (%)", ylabel="output jitter (%)")
    style.set_log_plain(axes.xaxis)
    style.set_log_plain(axes.yaxis)
