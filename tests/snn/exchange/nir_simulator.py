"""What NIR's definitions say a graph does, step by step in time: independent of how our networks compute."""

from typing import Any

import nir
import numpy as np
import torch
from torch.nn import functional as dense


def first_spikes(graph: nir.NIRGraph, inputs: dict[str, np.ndarray], end_s: float, step_s: float) -> dict[str, Any]:
    """Return the first spike time [neuron ...] of every IF, s; inf: none. Input spikes are Dirac pulses at `inputs`, s.

    LI: tau dv/dt = v_leak - v + r I. IF: dv/dt = r I, a spike and v = v_reset from v_threshold on.
    """
    before: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, target in graph.edges:
        before[target].append(source)
    order: list[str] = []
    while len(order) < len(graph.nodes):
        order += [n for n in graph.nodes if n not in order and all(b in order for b in before[n])]
    state = {n: np.zeros_like(node.r) for n, node in graph.nodes.items() if isinstance(node, nir.LI | nir.IF)}
    first = {n: np.full(node.r.shape, np.inf) for n, node in graph.nodes.items() if isinstance(node, nir.IF)}
    again = {n: np.zeros(node.r.shape, dtype=int) for n, node in graph.nodes.items() if isinstance(node, nir.IF)}
    for number in range(round(end_s / step_s)):
        now = number * step_s
        charge: dict[str, np.ndarray] = {}  # of each node's output over the step: pulses count 1, currents I dt
        for name in order:
            node = graph.nodes[name]
            received: Any = sum(charge[b] for b in before[name])
            if isinstance(node, nir.Input):
                times = inputs.get(name, np.zeros(tuple(node.input_type["input"])))
                charge[name] = ((times >= now) & (times < now + step_s)).astype(float)
            elif isinstance(node, nir.Conv2d):
                options = {"stride": node.stride, "padding": node.padding, "groups": node.groups}
                weight = torch.from_numpy(node.weight).double()
                charge[name] = dense.conv2d(torch.from_numpy(received)[None], weight, **options)[0].numpy()
            elif isinstance(node, nir.Linear):
                charge[name] = node.weight.astype(float) @ received
            elif isinstance(node, nir.Affine):
                charge[name] = node.weight.astype(float) @ received + node.bias * step_s
            elif isinstance(node, nir.Flatten):
                charge[name] = received.ravel()
            elif isinstance(node, nir.LI):
                v = state[name] + node.r * received / node.tau
                charge[name] = v * node.tau * -np.expm1(-step_s / node.tau)
                state[name] = v * np.exp(-step_s / node.tau)
            elif isinstance(node, nir.IF):
                v = state[name] + node.r * received
                fired = v >= node.v_threshold
                first[name] = np.where(fired, np.minimum(first[name], now), first[name])
                again[name] += fired
                state[name] = np.where(fired, node.v_reset, v)
                charge[name] = fired.astype(float)
            else:
                charge[name] = received
    assert max(int(n.max()) for n in again.values()) == 1  # all neurons spike once
    return first
