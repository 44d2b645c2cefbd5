"""The edge-level algorithm in numpy, many neurons side by side: yardstick, fallback, and source of waveforms.

The equations stand in edge.py, the compiled twin in _kernel/edge.cpp. One pass of the loop takes every undecided
neuron to its next event.
"""

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.neuron.edge_state import Constants, held_ripple
from neurocircuit.neuron.phase_noise import Seeds, normal_pair


def fire(
    constants: Constants, state: Floats, t_over_tau: Floats, weights: Floats, seeds: Seeds
) -> tuple[Floats, Floats, Bools]:
    """Return the fire time, largest |phase error| (rad) and false fires, each [trial], from states [trial, 8]."""
    trials = len(state)
    fire_time, false_fire = np.full(trials, np.inf), np.zeros(trials, dtype=bool)
    corners = _corners(constants, t_over_tau, weights)
    batch = _Batch(constants, state, corners, seeds)
    headroom, index = batch.peak.copy(), np.arange(trials)
    while len(index):
        at, membrane = batch.step()
        decided = np.isfinite(at)
        headroom[index] = batch.peak
        fire_time[index[decided]] = at[decided]
        beyond = (membrane[decided] >= np.pi) & (not constants.counts_turns)
        false_fire[index[decided]] = (membrane[decided] < -1e-9) | beyond
        going = ~decided & (batch.t < constants.window)
        if not going.all():
            index = index[going]
            batch.keep(going)
    return fire_time, headroom, false_fire


def trace(constants: Constants, state: Floats, t_over_tau: Floats, weights: Floats, seeds: Seeds) -> tuple[Floats, ...]:
    """Return the time, VCO1, VCO2, filter, UP, membrane and VCO3 at both sides of every event.

    Each [sample], one neuron.

    The comparator is ignored: the trace runs to the window's end.
    """
    batch = _Batch(constants, state, _corners(constants, t_over_tau, weights), seeds)
    rows = [batch.sample()]
    while batch.t[0] < constants.window:
        before = batch.up[0]
        batch.comparing[:] = False
        batch.step()
        after = batch.sample()
        if batch.up[0] != before:
            rows.append((*after[:4], before, *after[5:]))
        rows.append(after)
    return tuple(np.array(rows).T)


def _corners(constants: Constants, t: Floats, w: Floats) -> Floats:
    """Return instants, jumps and frequency changes of VCO1, changes of the pulse count, and the arming.

    Sorted, [5, trial, corner + 1].

    Inputs beyond the window are put to infinity; the last corner is there to be never reached.
    """
    phase = constants.phase_per_weight * w
    within = t < constants.window
    width = constants.spike_width
    if width > 0:
        times = np.concatenate([np.where(within, t, np.inf), np.where(within, t + width, np.inf)], axis=1)
        rates = np.concatenate([phase / width, -phase / width], axis=1)
        rows = [times, np.zeros_like(rates), rates, np.repeat([[1.0, -1.0]], t.shape[1], axis=1).repeat(len(t), 0)]
    else:
        rows = [np.where(within, t, np.inf), phase, np.zeros_like(phase), np.zeros_like(phase)]
    rows.append(np.zeros_like(rows[0]))
    if np.any(constants.armed > 0):
        arming = (np.broadcast_to(constants.armed, len(t)), *np.zeros((3, len(t))), np.ones(len(t)))
        rows = [np.concatenate([row, new[:, None]], axis=1) for row, new in zip(rows, arming, strict=True)]
    order = np.argsort(rows[0], axis=1, kind="stable")
    rows = [np.take_along_axis(row, order, axis=1) for row in rows]
    if constants.waits_for_input:
        rows[4][:, 0] = 1.0
    fillers = (np.inf, 0.0, 0.0, 0.0, 0.0)
    return np.stack([np.pad(row, ((0, 0), (0, 1)), constant_values=f) for row, f in zip(rows, fillers, strict=True)])


class _Batch:
    """State of the undecided neurons; every array is [trial]."""

    def __init__(self, constants: Constants, state: Floats, corners: Floats, seeds: Seeds) -> None:
        self.c = constants
        self.t, self.phase1, self.phase2, self.cycles, self.up, self.filter, self.membrane, self.phase3 = (
            column.copy() for column in state.T
        )
        self.corners, self.seeds = corners, seeds
        trials = len(state)
        self.next = np.zeros(trials, dtype=int)
        self.pulse, self.pulses, self.base = np.zeros(trials), np.zeros(trials), np.zeros(trials)
        self.comparing = np.full(trials, not constants.waits_for_input and not np.any(constants.armed > 0))
        self.on_ramp = np.zeros(trials, dtype=bool)
        self.noise = np.zeros((4, trials))
        self.draws = np.zeros((2, trials), dtype=np.uint64)
        self.turns3 = np.zeros(trials)
        everyone = np.ones(trials, dtype=bool)
        self._draw(0, everyone)
        self._draw(1, everyone)
        self.peak = np.abs(self._error())
        self.half1 = np.zeros(trials)  # VCO1's edges so far, for the total phase in a trace

    def keep(self, which: Bools) -> None:
        """Drop the decided neurons."""
        names = (
            "t phase1 phase2 cycles up filter membrane phase3 seeds next pulse pulses base comparing on_ramp turns3 "
            "peak half1"
        )
        for name in names.split():
            setattr(self, name, getattr(self, name)[which])
        self.corners, self.noise, self.draws = self.corners[:, which], self.noise[:, which], self.draws[:, which]

    def sample(self) -> tuple[float, ...]:
        """Time, total phases of VCO1 and VCO2, filter, UP, membrane, total phase of VCO3, of the first neuron."""
        total1 = self.half1[0] * np.pi + self.phase1[0]
        total2 = total1 - self._error()[0] - np.pi / 2
        total3 = self.turns3[0] * 2 * np.pi + self.phase3[0]
        return self.t[0], total1, total2, self.filter[0], self.up[0], self.membrane[0], total3

    def step(self) -> tuple[Floats, Floats]:
        """Advance to the next event. Returns decision times (inf: none yet) and the membrane there; [trial]."""
        c, rows = self.c, np.arange(len(self.t))
        limit = np.minimum(self.corners[0, rows, self.next], c.window)
        speed1 = c.omega[0] + self.noise[0] + self.pulse
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.where(speed1 > 0, np.pi - self.phase1, self.phase1)
            x1 = np.where(speed1 == 0, np.inf, np.maximum(distance / np.abs(speed1), 0.0))
        length = np.maximum(np.minimum(x1, limit - self.t), 0.0)
        edge1 = x1 <= limit - self.t
        edge2 = self._phase2_after(length) >= np.pi
        length[edge2] = self._time_of_edge2(length)[edge2]
        edge1 &= ~edge2
        driven = np.where(self.on_ramp, c.ramp, c.swing * (self.up - 0.5))
        slope = c.omega[3] + self.noise[3] - c.omega[2] - self.noise[2] + driven
        at, membrane = self._decide(length, slope)
        self._watch(speed1, np.where(np.isfinite(at), at - self.t, length))
        self._advance(length, slope, speed1, edge1, edge2, limit)
        self._toggle(edge1, edge2, speed1)
        self._take_corner(rows, limit, at, membrane, ~edge1 & ~edge2)
        self._take_corner(rows, limit, at, membrane, (edge1 | edge2) & (self.t >= limit))
        return at, membrane

    def _watch(self, speed1: Floats, length: Floats) -> None:
        """Note the largest |phase error| from now to `length` later: at its turn, if it has one, or at an end.

        Its slope is drift - relaxing e^{-rx}, drift the speed of VCO1 less that of VCO2 with the filter at rest.
        """
        drift = speed1 - self._steady_speed2()
        relaxing = np.pi * (self.filter - self.up)
        turns = (drift - relaxing) * (drift - relaxing * np.exp(-self.c.r * length)) < 0
        at_turn = np.divide(drift, relaxing, out=np.ones_like(drift), where=turns)  # e^{-rx}
        x = np.where(turns, -np.log(at_turn) / self.c.r, length)
        error = self._error()
        for later in (x, length):
            moved = error + speed1 * later - (self._phase2_after(later) - self.phase2)
            self.peak = np.where(self.on_ramp, self.peak, np.maximum(self.peak, np.abs(moved)))

    def _advance(
        self, length: Floats, slope: Floats, speed1: Floats, edge1: Bools, edge2: Bools, limit: Floats
    ) -> None:
        self.phase2 = np.where(edge2, np.pi, self._phase2_after(length))
        self.filter = self.up + (self.filter - self.up) * np.exp(-self.c.r * length)
        self.phase1 = self.phase1 + speed1 * length
        self.membrane = np.maximum(self.membrane + slope * length, self.c.floor)
        self.t = np.where(edge1 | edge2, self.t + length, limit)
        total3 = self.phase3 + (self.c.omega[2] + self.noise[2]) * length
        self.turns3 = self.turns3 + np.floor(total3 / (2 * np.pi))
        self.phase3 = np.mod(total3, 2 * np.pi)

    def _toggle(self, edge1: Bools, edge2: Bools, speed1: Floats) -> None:
        forward = np.where(speed1 > 0, 1.0, -1.0)
        self.phase1 = np.where(edge1, np.where(speed1 > 0, 0.0, np.pi), self.phase1)
        self.phase2 = np.where(edge2, 0.0, self.phase2)
        self.cycles = self.cycles + np.where(edge1, forward, 0.0) - edge2
        self.half1 = self.half1 + np.where(edge1, forward, 0.0)
        self.up = np.where(edge1 | edge2, 1.0 - self.up, self.up)
        self._draw(0, edge1)
        self._draw(1, edge2)

    def _take_corner(self, rows: NDArray[np.intp], limit: Floats, at: Floats, membrane: Floats, here: Bools) -> None:
        here = here & (limit < self.c.window) & (self.corners[0, rows, self.next] == limit)
        if not here.any():
            return
        enabled = here & (self.corners[4, rows, self.next] > 0)
        self.on_ramp = self.on_ramp | (enabled & ~np.isnan(self.c.ramp))
        if not self.c.counts_turns:
            self.base = np.where(enabled, 2 * np.pi * np.floor((self.membrane + np.pi) / (2 * np.pi)), self.base)
        self.comparing = self.comparing | enabled
        if not self.c.readout_q:
            at_once = enabled & ~np.isfinite(at) & self._looks_ahead(self.membrane)
            at[at_once], membrane[at_once] = self.t[at_once], self.membrane[at_once]
        _, jump, rate, pulses, _ = self.corners[:, rows, self.next]
        total = self.phase1 + np.where(here, jump, 0.0)
        edges = np.where(here & (jump != 0), np.floor(total / np.pi), 0.0)
        self.phase1 = total - edges * np.pi
        self.cycles, self.half1 = self.cycles + edges, self.half1 + edges
        self.up = np.where(np.mod(np.abs(edges), 2) == 1, 1.0 - self.up, self.up)
        watched = here & ~np.isfinite(at) & ~self.on_ramp
        self.peak = np.where(watched, np.maximum(self.peak, np.abs(self._error())), self.peak)
        self.pulses = self.pulses + np.where(here, pulses, 0.0)
        self.pulse = np.where(self.pulses == 0, 0.0, self.pulse + np.where(here, rate, 0.0))
        self.next = self.next + here

    def _decide(self, length: Floats, slope: Floats) -> tuple[Floats, Floats]:
        at, membrane = np.full(len(length), np.inf), np.zeros(len(length))
        if not self.c.readout_q:
            end = np.maximum(self.membrane + slope * length, self.c.floor)
            wrapped = (end < self.base - np.pi) & (not self.c.counts_turns)
            for hit, level in ((end >= self.base, self.base), (wrapped, self.base - np.pi)):
                hit = hit & self.comparing
                at[hit] = (self.t + np.divide(level - self.membrane, slope, out=np.zeros_like(slope), where=hit))[hit]
                membrane[hit] = level[hit]
            return at, membrane
        speed3 = self.c.omega[2] + self.noise[2]
        x = (2 * np.pi - self.phase3) / speed3
        while (due := (x <= length) & self.comparing & ~np.isfinite(at)).any():
            expected = np.maximum(self.membrane + slope * x, self.c.floor)
            hit = due & self._looks_ahead(expected)
            at[hit], membrane[hit] = (self.t + x)[hit], expected[hit]
            x = x + 2 * np.pi / speed3
        return at, membrane

    def _phase2_after(self, x: Floats) -> Floats:
        relaxed = np.pi * (self.filter - self.up) * np.expm1(-self.c.r * x) / self.c.r
        total: Floats = self.phase2 + self._steady_speed2() * x - relaxed
        return total

    def _steady_speed2(self) -> Floats:
        """Return the frequency of VCO2 once the filter has followed UP, [trial]."""
        return np.asarray(self.c.omega[1] + self.noise[1] + np.pi * (self.up - 0.5))

    def _time_of_edge2(self, whole: Floats) -> Floats:
        gained = self._phase2_after(whole) - self.phase2
        share = np.divide(np.pi - self.phase2, gained, out=np.ones_like(gained), where=gained > 0)
        x: Floats = whole * np.clip(share, 0.0, 1.0)
        for _ in range(4):
            speed = self.c.omega[1] + self.noise[1]
            speed = speed + np.pi * (self.up - 0.5 + (self.filter - self.up) * np.exp(-self.c.r * x))
            x = np.clip(x - (self._phase2_after(x) - np.pi) / speed, 0.0, whole)
        return x

    def _error(self) -> Floats:
        return np.asarray(self.cycles * np.pi + self.phase1 - self.phase2 - np.pi / 2)

    def _looks_ahead(self, membrane: Floats) -> Bools:
        """Tell whether the flip-flop, which compares modulo 2 pi, sees VCO4 ahead: for a difference in [0, pi).

        A counter for any > 0.
        """
        if self.c.counts_turns:
            return np.asarray(membrane >= 0)
        return np.asarray(np.mod(membrane, 2 * np.pi) < np.pi)

    def _draw(self, stream: int, where: Bools) -> None:
        moved = held_ripple(self.c, self.t) if self.c.ripple else np.zeros((4, 1))
        if not any(self.c.noise):
            if self.c.ripple:
                for vco in (stream, stream + 2):
                    self.noise[vco] = np.where(where, moved[vco], self.noise[vco])
            return
        first, second = normal_pair(self.seeds, stream, self.draws[stream])
        drawn = {stream: first, stream + 2: second}
        for vco, normal in drawn.items():
            self.noise[vco] = np.where(where, self.c.noise[vco] * normal + moved[vco], self.noise[vco])
        self.draws[stream] += where.astype(np.uint64)
