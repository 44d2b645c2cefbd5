"""Spikes as they act on VCO1: when, and how much of their jumps is left where they overlap.

The phase jumps of a compressive VCO1 do not add up.

With f(I) = k I - c I² of VCO1's tuning curve, spikes of jumps a and b (rad) that coincide move the phase by
a + b - crowding·a·b: two sources by less than their sum; a source and a sink that cancel as currents by nothing, where
their jumps alone would differ. With the lag between them this falls to nothing, along a straight line to a width that
depends on the two signs and, for a source and a sink, on which comes first: the nodes of a source empty slowly into
VCO1. Each of the two weights carries half of the difference, so that every level sees it without knowing of currents.
"""

from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.spec import NeuronSpec

_FAR = 1e9  # tau between spikes that never meet


def crowded(spec: NeuronSpec, t_over_tau: Floats, weights: Floats) -> Floats:
    """Weights [trial, input] as they act beside each other, from times (units of tau) and weights, both [trial, input].

    The weights themselves for a spec without circuit, or one whose crowding is 0.
    """
    circuit = spec.circuit
    if circuit is None or not (circuit.crowding or circuit.crowding_sinks or circuit.crowding_both):
        return weights
    sinks = circuit.crowding if circuit.crowding_sinks is None else circuit.crowding_sinks
    widths = circuit.crowding_width_s or (circuit.spike_width_s,) * 4
    both = circuit.crowding if circuit.crowding_both is None else circuit.crowding_both
    kinds = _Kinds((circuit.crowding, sinks, both, both), np.array(widths) / spec.tau_s)
    trials, inputs = weights.shape
    heard = np.isfinite(t_over_tau) & (weights != 0.0)
    times = np.where(heard, t_over_tau, _FAR * (1.0 + np.arange(inputs)))
    order = np.argsort(times, axis=1, kind="stable")
    t, w = np.take_along_axis(times, order, axis=1), np.take_along_axis(weights, order, axis=1)
    beside = np.zeros((trials, inputs))  # Σ_j crowding_ij w_j
    for apart in range(1, inputs):  # the n-th spike and the n-th + apart
        lag = t[:, apart:] - t[:, :-apart]
        if not (lag < kinds.width.max()).any():  # nor for any spikes that are farther apart
            break
        first, later = w[:, :-apart], w[:, apart:]
        shared = kinds.between(lag, first > 0, later > 0)
        beside[:, :-apart] += shared * later
        beside[:, apart:] += shared * first
    found = weights.copy()
    np.put_along_axis(found, order, w - spec.phase_per_weight_rad / 2 * w * beside, axis=1)
    return found


def arriving(spec: NeuronSpec, t_over_tau: Floats, weights: Floats) -> Floats:
    """Times [trial, input] (units of tau) at which spikes act, not before arming: sinks a little before sources.

    The times themselves for a spec without circuit, or one whose sink_advance is 0.
    """
    if spec.circuit is None or spec.circuit.sink_advance_s == 0:
        return t_over_tau
    earlier = np.maximum(t_over_tau - spec.circuit.sink_advance_s / spec.tau_s, 0.0)
    return np.where(weights < 0, earlier, t_over_tau)


@dataclass(frozen=True)
class _Kinds:
    """Crowding (per rad) and width (units of tau) of two sources, two sinks, sink after source, source after sink."""

    crowding: tuple[float, float, float, float]
    width: Floats

    def between(self, lag: Floats, first: Bools, later: Bools) -> Floats:
        """Crowding of pairs by lag >= 0 (units of tau), and whether each of the two is a source; any one shape."""
        source_first = first | (lag == 0.0)
        kind = np.where(first == later, np.where(first, 0, 1), np.where(source_first, 2, 3))
        share: Floats = np.maximum(1.0 - lag / self.width[kind], 0.0) * np.array(self.crowding)[kind]
        return share
