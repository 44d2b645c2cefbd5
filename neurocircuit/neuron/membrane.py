"""The membrane of a neuron over its whole window, and the first time at which it passes a disturbed threshold.

What eq. (4) says of the crossing alone, its slope, does not say when a disturbed neuron fires: earlier spikes bend the
membrane, an earlier bump may have come near the threshold, and noise has grown since arming. So

    the neuron fires at the first t with   V(t) >= 1 + shift + g(t) ξ

V: the membrane on a grid, with what all chips share: the second pole of the loop, half a spike's width, the drift by
the spec's own frequency errors. shift: chip and bias, thresholds. g(t): spread of the event by phase noise after t
since arming, beside the ripple of the XOR, which the start phases place; ξ: one number for each event, in units of g.
Flicker, which stands still within an event, takes a drift of its own from V.

Kernel of the loop of eq. (2), r = w_lf τ, p1 and p2 the roots of p² - r p + r (complex below r = 4):

    h(x) = [p1/p2 (1 - e^{-p2 x}) - p2/p1 (1 - e^{-p1 x})]/(p1 - p2)        r -> ∞: 1 - e^{-x}

Under a readout window the grid begins at the arming, from where on no input comes: V follows from the sums over the
spikes at that instant, on a ramp V(arming) and a straight line.

The relations serve numpy and torch alike: `xp` is the namespace of the arrays that they get (snn/hardware/
first_passage.py sums the same kernel over the spikes of a whole layer).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.signal import lfilter

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.pulse_overlap import acting_times, overlapping_weights
from neurocircuit.neuron.sensitivity import drift, phase_noise_spread
from neurocircuit.spec import NeuronSpec

STEP_over_tau = 0.02  # a kink of weight w within a step is off by w·STEP/4 thresholds at most
Poles = tuple[Any, Any]  # p1, p2: float, or complex below r = 4


@dataclass(frozen=True)
class Membranes:
    """Membranes of neurons: grid [instant] (units of tau, while the comparator decides), v and g."""

    grid: Floats
    v: Floats  # [neuron, instant], thresholds
    g: Floats  # [instant], thresholds per unit of ξ

    def take(self, which: np.ndarray) -> "Membranes":
        """Return those of some neurons."""
        return Membranes(self.grid, self.v[which], self.g)

    def without(self, taken: Floats) -> "Membranes":
        """Return them less what a drift takes from each, [neuron, instant], thresholds."""
        return replace(self, v=self.v - taken)

    def first_passages(self, shift: Floats, xi: Floats) -> Floats:
        """Return the times [neuron] of the first passage, units of tau; inf: none within the window."""
        above = self.v - xi[:, None] * self.g - (1.0 + shift)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(first_passage(above, self.grid, self.grid[1] - self.grid[0], 1, np))

    def event_of(self, t_over_tau: Floats, shift: Floats, scale: Floats | float | None = None) -> Floats:
        """Return ξ [neuron] with which a neuron would first pass at t; with scale = 1 a disturbance in thresholds.

        For a neuron that stayed silent (inf) the least ξ that it can have had.
        """
        over = (self.v - (1.0 + shift)[:, None]) / (self.g if scale is None else scale)
        best = np.maximum.accumulate(over, axis=1)
        since = np.minimum(t_over_tau, self.grid[-1]) - self.grid[0]
        grid_position = np.maximum(since, 0.0) / (self.grid[1] - self.grid[0])
        low = np.minimum(grid_position.astype(np.int64), len(self.grid) - 2)
        rows = np.arange(len(low))
        share = grid_position - low
        inside: Floats = over[rows, low] * (1.0 - share) + over[rows, low + 1] * share
        return np.asarray(np.maximum(inside, best[rows, low]))


def membranes(spec: NeuronSpec, t_over_tau: Floats, weights: Floats, step_over_tau: float = STEP_over_tau) -> Membranes:
    """Of neurons that receive spikes t [neuron, input] (units of tau) with weights [neuron, input]."""
    grid = grid_of(spec, step_over_tau)
    t_over_tau, weights = acting_times(spec, t_over_tau, weights), overlapping_weights(spec, t_over_tau, weights)
    if spec.readout_window is not None:
        return Membranes(grid, _after_arming(spec, t_over_tau, weights, grid), event_scale(spec, grid))
    window, step, count = spec.window_over_tau, grid[1], len(grid)
    late = t_over_tau + spec.spike_width_s / (2.0 * spec.tau_s)
    heard = (late < window) & (weights != 0.0)
    neuron, _ = np.nonzero(heard)
    t, w = late[heard], weights[heard]
    at = np.ceil(t / step).astype(np.int64).clip(0, count - 1)
    flat, shape = neuron * count + at, (len(t_over_tau), count)
    poles, decayed = loop_poles(spec.loop_ratio), []
    for pole in poles:
        kick = w * np.exp(-pole * (grid[at] - t))
        start = np.bincount(flat, kick.real, shape[0] * count)
        if np.iscomplexobj(kick):
            start = start + 1j * np.bincount(flat, kick.imag, shape[0] * count)
        decayed.append(lfilter([1.0], [1.0, -np.exp(-pole * step)], start.reshape(shape), axis=1))
    total = np.bincount(flat, w, shape[0] * count).reshape(shape).cumsum(axis=1)
    v = with_both_poles(total, decayed[0], decayed[1], poles)
    return Membranes(grid, np.real(v) - drift(spec, grid), event_scale(spec, grid))


def _after_arming(spec: NeuronSpec, t_over_tau: Floats, weights: Floats, grid: Floats) -> Floats:
    """Return the membranes [neuron, instant] under a readout window; only what comes before the arming acts.

    In form `forced` what comes at the arming acts too.
    """
    armed, poles = spec.armed_over_tau, loop_poles(spec.loop_ratio)
    heard = t_over_tau < armed if spec.ramp_slope is not None else t_over_tau <= armed
    w = np.where(heard, weights, 0.0)
    waited = np.where(heard, armed - t_over_tau - spec.spike_width_s / (2.0 * spec.tau_s), 0.0)
    if spec.ramp_slope is not None:  # a pulse that the arming cuts has acted for less than half of its width
        waited = np.maximum(waited, 0.0)
    sums = (w.sum(axis=1), *(np.sum(w * np.exp(-pole * waited), axis=1) for pole in poles))
    total, fast, slow = (values[:, None] for values in sums)
    since = grid - armed
    if spec.ramp_slope is None:
        v = with_both_poles(total, fast * np.exp(-poles[0] * since), slow * np.exp(-poles[1] * since), poles)
        return np.asarray(np.real(v) - drift(spec, grid))
    v = np.real(with_both_poles(total, fast, slow, poles))
    return np.asarray(v + spec.ramp_slope * since - drift(spec, grid))


def grid_of(spec: NeuronSpec, step_over_tau: float) -> Floats:
    """Return the instants from arming to the window's end, evenly spaced by at most the step, units of tau."""
    length = spec.window_over_tau - spec.armed_over_tau
    return np.linspace(spec.armed_over_tau, spec.window_over_tau, max(int(np.ceil(length / step_over_tau)), 1) + 1)


def with_both_poles(total: Any, fast: Any, slow: Any, poles: Poles) -> Any:
    """Membrane from Σ w, Σ w e^{-p1 x} and Σ w e^{-p2 x} over the spikes so far, arrays of one shape: Σ w h(x)."""
    p1, p2 = poles
    return (p1 / p2 * (total - slow) - p2 / p1 * (total - fast)) / (p1 - p2)


def unit_response(x: Any, poles: Poles, xp: Any) -> Any:
    """h(x), x >= 0 an array of `xp`, units of tau, for real poles: the membrane that a spike of weight 1 has made."""
    p1, p2 = poles
    return 1.0 + p2 / p1 / (p1 - p2) * xp.exp(-p1 * x) - p1 / p2 / (p1 - p2) * xp.exp(-p2 * x)


def first_passage(above: Any, grid: Any, step: Any, axis: int, xp: Any) -> Any:
    """Return the instants at which `above`, sampled on the grid along an axis, first reaches 0, a line between samples.

    Shape of `above` without that axis; inf: it never does. Arrays of `xp`.
    """
    reached = above >= 0.0
    at = xp.argmax(xp.asarray(reached, dtype=xp.uint8), axis, keepdims=True)
    take = xp.take_along_axis if hasattr(xp, "take_along_axis") else xp.take_along_dim
    before, after = take(above, xp.clip(at - 1, 0, None), axis), take(above, at, axis)
    back = xp.where(at > 0, after / (after - before), 0.0)
    t = xp.where(after >= 0.0, grid[at] - back * step, xp.inf)
    return xp.squeeze(t, axis)


def loop_poles(ratio: float) -> Poles:
    """Return p1, p2 of the loop; at r = 4 a little beside the double pole."""
    inner = ratio * ratio - 4.0 * ratio
    if abs(inner) < 1e-6:
        inner = 1e-6
    root = np.sqrt(inner) if inner > 0 else 1j * np.sqrt(-inner)
    return (ratio + root) / 2.0, (ratio - root) / 2.0


def ripple(spec: NeuronSpec) -> float:
    """Return what the XOR's pulses leave on the membrane at rest, peak to peak, thresholds."""
    return float(np.pi * spec.vco4_swing_Hz / (4.0 * spec.f0_Hz) / spec.fixed_lead_rad)


def event_scale(spec: NeuronSpec, t_over_tau: Floats) -> Floats:
    """Return g(t), thresholds per unit of ξ, same shape: phase noise beside a uniform place in half the ripple."""
    return np.asarray(np.hypot(phase_noise_spread(spec, t_over_tau), ripple(spec) / np.sqrt(12.0) / 2.0))
