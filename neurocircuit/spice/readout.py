"""Phases, membrane and decision of a transistor run, from the rising edges of its oscillators.

Edge n of an oscillator is phase 2π n. Between two of its edges VCO3 is steady, and VCO4 follows the saved UP:

    φ4(t) = 2π (n + share of the period) + 2π swing (∫UP dt - its straight line between the two edges),

UP as VCO4 answers to it, that is later than at its node by what the XOR leaves of the detector's whole delay. Behind
its last edge before Q, VCO4 goes on at the pace of its last period and follows UP on.
"""

from dataclasses import dataclass
from functools import cached_property
from math import inf, isnan, nan, pi

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.spec.neuron import XOR_RANGE_rad
from neurocircuit.spice.phases import rising_edges

_LEAST_EDGES = 3
_LARGEST_SETUP_rad = 0.3  # 50 ps of a VCO3 period of 1 ns; the clock's edge passes two inverters first


@dataclass(frozen=True)
class Course:
    """One run. time_s: from the time origin, below 0 while waiting for it; vectors: volts; both [point].

    start_membrane_rad: phase of VCO4 less that of VCO3 at the start, to a fraction of a turn: minus the lead.
    setup_rad: membrane from which on the flip-flop sees VCO4 ahead. detector_delay_s: from an edge of VCO1 to VCO4's
    answer; nan: no later than UP. armed_s: from when the comparator decides. constant_duty: what takes the place of UP
    in VCO4 then, on a ramp; VCO1 and VCO2 stand still then.
    """

    time_s: Floats
    vectors: dict[str, Floats]
    supply_V: float
    swing_Hz: float
    start_membrane_rad: float
    setup_rad: float = 0.0
    detector_delay_s: float = nan
    armed_s: float = 0.0
    constant_duty: float | None = None

    @cached_property
    def edges_s(self) -> dict[str, Floats]:
        """Rising edges of o1 … o4, each at least three. Raise SimulatorBadOutput for an oscillator with fewer."""
        edges_of_ring = {
            name: rising_edges(self.time_s, self.vectors[f"v({name})"], self.supply_V / 2) for name in _RINGS
        }
        for name, edges in edges_of_ring.items():
            if len(edges) < _LEAST_EDGES:
                raise SimulatorBadOutput(f"oscillator {name} must run, got {len(edges)} edges")
        return edges_of_ring

    @cached_property
    def known(self) -> slice:
        """The points at which all four phases are known."""
        first = max(edges[0] for edges in self.edges_s.values())
        running = ("o1", "o2", "o4") if self.constant_duty is None else ("o4",)
        last = min(self.edges_s[name][-1] for name in running)
        inside = np.flatnonzero((self.time_s >= first) & (self.time_s <= last))
        if not inside.size:
            raise SimulatorBadOutput("the oscillators must run at the same time")
        return slice(int(inside[0]), int(inside[-1]) + 1)

    @property
    def up(self) -> Floats:
        """XOR output over the supply; [point]."""
        return np.clip(self.vectors["v(up)"] / self.supply_V, 0.0, 1.0)

    def phase_rad(self, name: str) -> Floats:
        """Return the phase of an oscillator at the known points, 0 at its first edge; [point]."""
        return _phase_rad(self.edges_s[name], self.time_s[self.known])

    @cached_property
    def membrane_rad(self) -> Floats:
        """Phase of VCO4 less that of VCO3 at the known points; [point]."""
        return self._membrane_rad(self.known, self.edges_s["o3"], self.edges_s["o4"])

    def _membrane_rad(self, points: slice, edges3_s: Floats, edges4_s: Floats) -> Floats:
        """Return the phase of VCO4 less that of VCO3 at some points from the first known one on; [point]."""
        time, up = self.time_s, self.up
        if self.constant_duty is not None:
            up = np.where(time < self.armed_s, up, self.constant_duty)
        area = np.concatenate([[0.0], np.cumsum(np.diff(time) * (up[1:] + up[:-1]) / 2)])
        area = np.interp(time - self._switch_delay_s, time, area)
        straight = _extended(time[points], edges4_s, np.interp(edges4_s, time, area))
        ripple_rad = 2 * pi * self.swing_Hz * (area[points] - straight)
        membrane = _phase_rad(edges4_s, time[points]) + ripple_rad - _phase_rad(edges3_s, time[points])
        turns = np.round((membrane[0] - self.start_membrane_rad) / (2 * pi))
        return np.asarray(membrane - 2 * pi * turns)

    @cached_property
    def _compared(self) -> tuple[Floats, Floats]:
        """Times and membrane that the flip-flop compares: from the first known point to Q, or to VCO4's last edge.

        Q stops VCO3 and VCO4, and the run: what is known of VCO1 and VCO2 may end a period before.
        """
        q_s = self.q_s()
        edges3_s, edges4_s = (self.edges_s[name][self.edges_s[name] < q_s] for name in ("o3", "o4"))
        last_s = q_s if q_s < inf else float(edges4_s[-1])
        points = slice(self.known.start, int(np.searchsorted(self.time_s, last_s, side="right")))
        if min(len(edges3_s), len(edges4_s)) < 2 or points.start >= points.stop:
            raise SimulatorBadOutput(f"the oscillators must run before Q, which rose at {q_s:g} s")
        return self.time_s[points], self._membrane_rad(points, edges3_s, edges4_s)

    @cached_property
    def phase_error_rad(self) -> Floats:
        """Phase of VCO1 less that of VCO2 less a quarter turn at the known points, 0 in lock; [point]."""
        error = self.phase_rad("o1") - self.phase_rad("o2") - pi / 2
        return np.asarray(error - 2 * pi * np.round(error[0] / (2 * pi)))

    def crossing_s(self) -> float:
        """Return the first instant from the arming on at which the membrane is within setup … π modulo 2π.

        Inf when it is not.

        A flip-flop that sees VCO4 a little after VCO3's edge fires before the phases have met: that edge counts then.
        Raise SimulatorBadOutput where Q rises with the phases further apart.
        """
        (time, membrane), q_s = self._compared, self.q_s()
        met_s = inf
        if self.armed_s > 0:  # the membrane has moved before anybody compared
            at_arming = float(np.interp(self.armed_s, time, membrane))
            turns = 2 * pi * np.floor((at_arming + pi) / (2 * pi))
            met_s = self.armed_s if at_arming - turns >= self.setup_rad else inf
            membrane = membrane - turns
        met_s = min(met_s, self._enters(membrane - self.setup_rad), self._enters(-membrane - pi))
        if q_s == inf or met_s <= q_s:
            return met_s
        seen_s = float(self.edges_s["o3"][self.edges_s["o3"] < q_s][-1])
        apart = float(np.interp(seen_s, *self._compared))
        if abs(apart - 2 * pi * round(apart / (2 * pi))) > _LARGEST_SETUP_rad:
            raise SimulatorBadOutput(f"Q rose at {q_s:g} s with VCO4 {apart:.2g} rad from VCO3")
        return seen_s

    def q_s(self) -> float:
        """Return the first rise of Q from the origin on; inf when there is none."""
        edges = rising_edges(self.time_s, self.vectors["v(q)"], self.supply_V / 2)
        return float(edges[edges >= 0][0]) if (edges >= 0).any() else inf

    def headroom(self, until_s: float) -> float:
        """Return the largest size of the phase error over π/2, from the origin to an instant; on a ramp the arming."""
        until_s = until_s if self.constant_duty is None else self.armed_s
        time = self.time_s[self.known]
        error_rad = np.abs(self.phase_error_rad[(time >= 0) & (time <= until_s)])
        return float(error_rad.max(initial=0.0)) / XOR_RANGE_rad

    def is_false_fire(self, at_s: float) -> bool:
        """Return whether the phases met modulo 2π only: the membrane fell, or was a half turn ahead at the arming."""
        if at_s == inf:
            return False
        membrane = float(np.interp(at_s, *self._compared))
        return membrane < -pi / 2 or (self.armed_s > 0 and membrane >= pi)

    @property
    def has_fired(self) -> bool:
        """Whether the latch holds a spike at the end."""
        return bool(self.vectors["v(fired)"][-1] > self.supply_V / 2)

    @property
    def _switch_delay_s(self) -> float:
        """From UP to VCO4: the detector's delay less the XOR's, which is that from VCO1's edges to the next of UP."""
        if isnan(self.detector_delay_s):
            return 0.0
        up_s = rising_edges(self.time_s, self.vectors["v(up)"], self.supply_V / 2)
        first_s = self.edges_s["o1"]
        first_s = first_s[first_s < up_s[-1]] if len(up_s) else first_s[:0]
        if not len(first_s):
            raise SimulatorBadOutput("UP must follow VCO1, it never rises")
        xor_s = float(np.median(up_s[np.searchsorted(up_s, first_s)] - first_s))
        return self.detector_delay_s - xor_s

    def _enters(self, gap: Floats) -> float:
        """Return the first instant from the arming on at which a gap [compared point] rises through 0.

        Inf when it does not.
        """
        edges = rising_edges(self._compared[0], gap, 0.0)
        edges = edges[edges >= self.armed_s]
        return float(edges[0]) if len(edges) else inf


_RINGS = ("o1", "o2", "o3", "o4")


def _phase_rad(edges_s: Floats, time_s: Floats) -> Floats:
    """Return the phase of an oscillator, 0 at its first edge, [point]; behind the last edge at the last pace."""
    return np.asarray(2 * pi * _extended(time_s, edges_s, np.arange(len(edges_s), dtype=np.float64)))


def _extended(x: Floats, known_x: Floats, known_y: Floats) -> Floats:
    """Return y at x [point] by straight lines between the known points; behind the last one the last line goes on."""
    y, late = np.interp(x, known_x, known_y), x > known_x[-1]
    y[late] = known_y[-1] + (x[late] - known_x[-1]) * (known_y[-1] - known_y[-2]) / (known_x[-1] - known_x[-2])
    return np.asarray(y)
