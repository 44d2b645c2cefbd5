"""A windowed network as physical neurons: who receives which spike, when each layer is armed, what its synapses weigh.

It is made from a `WindowedGraph` and its weights; neuron/windows.py has the equations. Times of a node stand on the
network's clock, τ = 1, 0 where the window of the pixels opens. A layer of neurons begins where the first window of its
inputs opens; the times of its neurons count from there.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.errors import InputError
from neurocircuit.network.physical import SILENT, Answer, Neurons, Pool, Shape, numbered, pool_over, receptive_fields
from neurocircuit.neuron import windows
from neurocircuit.neuron.windows import Code
from neurocircuit.spec import LayerMapping, NeuronSpec
from neurocircuit.spec.neuron import ReadoutWindow
from neurocircuit.spec.windowed import INPUT, ConcatNode, LayerNode, MaxNode, Term, WindowedGraph

BIAS_BITS = 8  # of bias synapses: two for each neuron, whose errors reach every image


@dataclass(frozen=True)
class WindowedLayer:
    """Neurons of one layer, channel first; `row` and `field` give each neuron's row of `kernel` and of `index`.

    index: number of the spike that each input receives, [field, input], in the order of `WindowedNetwork.received`; the
    channels of a position share it where they have the same synapses, and the last two inputs are the bias spikes.
    origin, armed, closes: on the network's clock.
    """

    node: LayerNode
    index: NDArray[np.int32]
    kernel: Floats
    row: NDArray[np.int32]
    field: NDArray[np.int32]
    origin_over_tau: float
    armed_over_tau: float
    ramp_slope: float | None
    late: Floats  # 1 - b of each input but the bias spikes, [input] or [row, input]

    @property
    def name(self) -> str:
        """Name of the layer in the graph."""
        return self.node.name

    @property
    def neurons(self) -> int:
        """How many there are."""
        return len(self.row)

    @property
    def fan_in(self) -> int:
        """Inputs of each, both bias spikes included."""
        return int(self.index.shape[1])

    @property
    def weights(self) -> int:
        """How many the network has here, both bias spikes of a row being one."""
        return int(np.count_nonzero(self.kernel[:, :-2])) + len(self.kernel)

    @property
    def synapses(self) -> int:
        """Most that a neuron has, both bias spikes included: a weight of 0 is none."""
        return int((self.kernel[:, :-2] != 0).sum(axis=1).max()) + 2

    @property
    def tau_over_base(self) -> float:
        """Time constant of its neurons over the network's: all layers have the same."""
        return 1.0

    @property
    def closes_over_tau(self) -> float:
        """End of the layer's own window."""
        return self.armed_over_tau + self.node.window_over_tau

    def with_clock(self, factor: float) -> "WindowedLayer":
        """Return the layer as `WindowedNetwork.with_clock` has it."""
        return replace(
            self,
            node=self.node.replace(window_over_tau=factor * self.node.window_over_tau),
            origin_over_tau=factor * self.origin_over_tau,
            armed_over_tau=factor * self.armed_over_tau,
            ramp_slope=None if self.ramp_slope is None else self.ramp_slope / factor,
        )

    def readout_window(self, tau_s: float) -> ReadoutWindow:
        """Return arming and window of the layer's neurons, from its origin."""
        return ReadoutWindow(
            form="forced" if self.ramp_slope is None else "ramp",
            armed_s=(self.armed_over_tau - self.origin_over_tau) * tau_s,
            length_s=self.node.window_over_tau * tau_s,
            slope=self.ramp_slope,
        )

    def neuron(self, base: NeuronSpec) -> NeuronSpec:
        """Return the neuron that all neurons of this layer are: `base` with the layer's readout window."""
        window = self.readout_window(base.tau_s)
        return base.replace(readout_window=window, window_s=max(base.window_s, window.closes_s))

    def rounded(self, scale: LayerMapping) -> Floats:
        """Return the kernel with synapses as a layer's bank makes them; bias spikes, not rounded, make up for it.

        They keep slope and bias of every neuron, eq. (W5), (W7): rounding acts on the weights of the ReLU network.
        """
        w = scale.in_force(self.kernel[:, :-2])
        change = w - self.kernel[:, :-2]
        late = change @ self.late if self.late.ndim == 1 else np.sum(change * self.late, axis=1)
        first = late / -math.expm1(self.origin_over_tau - self.armed_over_tau)
        last = change.sum(axis=1) - first if self.ramp_slope is None else np.zeros(len(w))
        return np.column_stack([w, self.kernel[:, -2] - first, self.kernel[:, -1] - last])

    def in_force(self, scale: LayerMapping) -> Floats:
        """Return the kernel as the banks of a layer's mapping make it."""
        kernel = self.rounded(scale)
        kernel[:, -2:] = (scale.bias_bank or scale.weight_bank).quantise(kernel[:, -2:])
        return kernel

    def with_bias_bank(self, scale: LayerMapping) -> LayerMapping:
        """Return the layer's mapping with a bank of its own for the bias synapses, which spans them."""
        bank = scale.weight_bank.with_bits(BIAS_BITS).spanning(self.rounded(scale)[:, -2:])
        return scale.replace(bias_bank=bank)

    def inputs(self, spikes: Floats, bias_over_tau: float, neurons: Neurons = slice(None)) -> Floats:
        """Return times [neuron, input] that neurons (default: all) receive from `WindowedNetwork.received`.

        bias_over_tau: of a free layer's bias spike; those of a windowed one stand among the spikes.
        """
        times: Floats = spikes[self.index[self.field[neurons]]]
        return times

    def alike(self, neurons: NDArray[np.integer]) -> NDArray[np.intp]:
        """Return an order of neurons in which those that receive the same spikes are together."""
        return np.argsort(self.field[neurons], kind="stable")

    @cached_property
    def blocks(self) -> list[tuple[NDArray[np.int32], NDArray[np.intp]]]:
        """Return neurons that are all pairs of some rows and some fields: fields [field], and neurons [row, field]."""
        fields = self.field.reshape(len(self.kernel), -1)  # [row, position]
        firsts, of_row = np.unique(fields[:, 0], return_inverse=True)
        positions = np.arange(fields.shape[1])
        rows = [np.flatnonzero(of_row == block) for block in range(len(firsts))]
        return [(fields[some[0]], some[:, None] * len(positions) + positions) for some in rows]

    def heard(
        self, spikes: Floats, bias_over_tau: float, neurons: NDArray[np.integer]
    ) -> tuple[Floats, NDArray[np.intp]]:
        """Return what `inputs` does, earliest first and without silent ones as far as no neuron hears more.

        And the number of each input [neuron, input]. A level is faster so, and its numbers are the same.
        """
        fields, of_neuron = np.unique(self.field[neurons], return_inverse=True)
        times = spikes[self.index[fields]]
        most = int(np.isfinite(times).sum(axis=1).max())
        order = np.argsort(times, axis=1, kind="stable")[:, :most]
        return np.take_along_axis(times, order, axis=1)[of_neuron], order[of_neuron]


class WindowedNetwork:
    """A `WindowedGraph` with its weights, unrolled: every position of a convolution has neurons of its own."""

    def __init__(self, graph: WindowedGraph, weights: Mapping[str, Floats]) -> None:
        """Unroll the graph. Raise InputError naming a weight that is missing or does not fit."""
        self.graph = graph
        self.codes = windows.codes(graph)
        self._clock = 1.0  # τ of the graph over that of the neurons
        self._layers: dict[str, WindowedLayer] = {}
        self._pools: dict[str, Pool] = {}
        self.shapes: dict[str, Shape] = {INPUT: graph.shape}
        for node in graph.nodes:
            if isinstance(node, LayerNode):
                self._layers[node.name], self.shapes[node.name] = self._layer(node, weights)
            elif isinstance(node, MaxNode):
                self._pools[node.name], self.shapes[node.name] = _pooled(node, self.shapes[node.source])
            else:
                parts = [self.shapes[source] for source in node.sources]
                self.shapes[node.name] = (sum(part[0] for part in parts), *parts[0][1:])

    @property
    def layers(self) -> tuple[WindowedLayer, ...]:
        """The layers of neurons, in order."""
        return tuple(self._layers.values())

    @property
    def neurons(self) -> int:
        """Of all layers."""
        return sum(layer.neurons for layer in self.layers)

    def with_clock(self, factor: float) -> "WindowedNetwork":
        """Return the network for neurons of another τ, 1/factor of this one's: windows and input keep their seconds.

        All times are in units of that τ.
        """
        network = copy.copy(self)
        network._clock = factor * self._clock
        network.codes = {
            name: replace(code, end_over_tau=factor * code.end_over_tau) for name, code in self.codes.items()
        }
        network._layers = {name: layer.with_clock(factor) for name, layer in self._layers.items()}
        return network

    def input_spikes(self, pixels: Floats) -> Floats:
        """Return spike times [number] of an image's pixels [channel, row, column], 0 … 1. Eq. (W2)."""
        if pixels.shape != self.graph.shape:
            raise InputError(f"pixels must be {list(self.graph.shape)}, got {list(pixels.shape)}")
        window = self.graph.window_over_tau
        times: Floats = window + np.log(windows.spike_z(pixels.ravel(), 1.0, window))
        return self._clock * np.maximum(times, 0.0)

    def propagate(
        self,
        spikes: Floats,
        layer_step: Callable[[int, Floats], tuple[Answer, Floats]],
        until: int | None = None,
    ) -> list[Answer]:
        """Return the answer of every layer (or of the first `until`) to the spikes [number] of an image's pixels.

        layer_step(k, spikes): what layer k makes of the spikes [number] that reach it, from its origin, as its `inputs`
        takes them: its answer, and its spikes [neuron] from there; inf: silent.
        """
        pixels = math.prod(self.graph.shape)
        if spikes.shape != (pixels,):
            raise InputError(f"an image must have {pixels} input spikes, as the network reads, got {spikes.size}")
        fired = {INPUT: spikes}
        answers: list[Answer] = []
        for node in self.graph.nodes:
            if isinstance(node, MaxNode):
                fired[node.name] = self._pools[node.name].earliest(fired[node.source])
            elif isinstance(node, ConcatNode):
                fired[node.name] = np.concatenate([fired[source] for source in node.sources])
            else:
                if len(answers) == until:
                    break
                layer = self._layers[node.name]
                answer, times = layer_step(len(answers), self.received(layer, fired))
                answers.append(answer)
                fired[node.name] = times + layer.origin_over_tau
        return answers

    def received(self, layer: WindowedLayer, spikes: Mapping[str, Floats]) -> Floats:
        """Return the spikes [number] that reach a layer, from its origin, from those of every node.

        Spikes and padding of each term, then both bias spikes. A pulse at each window's end forces silent neurons: all
        of them (form forced), or those of windows that end before the arming (ramp).
        """
        numbers = []
        for term in layer.node.terms:
            code = self.codes[term.source]
            channels = self.shapes[term.source][0]
            times = spikes[term.source].reshape(channels, -1)
            times = np.where(np.isinf(times) & _forced(layer, code)[:, None], code.end_over_tau[:, None], times)
            numbers += [times.ravel(), self._padding(layer, code)]
        bias = [layer.origin_over_tau, layer.armed_over_tau]
        return np.maximum(np.concatenate([*numbers, bias]) - layer.origin_over_tau, 0.0)

    def _padding(self, layer: WindowedLayer, code: Code) -> Floats:
        """Return spike times of padding by channel: of its activation, or of silence."""
        z = windows.spike_z(code.padding, code.largest, code.window_over_tau)
        times: Floats = code.end_over_tau + self._clock * np.log(z)
        if layer.ramp_slope is not None:
            return np.where((code.padding == 0) & ~_forced(layer, code), np.inf, times)
        return times

    def _layer(self, node: LayerNode, weights: Mapping[str, Floats]) -> tuple[WindowedLayer, Shape]:
        graph, armed = self.graph, windows.arming_over_tau(node, self.codes)
        origin = windows.opening_over_tau(node, self.codes)
        c = _weight(weights, node, node.bias).reshape(-1)
        per_slope, late, indices, first, size = [], [], [], 0, (1, 1)
        for term in node.terms:
            code, shape = self.codes[term.source], self.shapes[term.source]
            gain = windows.gain(graph.form, node, code, armed)
            v = _ungrouped(_weight(weights, node, term.weight), term.groups)
            index, size = _received(term, shape, v.shape)
            pixels = index.shape[1] // shape[0] if term.kind == "linear" else math.prod(v.shape[2:])
            w = v.reshape(len(v), -1) * np.repeat(gain.per_slope, pixels)
            if index.shape[1] != w.shape[1]:
                raise InputError(f"{term.weight} must have {index.shape[1]} inputs, got {w.shape[1]}")
            late.append(np.repeat(gain.late, pixels))
            per_slope.append(w)
            indices.append(index + first)
            first += math.prod(shape) + shape[0]
        w = np.concatenate(per_slope, axis=1)
        ages = np.concatenate(late)
        bias = windows.bias_spikes(graph.form, node, math.exp(origin - armed), c, w.sum(axis=1), w @ ages)
        scale = bias.slope if graph.form == "forced" else bias.slope * node.window_over_tau
        w = w * scale[:, None]
        positions = np.concatenate(indices, axis=1)
        count = len(positions)
        block: NDArray[np.integer] = np.zeros(len(c), dtype=np.int32)
        columns = _synapses(w)
        if columns is not None:
            w, ages = np.take_along_axis(w, columns, axis=1), ages[columns]
            columns, block = np.unique(columns, axis=0, return_inverse=True)
            positions = positions[:, columns].swapaxes(0, 1).reshape(-1, columns.shape[1])  # block after block
        positions = np.pad(positions, ((0, 0), (0, 2)))
        positions[:, -2:] = first, first + 1
        layer = WindowedLayer(
            node=node,
            index=positions.astype(np.int32),
            kernel=np.concatenate([w, bias.first[:, None], bias.last[:, None]], axis=1),
            row=np.repeat(np.arange(len(c), dtype=np.int32), count),
            field=(block.reshape(-1, 1) * count + np.arange(count)).ravel().astype(np.int32),
            origin_over_tau=origin,
            armed_over_tau=armed,
            ramp_slope=None if graph.form == "forced" else float(bias.slope[0]),
            late=ages,
        )
        return layer, (len(c), *size)


def _forced(layer: WindowedLayer, code: Code) -> Bools:
    """Return whether the pulse at a window's end makes silent neurons spike for a layer that reads them, [channel]."""
    return np.asarray(code.end_over_tau < (np.inf if layer.ramp_slope is None else layer.armed_over_tau))


def _weight(weights: Mapping[str, Floats], node: LayerNode, name: str) -> Floats:
    if name not in weights:
        raise InputError(f"weights must hold those of {node.name}; missing: {name}")
    return np.asarray(weights[name], dtype=np.float64)


def _synapses(w: Floats) -> NDArray[np.intp] | None:
    """Return the inputs [row, synapse] at which the rows of w [row, input] have synapses; None for all.

    As many of each row as of that with most, in order: only where this is half of the inputs at most, as of groups and
    of partial sums.
    """
    absent = w == 0
    most = w.shape[1] - int(absent.sum(axis=1).min())
    if 2 * most > w.shape[1]:
        return None
    return np.sort(np.argsort(absent, axis=1, kind="stable")[:, :most], axis=1)


def _ungrouped(v: Floats, groups: int) -> Floats:
    """Return weights [out, in, h, w] of a convolution, 0 between its groups."""
    if groups == 1:
        return v
    full = np.zeros((len(v), v.shape[1] * groups, *v.shape[2:]))
    each = len(v) // groups
    for group in range(groups):
        rows, columns = slice(group * each, (group + 1) * each), slice(group * v.shape[1], (group + 1) * v.shape[1])
        full[rows, columns] = v[rows]
    return full


def _received(term: Term, shape: Shape, weight_shape: tuple[int, ...]) -> tuple[NDArray[np.int32], tuple[int, int]]:
    """Return numbers [position, input] of the spikes of a term, those of padding behind the others, and the size."""
    if term.kind == "linear":
        return numbered(shape).reshape(1, -1), (1, 1)
    fields, size = receptive_fields(shape, weight_shape[2:], term.stride, term.padding, term.dilation)
    padding = math.prod(shape) + np.arange(shape[0], dtype=np.int32)
    of_input = np.repeat(padding, math.prod(weight_shape[2:]))
    return np.where(fields == SILENT, of_input, fields), size


def _pooled(node: MaxNode, shape: Shape) -> tuple[Pool, Shape]:
    """Return the gates of an earliest-spike pooling, and its shape."""
    sides = []
    for pixels, kernel, stride, padding in zip(shape[1:], node.kernel, node.stride, node.padding, strict=True):
        steps = (pixels + 2 * padding - kernel) / stride
        count = (math.ceil(steps) if node.ceil else math.floor(steps)) + 1
        if node.ceil and (count - 1) * stride >= pixels + padding:  # no window begins in the padding behind
            count -= 1
        sides.append((padding, max((count - 1) * stride + kernel - pixels - padding, 0)))
    rows, columns = sides
    return pool_over(shape, node.kernel, node.stride, (*columns, *rows))
