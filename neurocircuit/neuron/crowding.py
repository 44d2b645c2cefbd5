"""Spikes that overlap: the phase jumps of a compressive VCO1 do not add up.

With f(I) = k I - c I² of VCO1's tuning curve, spikes of jumps a and b (rad) that coincide move the phase by
a + b - crowding·a·b: two sources by less than their sum; a source and a sink that cancel as currents by nothing, where
their jumps alone would differ. Spikes that overlap for a share of their width do so in that share. Each of the two
weights carries half of the difference, so that every level sees it without knowing of currents.
"""

import numpy as np

from neurocircuit.record import Floats
from neurocircuit.spec import NeuronSpec

_LARGEST_BLOCK = 4_000_000  # pairs at a time: 32 MB each array


def crowded(spec: NeuronSpec, t_over_tau: Floats, weights: Floats) -> Floats:
    """Weights [trial, input] as they act beside each other, from times (units of tau) and weights, both [trial, input].

    The weights themselves for a spec without circuit, or one whose crowding is 0.
    """
    circuit = spec.circuit
    if circuit is None or circuit.crowding == 0:
        return weights
    trials, inputs = weights.shape
    width, half = circuit.spike_width_s / spec.tau_s, circuit.crowding * spec.phase_per_weight_rad / 2
    times = np.where(np.isfinite(t_over_tau), t_over_tau, -1e9)
    acting = np.where(np.isfinite(t_over_tau), weights, 0.0)
    found = weights.copy()
    block = max(1, _LARGEST_BLOCK // inputs**2)
    for begin in range(0, trials, block):
        part = slice(begin, begin + block)
        t, w = times[part], acting[part]
        overlap = np.maximum(1.0 - np.abs(t[:, :, None] - t[:, None, :]) / width, 0.0)
        overlap[:, np.arange(inputs), np.arange(inputs)] = 0.0
        found[part] -= half * w * np.einsum("tij,tj->ti", overlap, w)
    return found
