"""Waveforms → edges, phases, frequencies: everything downstream speaks of these, not of volts."""

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.spice.phases import rising_edges

TWO_PI = 2.0 * np.pi


def edges(time_s: Floats, wave_V: Floats, level_V: float, *, falling: bool = False) -> Floats:
    """Return the instants at which a wave [point] rises (or falls) through a level, by linear interpolation.

    [edge], s.
    """
    sign = -1.0 if falling else 1.0
    return rising_edges(time_s, sign * wave_V, sign * level_V)


def frequency_Hz(edge_s: Floats) -> float:
    """Return the mean frequency between the first and the last of the edges [edge]; nan with fewer than two."""
    if len(edge_s) < 2:
        return float("nan")
    return float((len(edge_s) - 1) / (edge_s[-1] - edge_s[0]))


def phase_rad(edge_s: Floats, at_s: Floats) -> Floats:
    """Return the phase at given times [time] from rising edges [edge], 2π an edge, 0 at the first.

    Nan outside the edges.
    """
    turns = np.interp(at_s, edge_s, np.arange(len(edge_s)), left=np.nan, right=np.nan)
    return np.asarray(TWO_PI * turns)


def integral_between(time_s: Floats, value: Floats, begin_s: float, end_s: float) -> float:
    """Return the integral of a sampled value [point] between two instants, by trapezoids with interpolated ends."""
    inside = (time_s > begin_s) & (time_s < end_s)
    t = np.concatenate([[begin_s], time_s[inside], [end_s]])
    return float(np.trapezoid(np.interp(t, time_s, value), t))


def mean_between(time_s: Floats, value: Floats, begin_s: float, end_s: float) -> float:
    """Return the time average of a sampled value [point] between two instants."""
    return integral_between(time_s, value, begin_s, end_s) / (end_s - begin_s)


def mean_around(time_s: Floats, value: Floats, at_s: Floats, span_s: float) -> Floats:
    """Return the mean of a sampled value [point] over a span around each instant [at]."""
    area = np.concatenate([[0.0], np.cumsum(np.diff(time_s) * (value[1:] + value[:-1]) / 2)])
    upper, lower = (np.interp(at_s + shift, time_s, area) for shift in (span_s / 2, -span_s / 2))
    return np.asarray((upper - lower) / span_s)
