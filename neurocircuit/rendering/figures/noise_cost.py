"""Figure of what a quieter neuron costs: noise budgets side by side."""

from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.rendering import style
from neurocircuit.results.noise_cost import NoiseCost

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def budgets(result: NoiseCost, vco: int) -> "Figure":
    """Draw what each kind of device adds to the white noise and to the flicker of a VCO (0 … 3), a bar a neuron."""
    figure, (top, bottom) = style.new_figure(5.6, rows=2)
    figure.subplots_adjust(left=0.36, right=0.96, top=0.92, bottom=0.09, hspace=0.28)
    vcos = [neuron.vcos[vco] for neuron in result.neurons]
    roles = list(dict.fromkeys(role for item in vcos for role in item.white))
    height = 0.8 / len(vcos)
    for k, (item, neuron) in enumerate(zip(vcos, result.neurons, strict=True)):
        at = np.arange(len(roles)) + height * (k - (len(vcos) - 1) / 2)
        colour = style.SERIES_COLOURS[k % len(style.SERIES_COLOURS)]
        for axes, budget, scale in ((top, item.white, 1e-3), (bottom, item.flicker, 1e9)):
            values = [scale * budget.get(role, 0.0) for role in roles]
            axes.barh(at, values, 0.92 * height, color=colour, label=neuron.process)
    for axes, label in ((top, "white noise, $D$ (krad²/s)"), (bottom, "flicker, $h$ (10⁻⁹)")):
        axes.set_yticks(range(len(roles)), roles)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set(xlabel=label)
    figure.legend(*top.get_legend_handles_labels(), loc="upper right", ncols=2, fontsize=7)
    return figure
