"""Figures of co-design and PVT: Pareto front, parameter importance, recommended values, conditions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.rendering import style
from neurocircuit.results.codesign import Codesign, Evaluated, Importance, ParameterRange
from neurocircuit.results.pvt import Row, Trim

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS, _MARKERS = style.SERIES_COLOURS, style.SERIES_MARKERS
SCALES = {"accuracy": (100.0, "accuracy (%)"), "energy": (1e9, "energy (nJ)"), "latency": (1e9, "latency (ns)")}
_ROLE_MARKERS = {"accuracy": "^", "energy": "v", "latency": "<", "balanced": "*"}


def label_of(parameter: str) -> str:
    """Return what a parameter is called in figures and tables."""
    return parameter.replace("_", " ").replace("tau", "τ")


def front_figure(result: Codesign, costs: list[str]) -> "Figure":
    """Draw the accuracy over each cost: all evaluated designs of each fidelity, its front, and the recommended ones."""
    height = 1.0 + 2.7 * len(costs)
    figure, axes = style.new_figure(height, rows=len(costs))
    figure.subplots_adjust(left=0.15, right=0.97, top=1 - 0.6 / height, bottom=0.5 / height, hspace=0.28)
    lowest = min(
        (trial.objectives["accuracy"] for fidelity in result.fidelities for trial in fidelity.trials if trial.front),
        default=0.0,
    )
    bottom = max(0.0, 100 * lowest - 15)
    for axis, cost in zip(axes, costs, strict=True):
        scale, label = SCALES[cost]
        for k, fidelity in enumerate(result.fidelities):
            trials = [
                trial
                for trial in fidelity.trials
                if isinstance(trial.details, Evaluated) and 100 * trial.objectives["accuracy"] >= bottom
            ]
            x, y = (np.array([trial.objectives[name] for trial in trials]) for name in (cost, "accuracy"))
            front = np.array([trial.front for trial in trials], dtype=bool)
            look: dict[str, Any] = {"color": _COLOURS[k % 6], "marker": _MARKERS[k % 6], "linestyle": "none"}
            axis.plot(scale * x[~front], 100 * y[~front], alpha=0.3, markersize=3.5, **look)
            axis.plot(scale * x[front], 100 * y[front], markersize=5, label=f"{fidelity.name}: front", **look)
        for role, design in result.recommended.items():
            axis.plot(
                scale * getattr(design.outcome, cost),
                100 * design.outcome.accuracy,
                marker=_ROLE_MARKERS.get(role, "x"),
                markersize=10,
                markerfacecolor="none",
                markeredgecolor="black",
                linestyle="none",
                label=role,
            )
        axis.set(xscale="log", xlabel=label, ylabel="accuracy (%)", ylim=(bottom, 101))
        style.set_log_plain(axis.xaxis)
    axes[0].legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.0)
    return figure


def importance_figure(importance: dict[str, dict[str, Importance]]) -> "Figure":
    """Share of each parameter in each objective, with the sign of its rank correlation."""
    objectives = list(importance)
    names = list(next(iter(importance.values())))
    height = 0.8 + 0.2 * len(names) * len(objectives)
    figure, (axes,) = style.new_figure(height)
    figure.subplots_adjust(left=0.32, right=0.93, top=1 - 0.35 / height, bottom=0.45 / height)
    positions = np.arange(len(names))[::-1].astype(float)
    width = 0.8 / len(objectives)
    for k, objective in enumerate(objectives):
        at = positions + 0.4 - (k + 0.5) * width
        shares = [importance[objective][name].share for name in names]
        axes.barh(at, shares, height=0.9 * width, color=_COLOURS[k % 6], label=objective)
        for y, name, share in zip(at, names, shares, strict=True):
            rank = importance[objective][name].rank_correlation
            if rank is not None:
                axes.text(share + 0.01, y, f"{rank:+.2f}".replace("-", "−"), va="center", fontsize=6.5)
    axes.set_yticks(positions, [label_of(name) for name in names])
    axes.set(xlabel="share (beside: rank correlation)", xlim=(0, 1.1 * axes.get_xlim()[1]))
    axes.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=len(objectives), borderaxespad=0.1)
    axes.grid(axis="y", visible=False)
    return figure


def shares_of_range(parameter: ParameterRange, values: list[float]) -> Floats:
    """Return where each value of a parameter lies in its range: 0 at the lower end, 1 at the upper."""
    scale = np.log if parameter.scale == "log" else np.asarray
    low, high = scale(parameter.low), scale(parameter.high)
    return np.asarray((scale(np.array(values)) - low) / (high - low), dtype=np.float64)


def values_figure(result: Codesign, labels: dict[str, str]) -> "Figure":
    """Where in its range each parameter lies: designs on the front of the last fidelity, and the recommended ones."""
    recommended, names = result.recommended, list(result.ranges)
    front = [trial for trial in result.fidelities[-1].trials if trial.front]
    height = 0.9 + 0.34 * len(names)
    figure, (axes,) = style.new_figure(height)
    figure.subplots_adjust(left=0.42, right=0.96, top=1 - 0.35 / height, bottom=0.42 / height)
    positions = np.arange(len(names))[::-1]
    for position, name in zip(positions, names, strict=True):
        axes.plot([0, 1], [position, position], color="0.8", linewidth=1)
        on_front = shares_of_range(result.ranges[name], [trial.values[name] for trial in front])
        axes.plot(on_front, [position] * len(on_front), "|", color=_COLOURS[0], markersize=7)
        at = shares_of_range(result.ranges[name], [design.values[name] for design in recommended.values()])
        for k, (role, share) in enumerate(zip(recommended, at, strict=True)):
            axes.plot(
                share,
                position,
                marker=_ROLE_MARKERS.get(role, "x"),
                color=_COLOURS[(k + 1) % 6],
                markersize=8,
                linestyle="none",
                label=role if position == positions[0] else None,
            )
    axes.set_yticks(positions, [labels[name] for name in names])
    axes.set(xlim=(-0.04, 1.04), ylim=(-0.6, len(names) - 0.4), xlabel="position in the range")
    axes.set_xticks([0, 0.5, 1], ["low", "middle", "high"])
    axes.legend(loc="lower center", bbox_to_anchor=(0.2, 1.0), ncols=len(recommended), borderaxespad=0.1)
    axes.grid(visible=False)
    return figure


def pvt_figure(rows: list[Row], trims: dict[Trim, str]) -> "Figure":
    """Draw the accuracy with its 95 % interval, and latency, at each condition, by trim."""
    labels = list(dict.fromkeys(row.label for row in rows))
    height = 1.5 + 0.62 * len(labels)
    figure, (accuracy, latency) = style.new_figure(height, rows=2)
    figure.subplots_adjust(
        left=0.36, right=0.96, top=1 - 0.35 / height, bottom=0.45 / height, hspace=1.1 / (height - 1.35)
    )
    for k, (trim, name) in enumerate(trims.items()):
        trim_rows = [row for row in rows if row.trim == trim]
        at = np.array([len(labels) - 1 - labels.index(row.label) for row in trim_rows]) + 0.25 - 0.25 * k
        look: dict[str, Any] = {"color": _COLOURS[k], "marker": _MARKERS[k], "linestyle": "none", "label": name}
        value, low, high = 100 * np.array([row.interval for row in trim_rows]).reshape(-1, 3).T
        accuracy.errorbar(value, at, xerr=[value - low, high - value], elinewidth=1, **look)
        latency.plot([1e9 * row.latency_s for row in trim_rows], at, **look)
    for axes in (accuracy, latency):
        axes.set_yticks(np.arange(len(labels))[::-1], labels)
        axes.grid(axis="y", visible=False)
    accuracy.set(xlabel="accuracy (%), bars: 95 %", xlim=(0, 102))
    latency.set(xlabel="latency (ns)", xlim=(0, None))
    figure.legend(
        *accuracy.get_legend_handles_labels(),
        loc="upper center",
        ncols=3,
        borderaxespad=0.1,
        columnspacing=0.8,
        handletextpad=0.1,
    )
    return figure
