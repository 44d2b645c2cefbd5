"""One neuron over time, levels overlaid."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import write_atomically
from neurocircuit.errors import InputError
from neurocircuit.neuron.record import Waveforms
from neurocircuit.rendering import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VCO_COLOURS = ("#000000", "#8c8c8c", "#56B4E9", "#E69F00")  # none of them the colour of a level
_SHOWN_AFTER_FIRING = 1.35  # times the last fire time or input


def draw_waveforms(
    waveforms: dict[str, Waveforms], threshold_label: str, inputs_over_tau: Sequence[float], path: Path
) -> None:
    """Write the figure as PNG or SVG, by the suffix of `path`. Raise InputError for another suffix."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise InputError(f"the figure's file must end in .png or .svg, got {path}")
    with style.styled():
        content = style.render(waveform_figure(waveforms, threshold_label, inputs_over_tau), kind)
    write_atomically(path, content)


def waveform_figure(
    waveforms: dict[str, Waveforms], threshold_label: str, inputs_over_tau: Sequence[float]
) -> "Figure":
    """Draw VCO phases, UP, loop filter, membrane and Q over time (units of tau); call inside `style.styled()`.

    Phases are those gained over 2 pi f t since arming; VCO3 counts from VCO4's start, so that the two meet at firing.
    """
    figure, axes = style.new_figure(6.6, rows=5, sharex=True, gridspec_kw={"height_ratios": [2.2, 1, 1.2, 1.6, 0.8]})
    figure.subplots_adjust(left=0.205, right=0.97, top=0.925, bottom=0.065, hspace=0.16)
    end = _shown_until(waveforms, inputs_over_tau)
    waveforms = {level: _cut(shown, end) for level, shown in waveforms.items()}
    for level, shown in waveforms.items():
        time, line = shown.time_over_tau, style.LEVEL_LINES[level]
        colour = style.LEVEL_COLOURS[level]
        for k in range(4):
            axes[0].plot(time, _since_arming(shown, k), color=_VCO_COLOURS[k], linestyle=line, linewidth=1.1)
        for panel, values in zip(axes[1:], (shown.up, shown.loop_filter, shown.membrane, shown.q), strict=True):
            digital = panel is axes[4]
            panel.plot(
                time,
                values,
                color=colour,
                linestyle=line,
                linewidth=0.7 if panel is axes[1] else 1.1,
                drawstyle="steps-post" if digital else "default",
            )
    axes[3].axhline(1.0, color="black", linewidth=0.8)
    axes[3].annotate(
        threshold_label,
        (0.0, 1.0),
        xycoords=("axes fraction", "data"),
        xytext=(4, 2),
        textcoords="offset points",
        ha="left",
        va="bottom",
        fontsize=8,
    )
    labels = ("excess phase\n(rad)", "UP\n(0 … 1)", "loop filter\n(0 … 1)", "membrane\n(thresholds)", "Q\n(0, 1)")
    for panel, label in zip(axes, labels, strict=True):
        panel.set_ylabel(label, fontsize=8)
        for instant in inputs_over_tau:
            if math.isfinite(instant):
                panel.axvline(instant, color="#767676", linewidth=0.7, linestyle=(0, (1, 2)))
    figure.align_ylabels(axes)
    axes[-1].set(xlabel="time from arming (τ); dotted: input spikes", xlim=(0.0, end))
    _legends(figure, list(waveforms))
    return figure


def _legends(figure: "Figure", levels: list[str]) -> None:
    from matplotlib.lines import Line2D

    vcos = [Line2D([], [], color=colour) for colour in _VCO_COLOURS]
    lines = [Line2D([], [], color=style.LEVEL_COLOURS[level], linestyle=style.LEVEL_LINES[level]) for level in levels]
    figure.legend(
        lines,
        levels,
        loc="upper center",
        ncols=4,
        bbox_to_anchor=(0.53, 1.0),
        columnspacing=1.2,
        handletextpad=0.4,
        handlelength=2.2,
    )
    figure.legend(
        vcos,
        [f"VCO{k}" for k in range(1, 5)],
        loc="upper center",
        ncols=4,
        bbox_to_anchor=(0.53, 0.974),
        columnspacing=1.2,
        handletextpad=0.4,
        handlelength=2.2,
    )


def _shown_until(waveforms: dict[str, Waveforms], inputs_over_tau: Sequence[float]) -> float:
    """Return a time a little past the last event; the whole span when some level stays silent."""
    ends = [instant for instant in inputs_over_tau if math.isfinite(instant)]
    for shown in waveforms.values():
        high = np.flatnonzero(shown.q > 0.5)
        ends.append(float(shown.time_over_tau[high[0]] if high.size else shown.time_over_tau[-1]))
    whole = max(float(shown.time_over_tau[-1]) for shown in waveforms.values())
    return min(_SHOWN_AFTER_FIRING * max(ends), whole)


def _since_arming(shown: Waveforms, k: int) -> Floats:
    """Return the excess phase of VCO k + 1 less its start; start phases differ by level and would part the curves."""
    start = shown.vco_rad[3 if k == 2 else k, 0]
    return np.asarray(shown.vco_rad[k] - start)


def _cut(shown: Waveforms, end: float) -> Waveforms:
    """Return what is drawn, and one sample more: the rest would only set the scale of the axes."""
    keep = np.arange(shown.time_over_tau.size) <= np.searchsorted(shown.time_over_tau, end)
    return Waveforms(
        shown.time_over_tau[keep],
        shown.vco_rad[:, keep],
        shown.up[keep],
        shown.loop_filter[keep],
        shown.membrane[keep],
        shown.q[keep],
    )
