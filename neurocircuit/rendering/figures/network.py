"""Figures of mapped networks: limits, deviations over the slope, false fires, budget, replay."""

from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.rendering.layers import layer_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS, _MARKERS = style.SERIES_COLOURS, style.SERIES_MARKERS
_LABELS_BESIDE = 4  # names of layers that fit beside each other


def limit_figure(limits: list[dict[str, Any]]) -> "Figure":
    """Draw how much of each limit a layer uses; logarithmic, so that far excess shows."""
    figure, (axes,) = style.new_figure(0.9 + 0.26 * len(limits))
    figure.subplots_adjust(left=0.36, right=0.96, top=0.98, bottom=0.42 / (0.9 + 0.26 * len(limits)) + 0.06)
    used = np.array([max(limit["value"] / limit["bound"], 1e-3) for limit in limits])
    positions = np.arange(len(limits))[::-1]
    for position, value, limit in zip(positions, used, limits, strict=True):
        axes.plot([1e-3, value], [position, position], color=_COLOURS[0] if limit["met"] else _COLOURS[1], linewidth=5)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="share of the limit", xlim=(1e-2, max(2.0, 1.5 * used.max())))
    style.set_log_plain(axes.xaxis)
    axes.set_yticks(positions, [f"{layer_label(limit['layer'])} {limit['name']}" for limit in limits])
    axes.grid(axis="y", visible=False)
    return figure


def lateness_figure(layers: list[dict[str, Any]]) -> "Figure":
    """Draw the spread and median of the fire-time error over the slope, with what a fixed membrane error would give.

    Under a readout window over when the spike comes in it.
    """
    figure, axes = style.new_figure(5.0, rows=2, sharex=True)
    figure.subplots_adjust(left=0.18, right=0.97, top=0.98, bottom=0.1, hspace=0.12)
    for k, layer in enumerate(layers):
        marker = _MARKERS[(k + k // 6) % 6]
        look: dict[str, Any] = {"color": _COLOURS[k % 6], "marker": marker, "label": layer_label(layer["name"])}
        slope, spread = np.array(layer["slope"]), np.array(layer["late_spread"])
        if layer["window_share"]:
            axes[0].plot(layer["window_share"], np.maximum(spread, 1e-5), **look)
            axes[1].plot(layer["window_share"], layer["late_median"], **look)
            continue
        axes[0].plot(slope, np.maximum(spread, 1e-5), **look)
        middle = len(slope) // 2
        axes[0].plot(slope, spread[middle] * slope[middle] / slope, color=_COLOURS[k % 6], linestyle=":", linewidth=0.8)
        axes[1].plot(slope, layer["late_median"], **look)
    axes[0].set(yscale="log", ylabel="spread of t (τ)")
    axes[1].set(ylabel="median lateness (τ)")
    if layers[0]["window_share"]:
        axes[1].set(xlabel="spike within its window (0: arming, 1: window's end)", xlim=(0, 1))
        figure.subplots_adjust(bottom=0.3)
        axes[1].legend(loc="upper center", bbox_to_anchor=(0.45, -0.24), ncols=2, frameon=False)
    else:
        axes[1].legend()
        axes[1].set(xscale="log", xlabel="slope at the threshold, W_C − 1 (weights)")
        for axis in (axes[0].xaxis, axes[1].xaxis):
            style.set_log_plain(axis)
    style.set_log_plain(axes[0].yaxis)
    return figure


def false_fire_figure(layers: list[dict[str, Any]]) -> "Figure":
    """Probability that a neuron silent under eq. (4) fires, over its closest approach with the chip's terms."""
    figure, (axes,) = style.new_figure(2.8)
    figure.subplots_adjust(left=0.17, right=0.97, top=0.97, bottom=0.17)
    for k, layer in enumerate(layers):
        ends = np.array(
            [[-0.2 if low is None else low, 0.8 if high is None else high] for low, high in layer["approach"]]
        )
        known = np.array(layer["false_n"]) > 0
        x = ends.mean(axis=1)[known]
        share, low, high = (np.array(layer[name])[known] for name in ("false_fire", "false_low", "false_high"))
        axes.errorbar(
            x,
            share,
            [share - np.minimum(low, share), np.maximum(high, share) - share],
            color=_COLOURS[k % 6],
            marker=_MARKERS[(k + k // 6) % 6],
            linewidth=1.0,
            label=layer_label(layer["name"]),
        )
    axes.set(xlabel="distance to the threshold (thresholds)", ylabel="probability of a false spike")
    axes.legend()
    return figure


def budget_figure(rows: list[dict[str, Any]]) -> "Figure":
    """Draw the spread of the fire time by each cause alone, by layer."""
    drifts = [cause for cause in ("flicker", "supply") if any(row.get(cause, 0.0) for row in rows)]
    added = list(rows[0].get("registered", {}))
    causes = ("die", "neuron", "synapse", *drifts, *added, "event", "all")
    figure, (axes,) = style.new_figure(2.8)
    figure.subplots_adjust(left=0.19, right=0.97, top=0.88, bottom=0.1)
    width = 0.8 / len(rows)
    for k, row in enumerate(rows):
        x = np.arange(len(causes)) + (k - (len(rows) - 1) / 2) * width
        values = [max((row | row.get("registered", {}))[cause], 1e-6) for cause in causes]
        axes.bar(x, values, width, color=_COLOURS[k % 6], label=layer_label(row["layer"]))
    axes.set(yscale="log", ylabel="spread of t, median neuron (τ)")
    style.set_log_plain(axes.yaxis)
    axes.set_xticks(range(len(causes)), causes)
    figure.legend(loc="upper right", ncols=len(rows), bbox_to_anchor=(0.98, 1.0), handlelength=1.0)
    return figure


def replay_figure(layers: list[dict[str, Any]]) -> "Figure":
    """Draw the latency, deviation, missed and false spikes by layer: circuit and noise model."""
    quantities = (
        ("latency", "latency (τ)"),
        ("deviation", "deviation (τ)"),
        ("missed", "missed (share)"),
        ("false", "false (share)"),
    )
    figure, axes = style.new_figure(6.2, rows=4, sharex=True)
    figure.subplots_adjust(left=0.2, right=0.97, top=0.95, bottom=0.06, hspace=0.18)
    x = np.arange(len(layers))
    for panel, (name, label) in zip(axes, quantities, strict=True):
        for shift, prefix, colour, marker in ((-0.08, "", _COLOURS[0], "o"), (0.08, "model_", _COLOURS[1], "s")):
            if f"{prefix}{name}" not in layers[0]:
                continue
            values = np.array([layer[f"{prefix}{name}"] for layer in layers], dtype=float)
            low, high = values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]
            panel.errorbar(
                x + shift,
                values[:, 0],
                [low, high],
                fmt=marker,
                color=colour,
                label="noise model" if prefix else "circuit",
            )
        panel.set_ylabel(label)
    axes[-1].set_xticks(x, [layer_label(layer["name"]) for layer in layers])
    axes[-1].set_xlim(-0.3, len(layers) - 0.7)  # centred, and room for the last layer's name, with a model or without
    if len(layers) > _LABELS_BESIDE:
        axes[-1].tick_params("x", rotation=35)
        for text in axes[-1].get_xticklabels():
            text.set_horizontalalignment("right")
        figure.subplots_adjust(bottom=0.14)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=2, bbox_to_anchor=(0.98, 1.0))
    return figure


def pit_figure(layers: list[dict[str, Any]]) -> "Figure":
    """Draw the histogram of the PIT values of measured times under their predictions.

    Uniform where the model is right.
    """
    figure, axes = style.new_figure(0.6 + 1.3 * len(layers), rows=len(layers), sharex=True)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.5 / (0.6 + 1.3 * len(layers)))
    for panel, layer in zip(axes, layers, strict=True):
        counts = np.array(layer["pit_histogram"])
        panel.bar((np.arange(20) + 0.5) / 20, counts, 0.05, color=_COLOURS[0], edgecolor="white", linewidth=0.4)
        panel.axhline(counts.sum() / 20, color="black", linewidth=0.8)
        panel.set(ylabel="runs", ylim=(0, 1.3 * max(counts.max(), 1)))
        panel.text(0.01, 0.97, layer_label(layer["layer"]), transform=panel.transAxes, va="top")
    axes[-1].set_xlabel("PIT value of the measured time")
    return figure


def worst_figure(case: dict[str, Any]) -> "Figure":
    """Draw the membrane of a run that lies far out in its prediction."""
    figure, (axes,) = style.new_figure(2.4)
    figure.subplots_adjust(left=0.18, right=0.97, top=0.85, bottom=0.19)
    axes.plot(case["wave"]["time"], case["wave"]["membrane"], color=_COLOURS[0], linewidth=0.8)
    axes.axhline(1.0, color="black", linewidth=0.7)
    marks = (
        ("ideal_over_tau", "eq. (4)", _COLOURS[2]),
        ("predicted_over_tau", "predicted", _COLOURS[1]),
        ("measured_over_tau", "measured", "black"),
    )
    for key, label, colour in marks:
        if case[key] is not None and np.isfinite(case[key]):
            axes.axvline(case[key], color=colour, linewidth=1.0, linestyle="--", label=label)
    membrane = np.array(case["wave"]["membrane"])
    axes.set(
        xlabel="time (τ)",
        ylabel="membrane (thresholds)",
        ylim=(max(membrane.min(), -4) - 0.2, min(membrane.max(), 3) + 0.2),
    )
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="upper right", ncols=3, bbox_to_anchor=(0.98, 1.0), handlelength=1.2, columnspacing=0.8)
    return figure
