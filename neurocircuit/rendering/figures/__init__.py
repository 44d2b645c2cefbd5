"""Figures of the report; each function draws one, and none keeps state."""

from neurocircuit.rendering.figures.curves import quantisation_curve, transfer_curve
from neurocircuit.rendering.figures.interpretations import interpretations_figure
from neurocircuit.rendering.figures.scatter import level_scatter
from neurocircuit.rendering.figures.transistors import transistor_rows
from neurocircuit.rendering.figures.waveforms import draw_waveforms, waveform_figure

__all__ = [
    "draw_waveforms",
    "interpretations_figure",
    "level_scatter",
    "quantisation_curve",
    "transfer_curve",
    "transistor_rows",
    "waveform_figure",
]
