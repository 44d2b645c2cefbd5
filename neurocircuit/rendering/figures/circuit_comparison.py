"""Figure of two circuits: output jitter over input jitter and over weight bits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.results.circuit_comparison import CircuitComparison
from neurocircuit.results.loop import TransferRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST = 30  # characters of a label that a legend holds
_LABELS = {"jitter": "input jitter (%)", "bits": "weight bits"}


def comparison_figure(result: CircuitComparison) -> "Figure":
    """Draw the transfer rows of both circuits with their intervals, a panel for each half."""
    halves = [half for half in _LABELS if _of(result.transfer_a, half) and _of(result.transfer_b, half)]
    figure, panels = style.new_figure(2.6 * len(halves), len(halves))
    figure.subplots_adjust(left=0.17, right=0.97, top=0.98, bottom=0.24 / len(halves), hspace=0.35)
    for axes, half in zip(panels, halves, strict=True):
        for k, (name, label, rows) in enumerate(
            (("A", result.label_a, result.transfer_a), ("B", result.label_b, result.transfer_b))
        ):
            _draw(axes, _of(rows, half), half, k, f"{name}: {label[-_LONGEST:]}")
        axes.set(yscale="log", xlabel=_LABELS[half], ylabel="output jitter (%)")
        style.set_log_plain(axes.yaxis)
        axes.legend(loc="best")
    return figure


def _of(rows: Sequence[TransferRow], half: str) -> list[TransferRow]:
    return [row for row in rows if row.half == half]


def _draw(axes: "Axes", rows: list[TransferRow], half: str, k: int, label: str) -> None:
    values = np.array([row.value for row in rows]) * (100 if half == "jitter" else 1)
    means = 100 * np.array([row.mean for row in rows])
    errors = np.abs(100 * np.array([[row.low, row.high] for row in rows]) - means[:, None]).T
    axes.errorbar(
        values,
        means,
        yerr=np.where(np.isfinite(errors), errors, 0.0),
        fmt=style.SERIES_MARKERS[k] + "-",
        color=style.SERIES_COLOURS[k],
        capsize=2,
        label=label,
    )
    axes.set_xticks(values, [f"{value:g}" for value in values])
