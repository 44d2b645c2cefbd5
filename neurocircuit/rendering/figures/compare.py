"""Figure of a comparison of networks on chips."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.results.compare import NetworkOnChips

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def chips_figure(networks: Sequence[NetworkOnChips], software: float) -> "Figure":
    """Draw one point a chip for each network, the software's accuracy as a line."""
    figure, (axes,) = style.new_figure(2.8)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.96, bottom=0.16)
    for k, network in enumerate(networks):
        chips = 100 * np.array(network.by_chip)
        look = style.SERIES_COLOURS[("clean", "trained", "control").index(network.name.split()[0])]
        axes.plot(k + np.linspace(-0.15, 0.15, len(chips)), chips, "o", color=look, markersize=3.5)
        axes.plot([k - 0.25, k + 0.25], [chips.mean()] * 2, color=look)
    axes.axhline(100 * software, color="black", linestyle="--", linewidth=0.8)
    axes.annotate(
        "clean network in software",
        (0.02, 100 * software),
        xycoords=("axes fraction", "data"),
        va="top",
        xytext=(0, -2),
        textcoords="offset points",
        fontsize=7.5,
    )
    axes.set_xticks(range(len(networks)), [network.name.replace(" ", "\n") for network in networks])
    axes.set(ylabel="accuracy (%)")
    axes.grid(axis="x", visible=False)
    return figure
