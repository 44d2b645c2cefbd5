"""Which saved state and which waiting time put VCO1 and VCO3 at wanted phases; phases count rising edges, 2π each.

A locked, armed neuron repeats with VCO1. Waiting until VCO1 stands at φ1 costs less than one period; k more periods
leave φ1 and move φ3 by 2π k f3/f1, which at f3 = 1.25 f1 passes four values (the beat of VCO1 and VCO3). States
armed at different phases of VCO1 lie between these, so that S states offer 4 S values of φ3 for each φ1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput

BEAT_PERIODS = 4  # of VCO1, after which f3 = 1.25 f1 has come round


@dataclass(frozen=True)
class Placement:
    """For each trial: the saved state to start from, the wait from its instant to the time origin, the phases there.

    state: [trial]; wait_s: [trial], 0 … BEAT_PERIODS/f1; start_rad: VCO1 and VCO3 at the time origin, [trial, 2].
    """

    state: NDArray[np.intp]
    wait_s: Floats
    start_rad: Floats


def nearest_placement(wanted_rad: Floats, saved_rad: Floats, f1_Hz: float, f3_Hz: float) -> Placement:
    """Return the nearest placement to wanted_rad [trial, 2] from states saved at saved_rad [state, 2].

    VCO1 is met exactly, VCO3 as closely as the states allow; of equally close ones the first state and shortest wait.
    """
    two_pi = 2 * np.pi
    first = np.mod(wanted_rad[:, None, None, 0] - saved_rad[None, :, None, 0], two_pi) / two_pi
    periods = first + np.arange(BEAT_PERIODS)  # [trial, state, k]
    phi3 = saved_rad[None, :, None, 1] + two_pi * periods * (f3_Hz / f1_Hz)
    distance = np.abs(np.mod(phi3 - wanted_rad[:, None, None, 1] + np.pi, two_pi) - np.pi)
    best = np.argmin(distance.reshape(len(wanted_rad), -1), axis=1)
    trial, state = np.arange(len(wanted_rad)), best // BEAT_PERIODS
    wait = periods.reshape(len(wanted_rad), -1)[trial, best]
    reached = np.stack([saved_rad[state, 0] + two_pi * wait, phi3.reshape(len(wanted_rad), -1)[trial, best]], axis=1)
    return Placement(state, wait / f1_Hz, np.mod(reached, two_pi))


def rising_edges(time_s: Floats, voltage: Floats, level_V: float) -> Floats:
    """Return the instants at which voltage [point] rises through level_V, by straight lines between the points.

    [edge], s.
    """
    below = np.flatnonzero((voltage[:-1] < level_V) & (voltage[1:] >= level_V))
    share = (level_V - voltage[below]) / (voltage[below + 1] - voltage[below])
    return np.asarray(time_s[below] + share * (time_s[below + 1] - time_s[below]))


def steady(edges_s: Floats, least: int, what: str) -> tuple[float, float]:
    """Return the frequency in Hz and the instant of phase 0 from the rising edges of a free-running oscillator.

    Least squares.

    Raise SimulatorBadOutput when there are fewer than `least` edges.
    """
    if len(edges_s) < least:
        raise SimulatorBadOutput(f"{what} must show at least {least} rising edges, got {len(edges_s)}")
    period, begin = np.polyfit(np.arange(len(edges_s)), edges_s - edges_s[0], 1)
    return 1.0 / float(period), float(begin + edges_s[0])
