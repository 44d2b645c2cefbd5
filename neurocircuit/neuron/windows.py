"""Windowed neurons: a clipped ReLU layer as spike times of eq. (3).

With z = e^t on a layer's clock (z = 1 when it is armed, τ = 1, threshold 1), U = z (V - 1) is a sum of ramps,

    U(z) = Σ_{z_i < z} w_i (z - z_i) - z                                                                       (W1)

An activation x in 0 … X is a spike within a window of length T; b = e^(window's end - arming) <= 1 is its age:

    z_i = b_i (1 - a_i x_i/X_i),   a = 1 - e^-T                                                                (W2)

Form `forced`: neurons that have not spiked do so at the window's end. All inputs come before the arming, so the causal
set is the fan-in, and with y = Σ v x + c, bias spikes w1 at z1 (first input window opens) and w2 at the arming, and
σ = Σ w + w1 + w2 - 1, the neuron fires at

    z = 1 + L (1 - y/X),   L = e^T - 1                                                                         (W3)
    w_i = σ (L/X) (X_i/(a_i b_i)) v_i                                                                          (W4)
    w1 (1 - z1) = 1 - σ [L (1 - c/X) + Σ (w_i/σ) (1 - b_i)],   w2 = σ + 1 - Σ w - w1                           (W5)

at the arming for y >= X, at the window's end for y <= 0. σ is free; without w1 it is 1/[L (1 - c/X) + …].

Form `ramp`: synaptic currents end at the arming, and a constant current r reads the membrane out:

    V(1) = Σ w_i (1 - z_i) + w1 (1 - z1),   t = (1 - V(1))/r = T (1 - y/X)                                     (W6)
    w_i = r T (X_i/(a_i b_i X)) v_i,   w1 (1 - z1) = 1 - r T (1 - c/X) - Σ w_i (1 - b_i)                       (W7)

A silent neuron whose window ends at the arming adds nothing there; one whose window ends earlier spikes at its end.
The next layer reads x = X φ(y/X), φ(u) = (1 - e^-Tu)/(1 - e^-T). Functions of v and c serve numpy and torch alike.

A neuron of threshold 1 + δ, all else unchanged, fires as one of threshold 1 and another y would (on a ramp at once):

    forced: z' = z σ/(σ - δ),     ramp: t' = t + δ/r,  y' = y - X δ/(r T)                                       (W8)
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.on_time import Span
from neurocircuit.spec.windowed import INPUT, ConcatNode, Form, LayerNode, MaxNode, WindowedGraph, sources

STEEPEST = 4.0  # times 1/L, the slope of a neuron without bias: one that would need more gets a second bias spike


@dataclass(frozen=True)
class Code:
    """How the channels of a node spike: window's end on the network's clock, T, X, activation of padding; [channel]."""

    end_over_tau: Floats
    window_over_tau: Floats
    largest: Floats
    padding: Floats


def codes(graph: WindowedGraph) -> dict[str, Code]:
    """Return the code of every node, the pixels' under `INPUT`; their window opens at 0."""
    padding = np.array(graph.pixel_padding)
    same = np.ones(len(padding))
    known = {INPUT: Code(same * graph.window_over_tau, same * graph.window_over_tau, same, padding)}
    for node in graph.nodes:
        inputs = [known[source] for source in sources(node)]
        if isinstance(node, MaxNode):
            known[node.name] = inputs[0]
        elif isinstance(node, ConcatNode):
            parts = [[part.end_over_tau, part.window_over_tau, part.largest, part.padding] for part in inputs]
            known[node.name] = Code(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        else:
            same = np.ones(node.channels)
            end = arming_over_tau(node, known) + node.window_over_tau
            known[node.name] = Code(same * end, same * node.window_over_tau, same * node.largest, 0 * same)
    return known


def arming_over_tau(node: LayerNode, known: dict[str, Code]) -> float:
    """Return when a layer is armed, on the network's clock: the latest end of its inputs' windows."""
    return max(float(known[source].end_over_tau.max()) for source in sources(node))


def spans(graph: WindowedGraph) -> list[Span]:
    """Return when the neurons of each layer are on."""
    known = codes(graph)
    return [
        Span(
            opening_over_tau(node, known),
            np.inf if graph.form == "forced" else arming_over_tau(node, known),
            arming_over_tau(node, known) + node.window_over_tau,
            graph.form == "forced",
        )
        for node in graph.layers
    ]


def opening_over_tau(node: LayerNode, known: dict[str, Code]) -> float:
    """Return when the first window of a layer's inputs opens, on the network's clock."""
    ends = [known[source] for source in sources(node)]
    return min(float((code.end_over_tau - code.window_over_tau).min()) for code in ends)


def spike_z(x: Any, largest: Any, window_over_tau: Any) -> Any:
    """Spike of an activation on the clock of its window's end. Eq. (W2) with b = 1."""
    return 1.0 - window_share(window_over_tau) * x / largest


def window_share(window_over_tau: Any) -> Any:
    """Return a = 1 - e^-T, the share of the clock's z that a window of length T takes."""
    return -np.expm1(-window_over_tau)


def activation(z: Any, largest: Any, window_over_tau: float) -> Any:
    """Activation y of a spike at z on the layer's clock. Inverse of eq. (W3)."""
    return largest * (1.0 - (z - 1.0) / math.expm1(window_over_tau))


def spike_over_tau(form: Form, node: LayerNode, y: Any, xp: Any = np) -> Any:
    """Time of a spike from its layer's arming, units of tau; inf beyond the window. Eq. (W3), (W6).

    xp: namespace of y, numpy or torch.
    """
    missing = xp.clip(1.0 - (y - node.offset) / node.largest, 0.0, None)
    T = node.window_over_tau
    t = xp.log1p(math.expm1(T) * missing) if form == "forced" else T * missing
    return xp.where(missing <= 1.0, t, xp.inf)


def at_threshold(form: Form, node: LayerNode, y: Any, slope: Any, error: Any, xp: Any = np) -> Any:
    """Return the y' that neurons of threshold 1 + error show, shape of y; -inf: they never fire. Eq. (W8).

    slope: σ, or r of form ramp. xp: namespace of y, numpy or torch.
    """
    X = node.largest
    if form == "ramp":
        return y - X / node.window_over_tau * error / slope
    L, slope_left = math.expm1(node.window_over_tau), slope - error
    moment = slope * (1.0 + L * (1.0 - (y - node.offset) / X))  # σ z: the membrane at the arming is σ + 1 - σ z
    z = moment / xp.where(slope_left > 0, slope_left, xp.ones_like(slope_left))
    stays_below = xp.where(moment <= slope_left, node.offset + X, -xp.inf)  # it falls: above at the arming or never
    return xp.where(slope_left > 0, node.offset + X * (1.0 - (z - 1.0) / L), stays_below)


@dataclass(frozen=True)
class Gain:
    """What turns weights v of one input into synaptic weights, and its age 1 - b; both [channel]."""

    per_slope: Floats  # w/σ (ramp: w/(r T)) of v = 1
    late: Floats


def gain(form: Form, node: LayerNode, code: Code, arming: float) -> Gain:
    """Gain of the channels of one input of a layer. Eq. (W4), (W7)."""
    b = np.exp(code.end_over_tau - arming)
    scale = math.expm1(node.window_over_tau) if form == "forced" else 1.0
    return Gain(scale / node.largest * code.largest / (window_share(code.window_over_tau) * b), 1.0 - b)


@dataclass(frozen=True)
class BiasSpikes:
    """Slope at the crossing [neuron], weights w1 at z_first and w2 at the arming (0 in form ramp)."""

    slope: Any
    first: Any
    last: Any
    z_first: float


def bias_spikes(form: Form, node: LayerNode, z_first: float, c: Any, total: Any, late: Any, xp: Any = np) -> BiasSpikes:
    """Slope and bias spikes of a layer's neurons. Eq. (W5), (W7).

    c [neuron]: bias of the ReLU network; total [neuron]: Σ w/σ over all inputs; late [neuron]: Σ (w/σ)(1 - b). For ramp
    σ is r T, and a slope r of 1/T is taken where the layer has none. xp: namespace of the arrays, numpy or torch.
    """
    missing = 1.0 - (c - node.offset) / node.largest
    if form == "ramp":
        scale = xp.ones_like(c) * (1.0 if node.slope is None else node.slope * node.window_over_tau)
        first = (1.0 - scale * missing - scale * late) / (1.0 - z_first)
        return BiasSpikes(scale / node.window_over_tau, first, xp.zeros_like(c), z_first)
    L = math.expm1(node.window_over_tau)
    needed = L * missing + late
    if node.slope is not None:
        slope = xp.ones_like(c) * node.slope
    else:
        steep = needed * STEEPEST / L < 1
        slope = xp.where(steep, xp.ones_like(c) * (STEEPEST / L), 1.0 / xp.where(steep, xp.ones_like(c), needed))
    first = (1.0 - slope * needed) / (1.0 - z_first)
    return BiasSpikes(slope, first, slope + 1.0 - slope * total - first, z_first)
