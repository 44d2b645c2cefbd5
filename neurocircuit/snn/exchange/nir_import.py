"""NIR graphs into networks: those that we wrote come back to the bit, others where their nodes mean the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.snn import checkpoint, unroll
from neurocircuit.snn.data.sets import Dataset
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.exchange.nir_parts import metadata_of, narrowed
from neurocircuit.snn.functional.geometry import resolve_padding
from neurocircuit.snn.layer_graph import GraphMaker, LayerGraphNetwork
from neurocircuit.snn.layers import SpikingConv2d, SpikingLinear
from neurocircuit.snn.mapping import NetworkOnCircuit
from neurocircuit.snn.model import Model
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.retime import Retime
from neurocircuit.snn.stages import run_stages
from neurocircuit.spec import MappedNetwork
from neurocircuit.spec.layer_graph import INPUT, Kind

_SAME_TAU = 1e-9  # relative
_NO_LEAK = "the membrane of n-LIF has no leak; what would serve: LI followed by IF"
_SERVES = {
    "LIF": _NO_LEAK,
    "CubaLIF": _NO_LEAK,
    "CubaLI": "a read-out that does not spike; what would serve: LI followed by IF",
    "I": "it does not spike; what would serve: IF",
    "Threshold": "it has no membrane; what would serve: IF",
    "SumPool2d": "what would serve: AvgPool2d in a network of IF, a Conv2d of ones and IF in one of LI and IF",
    "Conv1d": "what would serve: Conv2d with one row",
    "Scale": "what would serve: the factor in the weights behind it",
    "Delay": "what would serve: none",
    "NIRGraph": "a graph in a graph; what would serve: its nodes in this one",
}


def from_nir(
    source: nir.NIRGraph | Path | str, images: Dataset | str | None = None, encoding: Encoding | None = None
) -> Model:
    """Return the network of a NIR graph, or of its file.

    One that `to_nir` wrote has the very weights that went in. Of another writer's,

    - Linear or Conv2d, then LI, then IF is a layer of n-LIF neurons: weights are times r of both, over the threshold.
      Only the first spike of a neuron counts, whatever it is reset to.
    - Linear, Affine or Conv2d, then IF is a layer of ReLU, which spike rates of IF neurons carry; the last IF is left
      out. Such a network is to be converted (`nc.snn.convert`). AvgPool2d and Flatten stay what they are.

    Args:
        source: the graph, or a file that `nir.write` made.
        images: the data set that the network is for, or its name; needed for another writer's graph.
        encoding: how a pixel becomes a spike time; needed for another writer's n-LIF neurons.

    Raise InputError naming a node that means something else and what would serve, FileFormatError for a damaged file.
    """
    graph = _read(source)
    content = metadata_of(graph)
    if content is not None:
        return _as_written(graph, content)
    if images is None:
        raise InputError("images must name the data set that the network is for: the NIR graph does not say")
    data = DataSpec(name=images) if isinstance(images, str) else images.data
    shape = data.shape
    return Model.of(_Reader(graph, shape).network(), data, encoding, name="nir")


def circuit_from_nir(source: nir.NIRGraph | Path | str) -> NetworkOnCircuit:
    """Return the network on its circuit of a NIR graph that `to_nir` made of one. Raise InputError for another."""
    graph = _read(source)
    content = metadata_of(graph)
    if content is None or content.get("circuit") is None:
        raise InputError("the NIR graph must hold a circuit: export a mapped network")
    model = _as_written(graph, content)
    try:
        mapped = MappedNetwork.from_dict(content["circuit"])
    except (SpecError, TypeError) as error:
        raise FileFormatError(f"circuit of the NIR graph: {error}") from None
    unrolled = unroll.unrolled(model.subject, model.network)
    names = [layer.name for layer in unrolled.physical.layers]
    if len(names) != len(mapped.layers):
        raise FileFormatError(f"circuit of the NIR graph must have {len(names)} layers, got {len(mapped.layers)}")
    layers = tuple(layer.replace(name=name) for layer, name in zip(mapped.layers, names, strict=True))
    mapped = mapped.replace(layers=layers, checkpoint="weights.pt", checkpoint_sha256=model.sha256)
    return NetworkOnCircuit(mapped, unrolled, None, model)


def _read(source: nir.NIRGraph | Path | str) -> nir.NIRGraph:
    if isinstance(source, nir.NIRGraph):
        return source
    try:
        graph = nir.read(Path(source), type_check=False)
    except FileNotFoundError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}") from None
    except Exception as error:  # h5py and nir raise what they like
        raise FileFormatError(f"{source} is not a NIR file: {str(error).splitlines()[0]}") from None
    if not isinstance(graph, nir.NIRGraph):
        raise FileFormatError(f"{source} must hold a NIR graph, got {type(graph).__name__}")
    return graph


def _as_written(graph: nir.NIRGraph, content: dict[str, Any]) -> Model:
    """Return the network of a graph of ours: its layers by the metadata, its weights from the nodes."""
    try:
        subject, clocks = Subject.from_dict(content["subject"]), dict(content["clocks"])
    except (SpecError, KeyError, TypeError) as error:
        raise FileFormatError(f"metadata of the NIR graph: {error}") from None
    network = checkpoint.new_network(subject, torch.Generator().manual_seed(0))
    traced = checkpoint.traced_in(network)
    if traced is None or not traced.graph.is_spiking:
        raise FileFormatError("metadata of the NIR graph must describe a spiking network")
    weights = _Weights(graph)
    traced.eval()

    def step(stage: Any, values: Sequence[torch.Tensor]) -> torch.Tensor:
        layer = stage.module
        if isinstance(layer, SpikingConv2d | SpikingLinear):
            weights.put(stage.name, layer, values[0])
        elif isinstance(layer, Retime):
            layer.spread_so_far.fill_(clocks[stage.name][0])
            layer.batches.fill_(clocks[stage.name][1])
        result: torch.Tensor = stage(values)
        return result

    with torch.no_grad():
        run_stages(traced.stages, torch.ones(1, *traced.graph.shape), step)
    return Model(subject, network.train(), None, content.get("full_scale"))


class _Weights:
    """Weights of layers from the nodes of a graph of ours."""

    def __init__(self, graph: nir.NIRGraph) -> None:
        self._nodes = graph.nodes

    def put(self, name: str, layer: Any, z: torch.Tensor) -> None:
        """Set weight and bias of a layer that reads z. Raise FileFormatError naming a node that does not fit."""
        parts, k = [], 0
        while f"{name}_w{k}" in self._nodes:
            part = np.asarray(self._nodes[f"{name}_w{k}"].weight)
            if isinstance(layer, SpikingConv2d):
                kernel = (layer.weight.shape[2], layer.weight.shape[3])
                part = narrowed(
                    part, kernel, resolve_padding(layer.padding, (z.shape[2], z.shape[3]), kernel, layer.stride)
                )
            parts.append(part)
            k += 1
        if not parts:
            raise FileFormatError(f"the NIR graph must have a node {name}_w0 with the weights of {name}")
        made = {"weight": np.concatenate(parts, axis=1)}
        if layer.bias is not None:
            made["bias"] = np.asarray(self._node(f"{name}_wbias").weight).reshape(-1)
        for of, values in made.items():
            parameter = getattr(layer, of)
            if values.shape != tuple(parameter.shape):
                raise FileFormatError(
                    f"NIR graph: {of} of {name} must have the shape {tuple(parameter.shape)}, got {values.shape}"
                )
            parameter.data = torch.from_numpy(values.copy())

    def _node(self, name: str) -> Any:
        if name not in self._nodes:
            raise FileFormatError(f"the NIR graph must have a node {name}")
        return self._nodes[name]


@dataclass(frozen=True)
class _Sum:
    """Weighted inputs that wait for their neurons: node names and NIR nodes; synapse: the LI between."""

    weighted: tuple[tuple[str, nir.NIRNode], ...]
    synapse: tuple[str, nir.NIRNode] | None = None


class _Reader:
    """Reads the graph of another writer, node by node, in the order in which they compute."""

    def __init__(self, graph: nir.NIRGraph, shape: tuple[int, int, int]) -> None:
        self._graph, self._shape = graph, shape
        self._before: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for source, target in graph.edges:
            for end in (source, target):
                if end not in graph.nodes:
                    raise InputError(f"NIR edge {source} → {target} must join nodes of the graph, {end} is none")
            self._before[target].append(source)
        self._made = GraphMaker()
        self._values: dict[str, str | _Sum] = {}
        self._tau_s: dict[str, float] = {}  # of the neurons whose spikes a node of ours gives
        self._has_input = False
        self._spiking = any(isinstance(node, nir.LI) for node in graph.nodes.values())

    def network(self) -> LayerGraphNetwork:
        """Return the network. Raise InputError naming the first node that has no meaning here."""
        output = None
        for name in self._in_order():
            node = self._graph.nodes[name]
            kind = type(node).__name__
            if isinstance(node, nir.Input):
                self._input(name, node)
            elif isinstance(node, nir.Output):
                output = self._values[self._single(name)]
            elif isinstance(node, nir.Linear | nir.Affine | nir.Conv2d):
                self._values[name] = _Sum(((name, node),))
            elif isinstance(node, nir.LI):
                self._values[name] = _Sum(self._sums(name, "LI"), (name, node))
            elif isinstance(node, nir.IF):
                self._values[name] = self._neurons(name, node)
            elif isinstance(node, nir.Flatten):
                self._values[name] = self._add(name, "flatten", [self._spikes(name)])
            elif isinstance(node, nir.AvgPool2d) and not self._spiking:
                options = {of: _pair(getattr(node, of)) for of in ("kernel_size", "stride", "padding")}
                self._values[name] = self._add(name, "avg_pool2d", [self._spikes(name)], options)
            else:
                raise InputError(
                    f"NIR node {name} ({kind}) has no meaning here: {_SERVES.get(kind, 'it is no layer of spikes')}"
                )
        return self._finished(output)

    def _in_order(self) -> list[str]:
        """Return names of nodes, each behind those that it reads. Raise InputError for a loop."""
        done: dict[str, None] = {}
        waiting = list(self._graph.nodes)
        while waiting:
            ready = [name for name in waiting if all(source in done for source in self._before[name])]
            if not ready:
                raise InputError(f"NIR nodes must be without a loop: {', '.join(waiting[:3])} read each other")
            done |= dict.fromkeys(ready)
            waiting = [name for name in waiting if name not in done]
        return list(done)

    def _input(self, name: str, node: nir.Input) -> None:
        if self._has_input:
            raise InputError(f"NIR node {name} (Input) must be the only one")
        size = [int(n) for n in np.atleast_1d(node.input_type["input"])]
        pixels = int(np.prod(self._shape))
        if size not in ([pixels], list(self._shape)):
            raise InputError(f"NIR node {name} (Input) must be {list(self._shape)} as the images are, got {size}")
        self._values[name] = INPUT if len(size) > 1 else self._add("flat", "flatten", [INPUT])
        self._has_input = True

    def _single(self, name: str) -> str:
        if len(self._before[name]) != 1:
            raise InputError(f"NIR node {name} must read one node, got {len(self._before[name])}")
        return self._before[name][0]

    def _spikes(self, name: str) -> str:
        """Return the node of ours whose spikes a node reads."""
        value = self._values[self._single(name)]
        if isinstance(value, _Sum):
            raise InputError(
                f"NIR node {name} must read spikes, got those of {value.weighted[0][0]} before its neurons"
            )
        return value

    def _sums(self, name: str, kind: str) -> tuple[tuple[str, nir.NIRNode], ...]:
        values = [self._values[source] for source in self._before[name]]
        if not values or not all(isinstance(value, _Sum) and value.synapse is None for value in values):
            raise InputError(f"NIR node {name} ({kind}) must read Linear, Affine or Conv2d nodes")
        return tuple(weighted for value in values if isinstance(value, _Sum) for weighted in value.weighted)

    def _neurons(self, name: str, node: nir.IF) -> str:
        """Add the layer that ends in an IF."""
        values = [self._values[source] for source in self._before[name]]
        synapse = values[0].synapse if len(values) == 1 and isinstance(values[0], _Sum) else None
        gain = np.asarray(node.r) / np.asarray(node.v_threshold)
        if synapse is None:
            if self._spiking:
                raise InputError(f"NIR node {name} (IF) must read an LI, as the others do: n-LIF")
            weighted = self._sums(name, "IF")
        else:
            assert isinstance(values[0], _Sum)  # noqa: S101
            weighted = values[0].weighted
            gain = gain * np.asarray(synapse[1].r)
            if np.any(np.asarray(synapse[1].v_leak) != 0):
                raise InputError(f"NIR node {synapse[0]} (LI) must have v_leak 0: the synapse of n-LIF rests at 0")
        if not np.all(np.isfinite(gain)) or not np.all(gain > 0):
            raise InputError(f"NIR node {name} (IF) must have r and v_threshold > 0")
        sources = [self._spikes(of) for of, _ in weighted]
        kinds = {type(of).__name__.replace("Affine", "Linear") for _, of in weighted}
        if len(kinds) > 1:
            raise InputError(f"NIR node {name} must read weights of one kind, got {' and '.join(sorted(kinds))}")
        if synapse is not None:
            sources = self._on_clock(synapse[0], np.asarray(synapse[1].tau), sources)
        read = sources[0] if len(sources) == 1 else self._add(f"{name}_inputs", "cat", sources)
        layer = self._layer(name, weighted, read, gain, synapse is not None)
        if synapse is not None:
            self._tau_s[layer] = float(np.asarray(synapse[1].tau).flat[0])
            return layer
        return self._add(f"{name}_relu", "relu", [layer])

    def _on_clock(self, name: str, tau: Floats, sources: list[str]) -> list[str]:
        """Return the sources in units of a layer's tau: behind a clock where theirs is another."""
        if tau.size == 0 or not np.allclose(tau, tau.flat[0], rtol=_SAME_TAU, atol=0) or not tau.flat[0] > 0:
            raise InputError(f"NIR node {name} (LI) must have one tau > 0 for all its neurons")
        made = []
        for source in sources:
            before = self._tau_s.get(source)
            if before is None or abs(before / float(tau.flat[0]) - 1.0) <= _SAME_TAU:
                made.append(source)
                continue
            clock = self._add(f"{name}_clock", "retime", [source], {"spread_over_tau": 1.0})
            self._made.weights[f"{clock}.spread_so_far"] = torch.tensor(float(tau.flat[0]) / before)
            self._made.weights[f"{clock}.batches"] = torch.ones(())
            made.append(clock)
        return made

    def _layer(
        self, name: str, weighted: Sequence[tuple[str, nir.NIRNode]], read: str, gain: Floats, spiking: bool
    ) -> str:
        """Add the layer with all weights side by side; gain: of each neuron."""
        weight = np.concatenate([np.asarray(node.weight) for _, node in weighted], axis=1)
        biases = [np.asarray(node.bias) for _, node in weighted if getattr(node, "bias", None) is not None]
        bias = np.sum([np.broadcast_to(b, (len(weight),)) for b in biases], axis=0) if biases else np.zeros(len(weight))
        if spiking and np.any(bias != 0):
            raise InputError(
                f"NIR node {weighted[0][0]} must have bias 0: a constant current has no meaning for n-LIF; what would "
                "serve: an input that spikes once"
            )
        factor = self._by_row(name, gain, len(weight))
        first = weighted[0][1]
        options: dict[str, Any]
        if isinstance(first, nir.Conv2d):
            geometry = {of: _pair(getattr(first, of)) for of in ("stride", "dilation")} | {"padding": _padding(first)}
            for of, node in weighted[1:]:
                if {k: _pair(getattr(node, k)) for k in ("stride", "dilation")} | {
                    "padding": _padding(node)
                } != geometry:
                    raise InputError(f"NIR node {of} must have stride, padding and dilation of {weighted[0][0]}")
            groups = int(first.groups)
            if len(weighted) > 1 and groups > 1:
                raise InputError(f"NIR node {weighted[0][0]} (Conv2d) must have 1 group beside others, got {groups}")
            options = {
                "out_channels": len(weight),
                "kernel_size": weight.shape[2:],
                "in_channels": weight.shape[1] * groups,
            }
            kind: Kind = "conv2d"
            if spiking:
                kind, options = "spiking_conv2d", options | self._of_spiking(weighted[0][0], first, weight)
            else:
                options |= geometry | {"groups": groups}
        else:
            kind = "spiking_linear" if spiking else "linear"
            options = {"in_features": weight.shape[1], "out_features": len(weight)}
        layer = self._add(name, kind, [read], options | {"bias": not spiking})
        scaled = weight * factor.reshape(-1, *(1 for _ in weight.shape[1:]))
        self._made.weights[f"{layer}.weight"] = torch.from_numpy(np.asarray(scaled, dtype=weight.dtype))
        if not spiking:
            self._made.weights[f"{layer}.bias"] = torch.from_numpy(np.asarray(bias * factor, dtype=weight.dtype))
        return layer

    def _of_spiking(self, name: str, node: nir.Conv2d, weight: Floats) -> dict[str, Any]:
        """Return stride and padding of a spiking convolution. Raise InputError for what it cannot have."""
        stride, dilation = _pair(node.stride), _pair(node.dilation)
        if stride[0] != stride[1] or dilation != (1, 1) or int(node.groups) != 1:
            raise InputError(
                f"NIR node {name} (Conv2d) must have one stride, dilation 1 and 1 group for spiking neurons, got "
                f"{stride}, {dilation}, {int(node.groups)}"
            )
        padding = _padding(node)
        if padding == "same":
            total = [size - 1 for size in weight.shape[2:]]
            (top, left) = (n // 2 for n in total)
            return {"stride": stride[0], "padding": (left, total[1] - left, top, total[0] - top)}
        rows, columns = (0, 0) if isinstance(padding, str) else padding
        return {"stride": stride[0], "padding": (columns, columns, rows, rows)}

    def _by_row(self, name: str, gain: Floats, rows: int) -> Floats:
        """Return the gain of each row of weights. Raise InputError where neurons of one row differ."""
        if gain.size == 1:
            return np.full(rows, float(gain.reshape(-1)[0]))
        by_row = gain.reshape(rows, -1) if gain.shape[0] == rows else gain[None]
        if len(by_row) != rows or not np.all(by_row == by_row[:, :1]):
            raise InputError(f"NIR node {name} (IF) must have one r and one v_threshold for each channel")
        return np.asarray(by_row[:, 0])

    def _add(self, name: str, kind: Kind, sources: Sequence[str], options: dict[str, Any] | None = None) -> str:
        unique = self._made.add(name, kind, sources, options)
        if sources and sources[0] in self._tau_s and kind in ("flatten", "cat", "retime"):
            self._tau_s[unique] = self._tau_s[sources[0]]
        return unique

    def _finished(self, output: str | _Sum | None) -> LayerGraphNetwork:
        if isinstance(output, _Sum) and output.synapse is None and not self._spiking:
            weighted = output.weighted
            sources = [self._spikes(name) for name, _ in weighted]
            read = sources[0] if len(sources) == 1 else self._add("last_inputs", "cat", sources)
            output = self._layer(weighted[0][0], weighted, read, np.ones(1), False)
        if output is None or isinstance(output, _Sum):
            raise InputError("the NIR graph must end in neurons (IF) and an Output")
        return self._made.network(self._shape, output)


def _pair(value: Any) -> tuple[int, int]:
    rows, columns = np.broadcast_to(np.asarray(value, dtype=int), (2,))
    return int(rows), int(columns)


def _padding(node: nir.Conv2d) -> tuple[int, int] | str:
    padding = node.padding
    if isinstance(padding, bytes):
        padding = padding.decode()
    return padding if isinstance(padding, str) else _pair(padding)
