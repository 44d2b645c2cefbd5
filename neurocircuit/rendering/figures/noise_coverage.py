"""Figures of transistor neurons under drawn noise: fire times on their predictions, and the PIT values."""

from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.results.noise_coverage import NoiseCoverage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SILENT_over_tau = 0.35  # above the last time that is shown


def fire_times(result: NoiseCoverage) -> "Figure":
    """Draw each neuron's fire times under noise on the central 95 % and 68 % of the predicted ones."""
    order = np.argsort(
        [case.predicted[2] if case.predicted[2] == case.predicted[2] else np.inf for case in result.cases]
    )
    rows = {int(k): row for row, k in enumerate(order)}
    known = [value for case in result.cases for value in case.predicted if value == value]
    known += [run.fired_over_tau for run in result.runs if run.fired_over_tau == run.fired_over_tau]
    silent = max(known, default=1.0) + _SILENT_over_tau
    height = 1.1 + 0.17 * len(rows)
    figure, (axes,) = style.new_figure(height)
    figure.subplots_adjust(left=0.12, right=0.97, top=1 - 0.34 / height, bottom=0.5 / height)

    def shown(value: float) -> float:
        return value if value == value else silent

    for k, case in enumerate(result.cases):
        low95, low68, _, high68, high95 = map(shown, case.predicted)
        for low, high, width, shade in ((low95, high95, 6, "#c9c9c9"), (low68, high68, 6, "#8f8f8f")):
            axes.plot([low, high], [rows[k], rows[k]], color=shade, linewidth=width, solid_capstyle="butt")
        axes.plot(shown(case.without_noise), rows[k], "|", color="black", markersize=8, markeredgewidth=1.4)
    times = [shown(run.fired_over_tau) for run in result.runs]
    axes.plot(times, [rows[run.case] for run in result.runs], "o", color=style.SERIES_COLOURS[1], markersize=3.6)
    axes.axvline(silent, color="black", linewidth=0.6, linestyle=":")
    axes.text(silent, len(rows) - 0.3, "silent", ha="center", fontsize=7)
    axes.set(xlabel="fire time (τ)", ylabel="neuron", ylim=(-0.8, len(rows) + 0.4))
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.plot([], [], color="#c9c9c9", linewidth=6, label="predicted 95 %")
    axes.plot([], [], color="#8f8f8f", linewidth=6, label="68 %")
    axes.plot([], [], "o", color=style.SERIES_COLOURS[1], markersize=3.6, label="transistors")
    axes.plot([], [], "|", color="black", markersize=8, label="without noise")
    figure.legend(loc="upper right", ncols=4, fontsize=7, columnspacing=0.9, handlelength=1.2)
    return figure


def pit_values(result: NoiseCoverage) -> "Figure":
    """Draw the shares of runs below each PIT value: the diagonal where the prediction is right."""
    figure, (axes,) = style.new_figure(2.9)
    figure.subplots_adjust(left=0.16, right=0.96, top=0.96, bottom=0.16)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    for name, label in (("pit_value", "fire time"), ("of_shift", "shift by noise")):
        values = np.sort([value for run in result.runs if (value := getattr(run, name)) == value])
        if len(values):
            axes.step(values, np.arange(1, len(values) + 1) / len(values), where="post", label=label)
    axes.set(xlabel="PIT value", ylabel="share of runs below it", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left")
    return figure
