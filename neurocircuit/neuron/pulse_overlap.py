"""Spikes as they act on VCO1: when, and how much of their jumps is left where they overlap.

The phase jumps of a compressive VCO1 do not add up.

With f(I) = k I - c I² of VCO1's tuning curve, spikes of jumps a and b (rad) that coincide move the phase by
a + b - κ a b with the strength κ of their overlap: two sources by less than their sum; a source and a sink that cancel
as currents by nothing, where their jumps alone would differ. With the lag between them this falls to nothing, along a
straight line to a width that depends on the two signs and, for a source and a sink, on which comes first: the nodes of
a source empty slowly into VCO1. Each of the two weights carries half of the difference, so that every level sees it
without knowing of currents.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.spec import NeuronSpec

_FAR = 1e9  # tau between spikes that never meet
SOURCES, SINKS, SINK_AFTER_SOURCE, SOURCE_AFTER_SINK = range(4)  # kinds of pairs


@dataclass(frozen=True)
class PulseOverlap:
    """What a circuit makes of spikes that meet: strength (per rad) and width (units of tau) by kind of pair.

    phase_per_weight_rad: as in the spec; sink_advance: by how much a sink acts earlier, units of tau.
    """

    strength: tuple[float, float, float, float]
    width: tuple[float, float, float, float]
    phase_per_weight_rad: float
    sink_advance: float

    @classmethod
    def of(cls, spec: NeuronSpec) -> "PulseOverlap":
        """Return that of the spec's transistors; without them spikes neither overlap nor come early."""
        circuit = spec.circuit
        if circuit is None:
            return cls((0.0,) * 4, (0.0,) * 4, spec.phase_per_weight_rad, 0.0)
        sinks = circuit.overlap if circuit.overlap_sinks is None else circuit.overlap_sinks
        both = circuit.overlap if circuit.overlap_both is None else circuit.overlap_both
        strength = (circuit.overlap, sinks, both, both)
        if not any(strength):
            strength = (0.0,) * 4
        w1, w2, w3, w4 = circuit.overlap_width_s or (circuit.spike_width_s,) * 4
        width = (w1 / spec.tau_s, w2 / spec.tau_s, w3 / spec.tau_s, w4 / spec.tau_s)
        return cls(strength, width, spec.phase_per_weight_rad, circuit.sink_advance_s / spec.tau_s)

    @property
    def is_none(self) -> bool:
        """Whether spikes act as their weights say, at their times."""
        return not any(self.strength) and self.sink_advance == 0

    def left(self, weights: Any, beside: Any) -> Any:
        """Return what is left of weights beside Σ_j κ_ij w_j of the spikes that they meet; arrays of one shape."""
        return weights - self.phase_per_weight_rad / 2 * weights * beside


def share(lag: Any, width: Any, strength: Any, xp: Any) -> Any:
    """Strength of the overlap of pairs, per rad, by their lag >= 0, with the width and strength of their kind.

    Lags and widths in units of tau; xp: the namespace of the arrays, numpy or torch.
    """
    return xp.clip(1.0 - lag / width, 0.0, None) * strength


def overlapping_weights(spec: NeuronSpec, t_over_tau: Floats, weights: Floats) -> Floats:
    """Weights [trial, input] as they act beside each other, from times (units of tau) and weights, both [trial, input].

    The weights themselves for a spec without circuit, or one whose spikes do not overlap.
    """
    overlap = PulseOverlap.of(spec)
    if not any(overlap.strength):
        return weights
    trials, inputs = weights.shape
    heard = np.isfinite(t_over_tau) & (weights != 0.0)
    times = np.where(heard, t_over_tau, _FAR * (1.0 + np.arange(inputs)))
    order = np.argsort(times, axis=1, kind="stable")
    t, w = np.take_along_axis(times, order, axis=1), np.take_along_axis(weights, order, axis=1)
    beside = np.zeros((trials, inputs))  # Σ_j κ_ij w_j
    for apart in range(1, inputs):  # the n-th spike and the n-th + apart
        lag = t[:, apart:] - t[:, :-apart]
        if not (lag < max(overlap.width)).any():  # nor for any spikes that are farther apart
            break
        first, later = w[:, :-apart], w[:, apart:]
        shared = _shared(overlap, lag, first > 0, later > 0)
        beside[:, :-apart] += shared * later
        beside[:, apart:] += shared * first
    acting = weights.copy()
    np.put_along_axis(acting, order, overlap.left(w, beside), axis=1)
    return acting


def acting_times(spec: NeuronSpec, t_over_tau: Floats, weights: Floats) -> Floats:
    """Times [trial, input] (units of tau) at which spikes act, not before arming: sinks a little before sources.

    The times themselves for a spec without circuit, or one whose sink_advance is 0.
    """
    advance = PulseOverlap.of(spec).sink_advance
    if advance == 0:
        return t_over_tau
    return np.where(weights < 0, np.maximum(t_over_tau - advance, 0.0), t_over_tau)


def _shared(overlap: PulseOverlap, lag: Floats, first: Bools, later: Bools) -> Floats:
    """Return the strength by lag >= 0 of pairs of any kind, from whether each of the two is a source; any one shape."""
    mixed = np.where(first | (lag == 0.0), SINK_AFTER_SOURCE, SOURCE_AFTER_SINK)
    kind = np.where(first == later, np.where(first, SOURCES, SINKS), mixed)
    return np.asarray(share(lag, np.array(overlap.width)[kind], np.array(overlap.strength)[kind], np))
