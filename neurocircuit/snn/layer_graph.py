"""Networks of one's own: any torch module traced into the layers that have a meaning here, and run as such.

`stages_of` gives what a network computes, stage by stage, with its live modules; all that follows a network spike by
spike reads it. `LayerGraphNetwork` is a network made from a `LayerGraph`, its weights its own.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from neurocircuit.errors import InputError
from neurocircuit.snn.layer_kinds import MODULES
from neurocircuit.snn.stages import Stage, check_clocks, run_stages, traced
from neurocircuit.spec.layer_graph import INPUT, RELU, SPIKING, Kind, LayerGraph, Node, free_name, name_of_path

_OF_SPIKES = {  # what serves among spiking layers instead of a layer of a ReLU network
    "conv2d": "SpikingConv2d",
    "linear": "SpikingLinear",
    "batch_norm1d": "Retime",
    "batch_norm2d": "Retime",
    "relu": "nothing: a neuron that does not spike is silent",
    "hardtanh": "nothing: a neuron that does not spike is silent",
    "max_pool2d": "EarliestPool2d",
    "avg_pool2d": "EarliestPool2d",
    "adaptive_avg_pool2d": "EarliestPool2d",
    "dropout": "noise in training (hardware.jitter_over_tau): z = 0 is no silence",
    "dropout2d": "noise in training (hardware.jitter_over_tau): z = 0 is no silence",
    "add": "torch.cat of both: a neuron adds what its synapses receive",
}

_RESERVED = {*dir(nn.Module), INPUT, "graph", "stages", "classes", "of"}  # no names of layers


class LayerGraphNetwork(nn.Module):
    """The network of a `LayerGraph`: from [image, channel, row, column] to [image, class].

    Spiking ones take spikes z and give spikes; the others pixels 0 … 1 and values, the largest of which decides.
    """

    def __init__(self, graph: LayerGraph) -> None:
        """Build the layers, weights drawn. Raise InputError naming the node that cannot be."""
        super().__init__()
        self.graph = graph
        for node in graph.nodes:
            if node.kind in MODULES:
                try:
                    self.add_module(node.name, MODULES[node.kind][0](**node.options))
                except (TypeError, ValueError, KeyError, RuntimeError, InputError) as error:
                    raise InputError(f"network node {node.name} ({node.kind}): {str(error).splitlines()[0]}") from None
        if graph.is_spiking:
            check_clocks(self.stages)
        self._check_shapes()

    @classmethod
    def of(cls, module: nn.Module, shape: tuple[int, int, int], *, baked: bool = False) -> "LayerGraphNetwork":
        """Return a module's layers and present weights, for images [channel, row, column] = shape.

        baked: of parametrised weights too, which then are free.

        Raise InputError naming an operation that has no meaning here, its place in the module and what would serve,
        a layer that does not fit what it reads, and an output that is not [image, class].

        >>> from torch import nn
        >>> from neurocircuit.snn.layers import SpikingLinear
        >>> network = LayerGraphNetwork.of(nn.Sequential(nn.Flatten(), SpikingLinear(64, 10)), (1, 8, 8))
        >>> [node.name for node in network.graph.nodes]
        ['m0', 'm1']
        """
        if isinstance(module, LayerGraphNetwork) and module.graph.shape == tuple(shape):
            return module
        stages = stages_of(module)
        _check_kinds(stages)
        names = {INPUT: INPUT} | dict(zip((stage.name for stage in stages), _node_names(stages), strict=True))
        nodes = tuple(
            Node(
                name=names[stage.name],
                kind=stage.kind,
                sources=tuple(names[source] for source in stage.sources),
                options=stage.options,
            )
            for stage in stages
        )
        for stage in stages:
            if not baked and stage.module is not None and parametrize.is_parametrized(stage.module):
                raise InputError(
                    f"{stage.path}: its weight is parametrised, which a file cannot hold; "
                    "torch.nn.utils.parametrize.remove_parametrizations keeps the present one"
                )
        network = cls(LayerGraph(shape=shape, nodes=nodes))
        network.to(next((p.dtype for p in module.parameters()), torch.float32))
        for stage in stages:
            if stage.module is not None:
                layer = network.get_submodule(names[stage.name])
                layer.load_state_dict({name: getattr(stage.module, name) for name in layer.state_dict()})
        network._check_against(module)
        network.train(module.training)
        return network

    @torch.no_grad()
    def _check_against(self, module: nn.Module) -> None:
        """Raise InputError where it does not give what the module does, to the bit: tracing follows one path only."""
        original, network = copy.deepcopy(module).cpu().eval(), copy.deepcopy(self).eval()
        z = torch.rand(3, *self.graph.shape, generator=torch.Generator().manual_seed(0))
        z = z.to(next(self.parameters()).dtype) + (1.0 if self.graph.is_spiking else 0.0)
        if not torch.equal(original(z), network(z)):
            raise InputError("the module's forward must be a graph of its layers: traced, it gives other values")

    @property
    def stages(self) -> list[Stage]:
        """What it computes, in order."""
        return [
            Stage(
                node.name,
                node.kind,
                node.sources,
                getattr(self, node.name) if node.kind in MODULES else None,
                node.options,
                node.name,
            )
            for node in self.graph.nodes
        ]

    @property
    def classes(self) -> int:
        """How many outputs it has."""
        return self._classes

    def forward(self, z: Tensor) -> Tensor:
        """Return the output [image, class] from z (pixels of a ReLU network) [image, channel, row, column]."""
        return run_stages(self.stages, z, lambda stage, values: stage(values))

    @torch.no_grad()
    def _check_shapes(self) -> None:
        """Run two images of ones: what a layer cannot take is named."""
        self.eval()

        def step(stage: Stage, values: Sequence[Tensor]) -> Tensor:
            if stage.kind in ("spiking_linear", "linear") and values[0].dim() != 2:
                got = list(values[0].shape[1:])
                raise InputError(f"{stage.name} must read [image, spike], got images of {got}: nn.Flatten() before it")
            try:
                return stage(values)
            except (RuntimeError, ValueError, IndexError, InputError) as error:
                what = " and ".join(str(list(value.shape[1:])) for value in values)
                raise InputError(f"{stage.name} cannot read {what}: {str(error).splitlines()[0]}") from None

        y = run_stages(self.stages, torch.ones(2, *self.graph.shape), step)
        if y.dim() != 2 or len(y) != 2:
            raise InputError(f"the network must give [image, class], got {['image', *y.shape[1:]]}".replace("'", ""))
        self._classes = int(y.shape[1])
        self.train()


class GraphMaker:
    """Collects the layers of a network that a file describes, and its weights by name."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.weights: dict[str, Tensor] = {}

    def add(self, name: str, kind: Kind, sources: Sequence[str], options: dict[str, Any] | None = None) -> str:
        """Add a node, named after a foreign name as far as that may be, and return its name."""
        clean = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)[-56:]
        clean = clean if clean[:1].isalpha() else f"n{clean}"
        taken = {node.name for node in self.nodes} | _RESERVED
        unique = free_name(clean, taken)
        self.nodes.append(Node(name=unique, kind=kind, sources=tuple(sources), options=options or {}))
        return unique

    def network(self, shape: tuple[int, int, int], output: str) -> LayerGraphNetwork:
        """Return the network that ends with a node, weights of their own type. Raise InputError where it does not."""
        if not self.nodes or self.nodes[-1].name != output:
            raise InputError("the graph must end with its output")
        if self.nodes[-1].kind == "relu":
            self.nodes.pop()  # the largest value decides, with it or without
        network = LayerGraphNetwork(LayerGraph(shape=shape, nodes=tuple(self.nodes)))
        network.to(next(iter(self.weights.values())).dtype)
        network.load_state_dict(self.weights)
        return network.eval()


def stages_of(network: nn.Module) -> list[Stage]:
    """Return what a network computes, stage by stage, with its live modules; what nothing reads is left out.

    Raise InputError naming an operation that has no meaning here, its place and what would serve.
    """
    return network.stages if isinstance(network, LayerGraphNetwork) else traced(network)


def _check_kinds(stages: list[Stage]) -> None:
    """Raise InputError where layers of a ReLU network stand among spiking ones."""
    if not any(stage.kind in SPIKING for stage in stages):
        return
    check_clocks(stages)
    for stage in stages:
        if stage.kind in RELU:
            raise InputError(
                f"{stage.path} ({stage.kind}) is no layer of spikes; what would serve: {_OF_SPIKES[stage.kind]}, or a "
                "ReLU network throughout (nc.snn.convert)"
            )


def _node_names(stages: list[Stage]) -> Iterator[str]:
    """Yield names for the nodes of a graph: paths without dots, which attributes of a module can be."""
    taken = set(_RESERVED)
    for stage in stages:
        name = name_of_path(stage.name)
        if name.strip("_").isdigit():
            name = stage.kind
        unique = free_name(name, taken)
        taken.add(unique)
        yield unique
