"""Fire times of one level against another, draw by draw."""

from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neurocircuit.rendering.read.agreement import Agreement


def level_scatter(agreement: "Agreement") -> "Figure":
    """Draw the difference of the fire times of two levels over the fire time, units of tau.

    The worst draw is ringed.
    """
    from matplotlib.ticker import FuncFormatter

    figure, (axes,) = style.new_figure(3.0)
    figure.subplots_adjust(left=0.22, right=0.96, top=0.86, bottom=0.16)
    of_level = style.LEVEL_COLOURS[agreement.level]
    for half, marker, colour, face in (("jitter", "o", of_level, of_level), ("bits", "^", "#404040", "none")):
        mine = agreement.half == half
        if mine.any():
            axes.plot(
                agreement.reference_over_tau[mine],
                agreement.difference_over_tau[mine],
                marker,
                color=colour,
                markerfacecolor=face,
                markersize=2.2,
                markeredgewidth=0.4,
                alpha=0.4 if mine.sum() > 200 else 0.9,
                rasterized=bool(mine.sum() > 200),
                label="jitter rows" if half == "jitter" else "bit rows",
            )
    if agreement.worst is not None:
        x, y = agreement.reference_over_tau[agreement.worst], agreement.difference_over_tau[agreement.worst]
        axes.plot([x], [y], "o", color="black", markerfacecolor="none", markersize=9, label="worst")
    axes.axhline(0.0, color="black", linewidth=0.7)
    axes.margins(0.08)
    axes.locator_params(axis="x", nbins=6)
    largest = float(np.max(np.abs(agreement.difference_over_tau), initial=0.0))
    scale, unit = (1e6, "10⁻⁶ τ") if largest < 1e-3 else (1.0, "τ")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value * scale:.6g}".replace("-", "−")))
    axes.set(
        xlabel=f"fire time at level {agreement.reference} (τ)",
        ylabel=f"{agreement.level} − {agreement.reference} ({unit})",
    )
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="upper right", ncols=3, bbox_to_anchor=(0.98, 1.0), columnspacing=1.0, handletextpad=0.2)
    else:
        axes.text(0.5, 0.5, "no draw fired at both levels", ha="center", va="center", transform=axes.transAxes)
    return figure
