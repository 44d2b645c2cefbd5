"""Figures of an evaluation: spikes and their times by layer, what is taken for what, accuracy by chip."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.rendering.layers import layer_label, shown_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neurocircuit.results.evaluation import ChipEvaluation, Confusion, LayerEvents, LayerSpikes, LayerTimes

_COLOURS = style.SERIES_COLOURS
_LONGEST_NAME = 16  # characters that stand before an axis
_NUMBERED = 12  # classes whose shares fit in their cells as text
_NAMED = 15  # classes whose names fit on the axes; more are numbered from 0


def sparsity_figure(layers: "Sequence[LayerSpikes]") -> "Figure":
    """Draw the share of the neurons of each layer that spike at all, and before the decision."""
    shares = {"at all": [layer.overall for layer in layers]}
    shares["before the decision"] = [layer.before_decision for layer in layers]
    return _shares_figure(layers, shares, (_COLOURS[0], _COLOURS[1]), "neurons that spike (%)", 0.4, 0.36)


def events_figure(layers: "Sequence[LayerEvents]") -> "Figure":
    """Draw the share of the neurons of each layer that spike on the chips, and of those missed and false."""
    shares = {"spike": [layer.fired for layer in layers], "missed": [layer.missed for layer in layers]}
    shares["false"] = [layer.false for layer in layers]
    return _shares_figure(layers, shares, (_COLOURS[0], _COLOURS[1], _COLOURS[3]), "neurons (%)", 0.27, 0.25)


def _shares_figure(
    layers: "Sequence[LayerTimes]",
    shares: dict[str, list[float]],
    colours: tuple[str, ...],
    xlabel: str,
    apart: float,
    width: float,
) -> "Figure":
    """Draw bars beside each other for each layer; apart: their distance, in rows."""
    figure, axes = _by_layer([layer.name for layer in layers])
    for k, (what, of_layers) in enumerate(shares.items()):
        y = np.arange(len(layers)) + (k - (len(shares) - 1) / 2) * apart
        axes.barh(y, [100 * share for share in of_layers], width, color=colours[k], label=what)
    axes.set(xlabel=xlabel, xlim=(0, 102))
    figure.legend(loc="upper right", ncols=len(shares), bbox_to_anchor=(0.98, 1.0), columnspacing=1.0)
    return figure


def times_figure(layers: "Sequence[LayerTimes]", decision_over_tau: float) -> "Figure":
    """Draw when each layer's first spike comes and the mean of all its spikes; a line where the decision falls."""
    figure, axes = _by_layer([layer.name for layer in layers])
    y = np.arange(len(layers))
    first, mean = (np.array([getattr(layer, f"{name}_over_tau") for layer in layers]) for name in ("first", "mean"))
    axes.hlines(y, first, mean, color="#b0b0b0", linewidth=1.0)
    axes.plot(first, y, "o", color=_COLOURS[0], label="first spike")
    axes.plot(mean, y, "s", color=_COLOURS[1], label="mean of all")
    if np.isfinite(decision_over_tau):
        axes.axvline(decision_over_tau, color="black", linestyle="--", linewidth=0.9, label="decision")
    axes.set(xlabel="time from the image's start (τ)")
    axes.set_xlim(left=0)
    figure.legend(loc="upper right", ncols=3, bbox_to_anchor=(0.98, 1.0), columnspacing=1.0, handletextpad=0.3)
    return figure


def _by_layer(names: Sequence[str]) -> "tuple[Figure, Axes]":
    """Return axes with a row for each layer, the first on top."""
    labels = [layer_label(name) for name in shown_names(names).values()]
    shown = [name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}" for name in labels]
    height = 0.85 + len(names) * (0.34 if len(names) <= 20 else 0.18)
    figure, (axes,) = style.new_figure(height)
    left = 0.06 + 0.0175 * max(map(len, shown))
    figure.subplots_adjust(left=left, right=0.96, top=1 - 0.3 / height, bottom=0.48 / height)
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    return figure, axes


def confusion_figure(confusion: "Confusion") -> "Figure":
    """Draw the share of each class's images that were taken for each class, and for none, where that happened."""
    from matplotlib.colors import PowerNorm

    names, matrix = confusion.classes, confusion.matrix
    decided = (*names, "none") if matrix[:, -1].any() else names
    percent = 100 * matrix[:, : len(decided)] / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in decided]
    unit = "class" if len(names) <= _NAMED else "number of the class"
    margin = 0.35 + (0.066 * max(map(len, shown)) if len(names) <= _NAMED else 0.25)
    height = style.WIDTH_INCH
    figure, (axes,) = style.new_figure(height)
    figure.subplots_adjust(left=margin / style.WIDTH_INCH, right=0.97, bottom=margin / height, top=1 - 0.08 / height)
    # Few errors beside many right images stay visible: the colour follows the root of the share.
    look: dict[str, Any] = {"cmap": "Blues", "norm": PowerNorm(0.5, 0.0, 100.0)}
    if len(names) <= _NAMED:
        axes.pcolormesh(percent, edgecolors="#e0e0e0", linewidth=0.4, **look)
    else:  # a picture in the file, not a path for each cell
        axes.imshow(percent, extent=(0, len(decided), len(names), 0), aspect="auto", **look)
    axes.set(xlabel=f"decided ({unit})", ylabel=f"image ({unit})", ylim=(len(names), 0))
    axes.grid(visible=False)
    if len(names) > _NAMED:
        style.set_whole_numbers(axes.xaxis)
        style.set_whole_numbers(axes.yaxis)
    else:
        axes.set_xticks(np.arange(len(decided)) + 0.5, shown, rotation=90 if max(map(len, shown)) > 2 else 0)
        axes.set_yticks(np.arange(len(names)) + 0.5, shown[: len(names)])
        axes.tick_params(length=0)
    if len(names) <= _NUMBERED:
        for (k, m), value in np.ndenumerate(percent):
            if value > 0:
                text = f"{value:.0f}" if value >= 0.5 else "<1"
                axes.text(m + 0.5, k + 0.5, text, ha="center", va="center", color="white" if value > 40 else "black")
    return figure


def chips_figure(result: "ChipEvaluation") -> "Figure":
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
