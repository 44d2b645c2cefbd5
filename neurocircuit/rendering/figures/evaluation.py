"""Figures of an evaluation: spikes by layer, accuracy by chip."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.results.evaluation import ChipEvaluation, LayerSpikes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = style.SERIES_COLOURS
LONGEST_NAME = 3  # characters of a layer's name that fit below its bars
LONGEST_AXIS = 36  # characters of the longest name, taken for every layer, that fit side by side


def sparsity_figure(layers: Sequence[LayerSpikes]) -> "Figure":
    """Share of the neurons of each layer that spike at all, and before the decision."""
    figure, (axes,) = style.new_figure(2.6)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.87, bottom=0.17)
    longest = max(len(layer.name) for layer in layers)
    are_named = longest <= LONGEST_NAME and longest * len(layers) <= LONGEST_AXIS  # else numbered in computing order
    x = np.arange(len(layers)) + (0 if are_named else 1)
    for shift, shares, label, colour in (
        (-0.2, [layer.overall for layer in layers], "at all", _COLOURS[0]),
        (0.2, [layer.before_decision for layer in layers], "before the decision", _COLOURS[1]),
    ):
        axes.bar(x + shift, [100 * share for share in shares], 0.36, color=colour, label=label)
    if are_named:
        axes.set_xticks(x, [layer.name for layer in layers])
    else:
        style.set_whole_numbers(axes.xaxis)
    axes.set(xlabel="layer (number)", ylabel="neurons that spike (%)", ylim=(0, 102))
    axes.grid(axis="x", visible=False)
    figure.legend(loc="upper right", ncols=2, bbox_to_anchor=(0.98, 1.0), columnspacing=1.0)
    return figure


def chips_figure(result: ChipEvaluation) -> "Figure":
    """Draw the accuracy of each chip, the mean with its interval, and the software's."""
    figure, (axes,) = style.new_figure(2.6)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.96, bottom=0.17)
    chips = 100 * np.array(result.by_chip)
    axes.axhspan(100 * result.accuracy_low, 100 * result.accuracy_high, color=_COLOURS[0], alpha=0.2, linewidth=0)
    axes.axhline(100 * result.accuracy, color=_COLOURS[0])
    axes.axhline(100 * result.accuracy_software, color="black", linestyle="--", linewidth=0.8)
    axes.plot(np.arange(1, len(chips) + 1), chips, "o", color=_COLOURS[0])
    axes.set(xlabel="chip (number)", ylabel="accuracy (%)")
    style.set_whole_numbers(axes.xaxis)
    return figure
