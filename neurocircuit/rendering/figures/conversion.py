"""Figure of a conversion: what became of each layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.rendering.layers import shown_names
from neurocircuit.results.conversion import LayerConversion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = style.SERIES_COLOURS
_NAMED = 18  # layers whose names fit beside each other, turned
_LONGEST_NAME = 16  # characters


def layers_figure(layers: Sequence[LayerConversion]) -> "Figure":
    """Draw X, clipped share, spikes, slopes and largest partial current of each layer, in the order they compute."""
    figure, axes = style.new_figure(6.6, rows=5, sharex=True)
    figure.subplots_adjust(left=0.225, right=0.97, top=0.985, bottom=0.07, hspace=0.16)
    x = np.arange(1, len(layers) + 1)
    clipped = 100 * np.array([row.clipped for row in layers])
    low, middle, high = np.array([row.slope for row in layers]).T
    axes[0].plot(x, [row.largest for row in layers], "o-", color=_COLOURS[0])
    axes[0].set(yscale="log", ylabel="X")
    axes[1].bar(x, clipped, 0.6, color=_COLOURS[1])
    axes[1].set(ylabel="clipped (%)", ylim=(0, 1.15 * max(float(clipped.max()), 0.01)))
    axes[2].bar(x, [100 * row.spikes for row in layers], 0.6, color=_COLOURS[2])
    axes[2].set(ylabel="spike (%)", ylim=(0, 102))
    axes[3].vlines(x, low, high, color=_COLOURS[3], linewidth=4)
    axes[3].plot(x, middle, "o", color="black", markersize=3.5)
    axes[3].set(yscale="log", ylabel="slope (1/τ)")
    axes[4].plot(x, [row.largest_current for row in layers], "s-", color=_COLOURS[4])
    axes[4].set(yscale="log", ylabel="current\n(thresholds)", xlabel="layer")
    for panel in (axes[0], axes[3], axes[4]):
        style.set_log_plain(panel.yaxis)
    _name_layers(axes[4], [row.name for row in layers])
    figure.align_ylabels(axes)
    return figure


def _name_layers(axes: "Axes", names: Sequence[str]) -> None:
    """Put the layers' names below the axis at 1, 2, …, numbers where names do not fit."""
    shown = list(shown_names(names).values())
    if len(shown) > _NAMED or shown[0].isdigit():
        axes.set_xlabel("layer (number)")
        style.set_whole_numbers(axes.xaxis)
        return
    axes.set_xticks(range(1, len(shown) + 1), [name[-_LONGEST_NAME:] for name in shown], rotation=90)
    axes.figure.subplots_adjust(bottom=0.07 + 0.0095 * min(max(map(len, shown)), _LONGEST_NAME))
