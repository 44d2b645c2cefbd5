"""Networks of one's own: any torch module traced into the layers that have a meaning here, and run as such.

`stages_of` gives what a network computes, stage by stage, with its live modules; all that follows a network spike by
spike reads it. `LayerGraphNetwork` is a network made from a `LayerGraph`, its weights its own.
"""

import copy
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as dense
from torch.nn.utils import parametrize

from neurocircuit.errors import InputError
from neurocircuit.snn.layers import Rebase, SpikingConv2d, SpikingLinear
from neurocircuit.snn.pooling import AveragePool2d, AverageTimePool2d, EarliestPool2d, LatestPool2d
from neurocircuit.snn.retime import Retime
from neurocircuit.spec.layer_graph import INPUT, RELU, SPIKING, Kind, LayerGraph, Node, Option, name_of_path

_POOL = ("kernel_size", "stride", "padding")
_SHAPES: dict[str, Callable[[Any], dict[str, Option]]] = {
    "spiking_conv2d": lambda layer: {
        "in_channels": layer.weight.shape[1],
        "out_channels": layer.weight.shape[0],
        "kernel_size": tuple(layer.weight.shape[2:]),
        "bias": layer.bias is not None,
    },
    "spiking_linear": lambda layer: {
        "in_features": layer.weight.shape[1],
        "out_features": layer.weight.shape[0],
        "bias": layer.bias is not None,
    },
    "conv2d": lambda layer: {"bias": layer.bias is not None},
    "linear": lambda layer: {"bias": layer.bias is not None},
}
# Module of each kind, and the arguments that are attributes of it.
_MODULES: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    "spiking_conv2d": (SpikingConv2d, ("stride", "padding", "bias_z")),
    "spiking_linear": (SpikingLinear, ("bias_z",)),
    "earliest_pool2d": (EarliestPool2d, _POOL),
    "latest_pool2d": (LatestPool2d, _POOL),
    "average_pool2d": (AveragePool2d, _POOL),
    "average_time_pool2d": (AverageTimePool2d, _POOL),
    "retime": (Retime, ("spread_over_tau",)),
    "rebase": (Rebase, ()),
    "conv2d": (
        nn.Conv2d,
        ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"),
    ),
    "linear": (nn.Linear, ("in_features", "out_features")),
    "batch_norm1d": (nn.BatchNorm1d, ("num_features", "eps", "momentum", "affine", "track_running_stats")),
    "batch_norm2d": (nn.BatchNorm2d, ("num_features", "eps", "momentum", "affine", "track_running_stats")),
    "relu": (nn.ReLU, ()),
    "hardtanh": (nn.Hardtanh, ("min_val", "max_val")),
    "max_pool2d": (nn.MaxPool2d, (*_POOL, "dilation", "ceil_mode")),
    "avg_pool2d": (nn.AvgPool2d, (*_POOL, "ceil_mode", "count_include_pad", "divisor_override")),
    "adaptive_avg_pool2d": (nn.AdaptiveAvgPool2d, ("output_size",)),
    "dropout": (nn.Dropout, ("p",)),
    "dropout2d": (nn.Dropout2d, ("p",)),
    "flatten": (nn.Flatten, ("start_dim", "end_dim")),
    "identity": (nn.Identity, ()),
}
_KINDS: dict[type[nn.Module], str] = {module: kind for kind, (module, _) in _MODULES.items()} | {nn.ReLU6: "hardtanh"}
# Calls in forward: their kind, and the names of their arguments behind the first.
_CALLS: dict[Any, tuple[str, tuple[str, ...]]] = {
    dense.relu: ("relu", ("inplace",)),
    torch.relu: ("relu", ()),
    "relu": ("relu", ()),
    "relu_": ("relu", ()),
    dense.relu6: ("hardtanh", ("inplace",)),
    dense.hardtanh: ("hardtanh", ("min_val", "max_val", "inplace")),
    dense.max_pool2d: ("max_pool2d", (*_POOL, "dilation", "ceil_mode", "return_indices")),
    torch.max_pool2d: ("max_pool2d", (*_POOL, "dilation", "ceil_mode")),
    dense.avg_pool2d: ("avg_pool2d", (*_POOL, "ceil_mode", "count_include_pad", "divisor_override")),
    dense.adaptive_avg_pool2d: ("adaptive_avg_pool2d", ("output_size",)),
    torch.flatten: ("flatten", ("start_dim", "end_dim")),
    "flatten": ("flatten", ("start_dim", "end_dim")),
    "view": ("flatten", ()),
    "reshape": ("flatten", ()),
    torch.reshape: ("flatten", ()),
    dense.dropout: ("dropout", ("p", "training", "inplace")),
    "contiguous": ("identity", ()),
    torch.cat: ("cat", ("dim",)),
    torch.concat: ("cat", ("dim",)),
    torch.add: ("add", ("alpha",)),
    operator.add: ("add", ()),
    operator.iadd: ("add", ()),
    "add": ("add", ("alpha",)),
    "add_": ("add", ("alpha",)),
}
_DEFAULTS: dict[Any, dict[str, Option]] = {
    dense.relu6: {"min_val": 0.0, "max_val": 6.0},
    torch.flatten: {"start_dim": 0},
    "flatten": {"start_dim": 0},
}
_IGNORED = {"inplace": (False, True), "training": (True, False), "return_indices": (False,), "alpha": (1,)}
_SIZES = ("size", "dim", getattr, operator.getitem, operator.mul)  # what `view` and `reshape` are told
_SERVES = {
    "Sigmoid": "ReLU",
    "Tanh": "ReLU",
    "GELU": "ReLU",
    "SiLU": "ReLU",
    "LeakyReLU": "ReLU",
    "ELU": "ReLU",
    "PReLU": "ReLU",
    "Softplus": "ReLU",
    "LayerNorm": "BatchNorm2d, which folds into weights",
    "GroupNorm": "BatchNorm2d, which folds into weights",
    "InstanceNorm2d": "BatchNorm2d, which folds into weights",
    "LocalResponseNorm": "BatchNorm2d, which folds into weights",
    "Conv1d": "Conv2d with one row",
    "Conv3d": "Conv2d",
    "ConvTranspose2d": "Conv2d",
    "AdaptiveMaxPool2d": "MaxPool2d",
    "Softmax": "nothing: the largest output decides",
    "LogSoftmax": "nothing: the largest output decides",
    "softmax": "nothing: the largest output decides",
    "log_softmax": "nothing: the largest output decides",
    "sigmoid": "ReLU",
    "tanh": "ReLU",
    "gelu": "ReLU",
    "silu": "ReLU",
    "leaky_relu": "ReLU",
}
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


@dataclass(frozen=True)
class Stage:
    """What a network computes at one place: `module` of the values of `sources`; None for cat and add."""

    name: str
    kind: str
    sources: tuple[str, ...]
    module: nn.Module | None
    options: dict[str, Option] = field(default_factory=dict)
    path: str = ""

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer of spiking neurons."""
        return isinstance(self.module, SpikingConv2d | SpikingLinear)

    def __call__(self, values: Sequence[Tensor]) -> Tensor:
        """Return its value from those of its sources."""
        if self.kind == "cat":
            return torch.cat(list(values), dim=1)
        if self.kind == "add":
            return values[0] + values[1]
        assert self.module is not None  # noqa: S101
        result: Tensor = self.module(values[0])
        return result


class LayerGraphNetwork(nn.Module):
    """The network of a `LayerGraph`: from [image, channel, row, column] to [image, class].

    Spiking ones take spikes z and give spikes; the others pixels 0 … 1 and values, the largest of which decides.
    """

    def __init__(self, graph: LayerGraph) -> None:
        """Build the layers, weights drawn. Raise InputError naming the node that cannot be."""
        super().__init__()
        self.graph = graph
        for node in graph.nodes:
            if node.kind in _MODULES:
                try:
                    self.add_module(node.name, _MODULES[node.kind][0](**node.options))
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
        ['layer0', 'layer1']
        """
        if isinstance(module, LayerGraphNetwork) and module.graph.shape == tuple(shape):
            return module
        traced = stages_of(module)
        _check_kinds(traced)
        names = {INPUT: INPUT} | dict(zip((stage.name for stage in traced), _node_names(traced), strict=True))
        nodes = tuple(
            Node(
                name=names[stage.name],
                kind=stage.kind,
                sources=tuple(names[source] for source in stage.sources),
                options=stage.options,
            )
            for stage in traced
        )
        for stage in traced:
            if not baked and stage.module is not None and parametrize.is_parametrized(stage.module):
                raise InputError(
                    f"{stage.path}: its weight is parametrised, which a file cannot hold; "
                    "torch.nn.utils.parametrize.remove_parametrizations keeps the present one"
                )
        network = cls(LayerGraph(shape=shape, nodes=nodes))
        network.to(next((p.dtype for p in module.parameters()), torch.float32))
        for stage in traced:
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
                getattr(self, node.name) if node.kind in _MODULES else None,
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
        unique = next(n for n in (clean, *(f"{clean}_{k}" for k in range(2, len(taken) + 3))) if n not in taken)
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
    if isinstance(network, LayerGraphNetwork):
        return network.stages
    try:
        nodes = list(_Tracer().trace(network).nodes)
    except InputError:
        raise
    except Exception as error:  # torch's tracer raises what the module's code raises
        raise InputError(
            f"the module cannot be traced: {str(error).splitlines()[0]}; what would serve: a forward without "
            "branches on values"
        ) from None
    used = _used(nodes)
    modules = dict(network.named_modules())
    names: dict[fx.Node, str] = {}
    stages: list[Stage] = []
    for node in nodes:
        if node.op == "placeholder":
            if names and node in used:
                raise InputError(f"{node.name}: the module must take images alone")
            names[node] = INPUT
        elif node.op == "output":
            if not isinstance(node.args[0], fx.Node):
                raise InputError("the module must return one tensor, [image, class]")
        elif node in used:
            stage = _stage(node, modules, names, {stage.name for stage in stages})
            names[node] = stage.name
            stages.append(stage)
    if not stages:
        raise InputError("the module has no layers")
    return stages


def run_stages(stages: Sequence[Stage], z: Tensor, step: Callable[[Stage, Sequence[Tensor]], Tensor]) -> Tensor:
    """Return the last stage's value from z; step(stage, values of its sources) gives each. Values go when last read."""
    readers = {source: number for number, stage in enumerate(stages) for source in stage.sources}
    values = {INPUT: z}
    for number, stage in enumerate(stages):
        received = [values[source] for source in stage.sources]
        for source in set(stage.sources):
            if readers[source] == number:
                del values[source]
        values[stage.name] = step(stage, received)
    return values[stages[-1].name]


def check_clocks(stages: Sequence[Stage]) -> None:
    """Raise InputError naming what joins spikes of different clocks, or a bias spike that has no time of its own."""
    clocks = {INPUT: INPUT}
    for stage in stages:
        of_sources = {clocks[source] for source in stage.sources}
        if len(of_sources) > 1:
            raise InputError(
                f"{stage.path} joins spikes of different clocks ({', '.join(sorted(of_sources))}); what would serve: "
                "one Retime behind it instead of one in a branch"
            )
        clocks[stage.name] = stage.name if isinstance(stage.module, Retime | Rebase) else of_sources.pop()
        if stage.is_layer and clocks[stage.name] != INPUT and getattr(stage.module, "bias", None) is not None:
            raise InputError(
                f"{stage.path} must have no bias behind {clocks[stage.name]}: a bias spike has an absolute time"
            )


class _Tracer(fx.Tracer):
    """Layers of ours are operations, parametrised ones too; what a user derives from a layer is looked into."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _kind(m) is not None or super().is_leaf_module(m, module_qualified_name)


def _kind(module: nn.Module) -> str | None:
    kind = type(module)
    if parametrize.is_parametrized(module):
        kind = kind.__mro__[1]
    return _KINDS.get(kind)


def _used(nodes: list[fx.Node]) -> set[fx.Node]:
    """Return the nodes whose values reach the output; sizes do not count."""
    used: set[fx.Node] = set()
    waiting = [node for node in nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node not in used:
            used.add(node)
            waiting += node.all_input_nodes if node.op == "output" else _read_by(node)
    return used


def _read_by(node: fx.Node) -> list[fx.Node]:
    """Return the nodes whose values a node reads, one as often as it is read: of a reshaping only what it reshapes."""
    target = "" if node.op == "call_module" else node.target
    if target in ("view", "reshape", torch.reshape):
        return node.all_input_nodes[:1]
    read: Any = node.args if _CALLS.get(target, ("",))[0] == "add" else node.all_input_nodes
    if target in (torch.cat, torch.concat):
        read = node.args[0] if node.args else node.kwargs["tensors"]
    return [value for value in read if isinstance(value, fx.Node)]


def _stage(node: fx.Node, modules: dict[str, nn.Module], names: dict[fx.Node, str], taken: set[str]) -> Stage:
    """Return what a node of the trace computes. Raise InputError where it has no meaning here."""
    name = node.name if node.name not in taken else f"{node.name}_again"
    if node.op == "call_module":
        path = str(node.target)
        module = modules[path]
        kind = _kind(module)
        if kind is None:
            raise _refusal(path, type(module).__name__)
        if path in taken:
            if module.state_dict():
                raise InputError(f"{path} ({type(module).__name__}) must compute once: its neurons are physical")
        else:
            name = path
        sources = tuple(names[source] for source in node.all_input_nodes)
        return Stage(name, kind, sources, module, _options(module, kind), path)
    shown = str(getattr(node.target, "__name__", node.target))
    path = f"{node.name}, in {_where(node)}" if _where(node) else node.name
    if node.op == "get_attr" or node.target not in _CALLS:
        raise _refusal(path, "a constant" if node.op == "get_attr" else shown)
    kind, arguments = _CALLS[node.target]
    options = dict(_DEFAULTS.get(node.target, {}))
    if node.target not in ("view", "reshape", torch.reshape, "contiguous"):
        options |= dict(zip(arguments, node.args[1:], strict=False)) if kind != "add" else {}  # type: ignore[arg-type]
        options |= {name: value for name, value in node.kwargs.items() if name in arguments}  # type: ignore[misc]
    for argument, allowed in _IGNORED.items():
        if options.pop(argument, allowed[0]) not in allowed:
            raise InputError(f"{path} ({shown}) has no meaning here with {argument}")
    sources = tuple(names[source] for source in _read_by(node))
    if kind == "cat" and options.pop("dim", 0) not in (1, -3):
        raise InputError(f"{path} (cat) must join channels: dim=1")
    if kind == "add" and len(sources) != 2:
        raise InputError(f"{path} (add) must add two values of the network")
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    made = _MODULES[kind][0](**options) if kind in _MODULES else None
    return Stage(name, kind, sources, made, options, path)


def _where(node: fx.Node) -> str:
    """Return the path of the module whose forward holds a call; "" for the network's own."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(next(reversed(stack), "")) if stack else ""


def serving(operation: str) -> str:
    """Return "; what would serve: …" for an operation that has no meaning here."""
    serves = _SERVES.get(operation)
    return f"; what would serve: {serves}" if serves else "; nc.snn.layers has what a spiking network is made of"


def _refusal(path: str, shown: str) -> InputError:
    return InputError(f"{path} ({shown}) has no meaning here{serving(shown)}")


def _options(module: nn.Module, kind: str) -> dict[str, Option]:
    """Return the arguments that make a module."""
    options: dict[str, Option] = {}
    for name in _MODULES[kind][1]:
        value = getattr(module, name)
        if value is not None:
            options[name] = tuple(value) if isinstance(value, list | torch.Size) else value
    if getattr(module, "padding_mode", "zeros") == "zeros":
        options.pop("padding_mode", None)
    return options | (_SHAPES[kind](module) if kind in _SHAPES else {})


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
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        yield unique
