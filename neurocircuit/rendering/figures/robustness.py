"""Figures of robustness studies: accuracy over bits, over weight noise, over jitter."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.results.robustness import SpikeErrors, SpikeJitter, Table4, WeightNoise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS, _MARKERS = style.SERIES_COLOURS, style.SERIES_MARKERS
NAMES = {"word": "signed words", "bank": "circuit's bank"}


def is_retrained(study: Table4) -> bool:
    """Return whether a Table 4 study trained at each step."""
    return not any(math.isnan(row.retrained) for rows in study.quantisers.values() for row in rows)


def table4_figure(study: Table4, printed: dict[int, float]) -> "Figure":
    """Draw the retrained accuracy over bits, ours with 95 % intervals of the test set, the paper's dotted."""
    figure, (axes,) = style.new_figure(2.9)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.96, bottom=0.16)
    for k, (kind, rows) in enumerate(study.quantisers.items()):
        bits = [32, *(row.bits for row in rows)]
        look: dict[str, Any] = {"color": _COLOURS[k], "marker": _MARKERS[k]}
        x = np.arange(len(bits)) + 0.06 * k
        if is_retrained(study):
            accuracies = [study.unrounded, *(row.retrained for row in rows)]
            axes.plot(x, _percent(accuracies), **look, label=f"{NAMES[kind]}, retrained")
        after = [study.unrounded, *(row.after for row in rows)]
        look |= {"linestyle": (0, (4, 1.5)), "fillstyle": "none"}
        axes.plot(x, _percent(after), **look, label=f"{NAMES[kind]}, only rounded")
    if printed:
        axes.plot(
            range(4),
            _percent([printed[bits] for bits in (32, 8, 4, 2)]),
            color=paper_colour(),
            linestyle=":",
            marker="x",
            label="paper, retrained",
        )
    axes.set_xticks(range(4), ["32", "8", "4", "2"])
    axes.set(xlabel="bits of a weight", ylabel="accuracy (%)")
    _from_below(axes, 100 * study.unrounded - 10.0)
    axes.legend(loc="lower left" if is_retrained(study) else "center left")
    return figure


def bits_figure(study: WeightNoise) -> "Figure":
    """Draw the accuracy of weights rounded after training, over bits."""
    figure, (axes,) = style.new_figure(2.7)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.96, bottom=0.17)
    for k, (kind, accuracies) in enumerate(study.rounded.items()):
        axes.plot(study.bits, _percent(accuracies), color=_COLOURS[k], marker=_MARKERS[k], label=NAMES[kind])
    axes.axhline(100 * study.zero["clean"], color="black", linestyle="--", linewidth=0.8)
    axes.set(xlabel="bits of a weight (rounded after training)", ylabel="accuracy (%)")
    axes.legend()
    return figure


def noise_figure(study: WeightNoise) -> "Figure":
    """Draw the accuracy over the signal-to-noise ratio of the weights, bands over draws."""
    figure, (axes,) = style.new_figure(2.9)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.96, bottom=0.16)
    names = {"clean": "as trained", "trained": f"trained under {study.trained_snr_dB:g} dB"}
    for k, (name, rows) in enumerate(study.noise.items()):
        _band(axes, study.snr_dB, rows, k, names[name])
    axes.axhline(100 * study.zero["clean"], color="black", linestyle="--", linewidth=0.8)
    axes.set(xlabel="weight SNR (dB)", ylabel="accuracy (%)")
    axes.legend(loc="lower right")
    return figure


def jitter_figure(study: SpikeJitter, names: dict[str, str]) -> "Figure":
    """Draw the accuracy over the jitter of every spike time, bands over draws."""
    figure, (axes,) = style.new_figure(2.9)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.96, bottom=0.16)
    for k, (name, rows) in enumerate(study.accuracy.items()):
        _band(axes, [100 * amount for amount in study.jitter], rows, k, names[name])
    unit = "% of τ" if study.time_origin == "none" else "%"
    axes.set(xscale="log", xlabel=f"spike-time jitter ({unit})", ylabel="accuracy (%)")
    style.set_log_plain(axes.xaxis)
    axes.legend(loc="lower left")
    return figure


def spikes_figure(study: SpikeErrors, names: dict[str, str]) -> "Figure":
    """Draw the accuracy over jitter of every spike, missed spikes and errors of thresholds, bands over draws."""
    figure, all_axes = style.new_figure(6.6, rows=3)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.985, bottom=0.07, hspace=0.33)
    panels = (
        (study.jitter_over_tau, study.jittered, "spike-time jitter (% of τ)"),
        (study.missed, study.lost, "missed spikes (%)"),
        (study.threshold_error, study.mismatched, "error of thresholds (%)"),
    )
    for axes, (amounts, curves, label) in zip(all_axes, panels, strict=True):
        for k, (name, rows) in enumerate(curves.items()):
            _band(axes, [100 * amount for amount in amounts], rows, k, names[name])
        axes.set(xscale="log", xlabel=label)
        axes.set_ylabel("accuracy (%)")
        style.set_log_plain(axes.xaxis)
    all_axes[0].legend(loc="lower left")
    return figure


def paper_colour() -> str:
    """Of what the paper prints."""
    return style.PAPER_COLOUR


def _band(axes: "Axes", x: Sequence[float], rows: Sequence[Sequence[float]], k: int, label: str) -> None:
    accuracies = 100 * np.array(rows)
    axes.fill_between(x, accuracies.min(axis=1), accuracies.max(axis=1), color=_COLOURS[k], alpha=0.25, linewidth=0)
    axes.plot(x, accuracies.mean(axis=1), color=_COLOURS[k], marker=_MARKERS[k], label=label)


def _percent(values: Sequence[float]) -> list[float]:
    return [100 * value for value in values]


def _from_below(axes: "Axes", least: float) -> None:
    """Keep the upper few percent readable when one curve falls far."""
    low, high = axes.get_ylim()
    if low < least:
        axes.set_ylim(least - 0.1 * (high - least), high)
        axes.set_xlabel(f"{axes.get_xlabel()}; below {axes.get_ylim()[0]:.0f} % not shown")
