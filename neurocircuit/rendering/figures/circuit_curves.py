"""Figures of accuracy over circuit quantities: one panel for each circuit, one curve for each group of networks."""

from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.results.circuit_curves import CircuitCurves, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = {"clean": "trained without noise", "aware": "trained with noise"}
_LINEAR = {"headroom"}


def name_of(group: str) -> str:
    """Return what a group of networks is called in figures and tables."""
    return _NAMES.get(group, group)


def curve_figure(result: CircuitCurves, quantity: str) -> "Figure":
    """Draw the accuracy with 95 % bands over one quantity.

    eq. (4) dashed, each circuit's own value as a vertical line.
    """
    circuits = list(result.circuits)
    height = 0.75 + 1.75 * len(circuits)
    figure, panels = style.new_figure(height, rows=len(circuits), sharex=True)
    figure.subplots_adjust(left=0.15, right=0.97, top=1 - 0.27 / height, bottom=0.45 / height, hspace=0.2)
    rows = result.rows_of(quantity)
    scale = _Scale([result.value_at(row, quantity) for row in rows], quantity not in _LINEAR)
    lowest = min((100 * row.low for row in rows if isinstance(row, Row)), default=0.0)
    for axes, circuit in zip(panels, circuits, strict=True):
        for k, group in enumerate(result.groups):
            _curve(axes, result, circuit, group, quantity, scale, k)
        position = scale.position_of(result.circuits[circuit][quantity])
        axes.axvline(position, color="0.45", linewidth=0.8, linestyle=(0, (1, 1.2)))
        left = position < np.mean(scale.limits) if scale.linear else position < np.sqrt(np.prod(scale.limits))
        side, offset = ("left", 3) if left else ("right", -3)
        axes.annotate(
            f"{circuit} circuit",
            (position, 0.04),
            xycoords=("data", "axes fraction"),
            fontsize=7.5,
            ha=side,
            xytext=(offset, 0),
            textcoords="offset points",
        )
        axes.set(ylabel="accuracy (%)", ylim=(max(0.0, 10 * np.floor(lowest / 10) - 2), 102))
        scale.apply(axes)
    panels[-1].set_xlabel(result.quantities[quantity])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=min(len(labels), 4), borderaxespad=0.2, columnspacing=1.2)
    return figure


def _curve(
    axes: "Axes", result: CircuitCurves, circuit: str, group: str, quantity: str, scale: "_Scale", k: int
) -> None:
    rows = [row for row in result.rows_of(quantity, circuit, group) if isinstance(row, Row)]
    if not rows:
        return
    colour, marker = style.SERIES_COLOURS[k], style.SERIES_MARKERS[k]
    x = np.array([scale.position_of(result.value_at(row, quantity)) for row in rows])
    middle, low, high = 100 * np.array([(row.accuracy, row.low, row.high) for row in rows]).T
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(x, middle, color=colour)
    axes.plot([], [], color=colour, marker=marker, label=name_of(group))
    for broken, face in ((False, colour), (True, "white")):
        chosen = [bool(row.broken) == broken for row in rows]
        axes.plot(x[chosen], middle[chosen], marker, color=colour, markerfacecolor=face)
    axes.axhline(100 * result.groups[group].software, color=colour, linestyle=(0, (4, 1.5)), linewidth=0.8)


class _Scale:
    """A logarithmic axis on which 0 has a place of its own, half a decade below the rest; or a linear one."""

    def __init__(self, values: list[float], log: bool) -> None:
        self.linear = not log
        positive = [value for value in values if value > 0]
        self.zero = min(positive) / 4.0 if log and 0.0 in values else None
        ends = [self.position_of(value) for value in values]
        self.limits = (min(ends) - 0.05, max(ends) + 0.05) if self.linear else (min(ends) / 1.3, max(ends) * 1.3)

    def position_of(self, value: float) -> float:
        """Return where a value stands on the axis."""
        return self.zero if self.zero is not None and value == 0.0 else value

    def apply(self, axes: "Axes") -> None:
        """Scale, limits and ticks."""
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

        if self.linear:
            axes.set_xlim(self.limits)
            return
        axes.set(xscale="log", xlim=self.limits)
        low, high = np.log10(self.limits[0] if self.zero is None else 2.0 * self.zero), np.log10(self.limits[1])
        steps = (1.0,) if high - low > 2.2 else (1.0, 2.0, 5.0)
        ticks = [step * 10.0**power for power in range(int(np.floor(low)), int(np.ceil(high)) + 1) for step in steps]
        kept = [tick for tick in ticks if low <= np.log10(tick) <= high]
        axes.xaxis.set_major_locator(FixedLocator(kept if self.zero is None else [self.zero, *kept]))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _index: "0" if value == self.zero else style.plain_number(value))
        )
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
