"""A trained free network as a NIR graph, with its circuit where it has one."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np
from torch import Tensor, nn

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import check_output, write_atomically
from neurocircuit.errors import InputError
from neurocircuit.snn.exchange.nir_parts import KEY, VERSION, widened
from neurocircuit.snn.functional.geometry import Padding, output_size, resolve_padding
from neurocircuit.snn.layer_graph import LayerGraphNetwork
from neurocircuit.snn.layers import SpikingConv2d, SpikingLinear
from neurocircuit.snn.mapping import NetworkOnCircuit
from neurocircuit.snn.model import Model, as_model, load
from neurocircuit.snn.models import NetworkSpec
from neurocircuit.snn.pooling import EarliestPool2d
from neurocircuit.snn.relu import PixelNetwork
from neurocircuit.snn.retime import Retime, tau_of_layers
from neurocircuit.snn.stages import Stage
from neurocircuit.snn.unroll import check_mappable
from neurocircuit.snn.windowed import WindowedNetwork, windowed_in
from neurocircuit.spec import MappedNetwork, NeuronSpec
from neurocircuit.spec.layer_graph import INPUT

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Part:
    """A node whose spikes a layer reads, beside others'; shape [channel, row, column] or [spike]."""

    node: str
    shape: Shape


def to_nir(network: Model | WindowedNetwork | NetworkOnCircuit | Path | str) -> nir.NIRGraph:
    """Return a free network as a NIR graph; of a network on a circuit with what the circuit gives each layer.

    Each layer is a Linear or Conv2d for each of the nodes that it reads, an LI and an IF: n-LIF neurons. A bias is an
    input node of its own, whose spikes come once, at t = 0. A gate for the earliest spike is a Conv2d of ones and an
    IF with a threshold of 1/2. Weights are the trained ones, of their own type; `tau` is in seconds.

    network: as `nc.snn.load`, `nc.snn.train` or `nc.map` give it, or the file of weights (.pt) or of a mapped network
    (.toml). Raise InputError for a network that is not free, naming what has no node in NIR.
    """
    model, mapped = _model_of(network)
    if isinstance(model.network, PixelNetwork):
        raise InputError(_without_nodes(model.network))
    check_mappable(model.subject, model.network)
    traced = LayerGraphNetwork.of(model.network, model.subject.data.shape, baked=True)
    spec = NetworkSpec(name="own", graph=traced.graph, parameterisation="free")
    clocks = {
        stage.name: [float(stage.module.spread_so_far), float(stage.module.batches)]
        for stage in traced.stages
        if isinstance(stage.module, Retime)
    }
    content = {
        "version": VERSION,
        "subject": model.subject.replace(network=spec).to_dict(),
        "clocks": clocks,
        "circuit": None if mapped is None else mapped.to_dict(),
        "full_scale": model.full_scale,
    }
    neuron = NeuronSpec() if mapped is None else mapped.neuron
    return _Writer(traced, neuron.tau_s, mapped).graph({KEY: json.dumps(content)})


def _without_nodes(network: PixelNetwork) -> str:
    """Return why a network has no NIR graph, and what holds it instead."""
    if windowed_in(network) is not None:
        return (
            "a windowed network must stay a file of weights (.pt), or its ReLU network go by torch.onnx: NIR has no "
            "node whose neurons start and end in a window"
        )
    return (
        "a ReLU network must go by torch.onnx, or be converted into free spikes first: NIR has no node for ReLU, and "
        "its IF would count spikes"
    )


def write_nir(network: Model | WindowedNetwork | NetworkOnCircuit | Path | str, path: Path | str) -> Path:
    """Write the NIR graph of a network into a file that ends in .nir, whole or not at all; return its path."""
    path = Path(path)
    check_output(path, ".nir")
    graph = to_nir(network)
    temporary = path.with_name(f".{path.name}.part")
    try:
        nir.write(temporary, graph)
        write_atomically(path, temporary.read_bytes())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _model_of(network: Model | WindowedNetwork | NetworkOnCircuit | Path | str) -> tuple[Model, MappedNetwork | None]:
    if isinstance(network, Model | WindowedNetwork):
        return as_model(network), None
    if isinstance(network, NetworkOnCircuit):
        if network.model is None:
            raise InputError(f"{network.mapped.name} was read from its file: export that file")
        return network.model, network.mapped
    path = Path(network)
    if path.suffix != ".toml":
        return load(path), None
    mapped = NetworkOnCircuit.load(path).mapped
    return load(mapped.checkpoint_path(path)), mapped


class _Writer:
    """Makes the nodes of a network, stage by stage."""

    def __init__(self, network: LayerGraphNetwork, tau_s: float, mapped: MappedNetwork | None) -> None:
        self._network, self._tau_s, self._mapped = network, tau_s, mapped
        self.nodes: dict[str, nir.NIRNode] = {INPUT: nir.Input({"input": np.array(network.graph.shape)})}
        self.edges: list[tuple[str, str]] = []
        self._layers = 0

    def graph(self, metadata: dict[str, str]) -> nir.NIRGraph:
        """Return the whole graph."""
        parts = {INPUT: [_Part(INPUT, self._network.graph.shape)]}
        taus = tau_of_layers(self._network)
        for stage in self._network.stages:
            read = [part for source in stage.sources for part in parts[source]]
            if isinstance(stage.module, SpikingConv2d | SpikingLinear):
                parts[stage.name] = [self._neurons(stage, stage.module, read, taus[self._layers])]
                self._layers += 1
            elif isinstance(stage.module, EarliestPool2d):
                parts[stage.name] = [self._gate(f"{stage.name}_{k}", stage.module, part) for k, part in enumerate(read)]
            elif stage.kind == "flatten":
                parts[stage.name] = [self._flat(part) for part in read]
            else:  # cat, identity and clocks: NIR's nodes count times from the image's start
                parts[stage.name] = read
        last = parts[self._network.stages[-1].name]
        self.nodes["output"] = nir.Output({"output": np.array(last[0].shape)})
        self.edges += [(part.node, "output") for part in last]
        return nir.NIRGraph(self.nodes, self.edges, metadata=metadata, type_check=False)

    def _flat(self, part: _Part) -> _Part:
        if len(part.shape) == 1:
            return part
        name = f"{part.node}_flat"
        if name not in self.nodes:
            self.nodes[name] = nir.Flatten({"input": np.array(part.shape)}, start_dim=0, end_dim=-1)
            self.edges.append((part.node, name))
        return _Part(name, (math.prod(part.shape),))

    def _neurons(self, stage: Stage, layer: Any, read: list[_Part], tau_over_base: float) -> _Part:
        """Add a layer: its weights on each part that it reads, synapse and neuron."""
        weight = _array(layer.weight)
        positive = np.maximum(weight.reshape(len(weight), -1), 0.0).sum(axis=1)
        size: Shape = ()
        first = 0
        for k, part in enumerate(read):
            columns = weight[:, first : first + part.shape[0]]
            first += part.shape[0]
            if isinstance(layer, SpikingConv2d):
                kernel = (columns.shape[2], columns.shape[3])
                sides = resolve_padding(layer.padding, (part.shape[1], part.shape[2]), kernel, layer.stride)
                size = output_size((part.shape[1], part.shape[2]), kernel, layer.stride, sides)
                self._convolution(f"{stage.name}_w{k}", columns, layer.stride, sides, part, 1)
            else:
                self._add(f"{stage.name}_w{k}", nir.Linear(columns), part.node)
        sources = [f"{stage.name}_w{k}" for k in range(len(read))]
        if layer.bias is not None:
            bias = _array(layer.bias)
            positive = positive + np.maximum(bias, 0.0)
            spike, name = f"{stage.name}_bias", f"{stage.name}_wbias"
            self.nodes[spike] = nir.Input({"input": np.array((1, *size))}, metadata={"spikes_at_s": 0.0})
            if size:
                one = _Part(spike, (1, *size))
                self._convolution(name, bias[:, None, None, None], 1, Padding(0, 0, 0, 0), one, 1)
            else:
                self._add(name, nir.Linear(bias[:, None]), spike)
            sources.append(name)
        shape = (len(weight), *size)
        tau = np.full(shape, self._tau_s * tau_over_base)
        synapse = nir.LI(tau=tau, r=np.ones(shape), v_leak=np.zeros(shape), metadata={"tau_over_base": tau_over_base})
        self._add(f"{stage.name}_synapse", synapse, *sources)
        self._fire(stage.name, shape, 1.0, positive, f"{stage.name}_synapse", self._on_circuit())
        return _Part(stage.name, shape)

    def _gate(self, name: str, pool: EarliestPool2d, part: _Part) -> _Part:
        """Add gates: ones on each window, of which the first spike passes."""
        image, kernel = (part.shape[1], part.shape[2]), (pool.kernel_size, pool.kernel_size)
        sides = resolve_padding(pool.padding, image, kernel, pool.stride)
        channels = part.shape[0]
        self._convolution(f"{name}_w", np.ones((channels, 1, *kernel)), pool.stride, sides, part, channels)
        shape = (channels, *output_size(image, kernel, pool.stride, sides))
        self._fire(name, shape, 0.5, np.full(channels, float(math.prod(kernel))), f"{name}_w", {"gate": "earliest"})
        return _Part(name, shape)

    def _convolution(self, name: str, w: Floats, stride: int, sides: Padding, part: _Part, groups: int) -> None:
        wide, padding = widened(w, sides)
        zeros = np.zeros(len(w), dtype=w.dtype)
        image = (part.shape[1], part.shape[2])
        self._add(name, nir.Conv2d(image, wide, (stride,) * 2, padding, (1, 1), groups, zeros), part.node)

    def _fire(
        self, name: str, shape: Shape, threshold: float, positive: Floats, source: str, metadata: dict[str, Any]
    ) -> None:
        """Add neurons that spike once: after it the membrane is as far below 0 as all inputs together can lift it."""
        reset = -np.broadcast_to(positive.astype(float).reshape(-1, *(1 for _ in shape[1:])), shape).copy()
        node = nir.IF(
            r=np.ones(shape),
            v_threshold=np.full(shape, threshold),
            v_reset=reset,
            metadata={"spikes": "once", **metadata},
        )
        self._add(name, node, source)

    def _on_circuit(self) -> dict[str, Any]:
        """Return what the circuit gives the neurons of the layer at hand, SI units."""
        if self._mapped is None:
            return {}
        scale = self._mapped.layers[self._layers]
        return {
            "phase_per_weight_rad": scale.phase_per_weight_rad,
            "lead_rad": scale.lead_rad,
            "vco4_swing_Hz": scale.vco4_swing_Hz,
            "bias_delay_s": scale.bias_delay_s,
            "weight_bank": json.dumps(scale.weight_bank.to_dict()),
            "full_scale": scale.full_scale,
        }

    def _add(self, name: str, node: nir.NIRNode, *sources: str) -> None:
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]


def _array(values: Tensor | nn.Parameter) -> Floats:
    return np.asarray(values.detach().cpu().numpy())
