"""The traced graph of a network: values of its nodes, and the layers and poolings that were made so far."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from neurocircuit.errors import InputError
from neurocircuit.snn.conversion.values import (
    Affine,
    Averaged,
    Layer,
    Neurons,
    Normalisation,
    Part,
    Pooling,
    Scaled,
    Step,
    Value,
)
from neurocircuit.spec.layer_graph import free_name, name_of_path
from neurocircuit.spec.windowed import INPUT, MaxNode


class _Tracer(fx.Tracer):
    """Modules of some classes are operations, their subclasses too."""

    def __init__(self, leaves: tuple[type, ...]) -> None:
        super().__init__()
        self._leaves = leaves

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self._leaves) or super().is_leaf_module(m, module_qualified_name)


class TracedGraph:
    """Nodes of a traced network; `steps`: what they have become."""

    def __init__(self, module: nn.Module, normal: Normalisation, pixels: Tensor, leaves: tuple[type, ...]) -> None:
        """Trace the module for pixels [N, ...]; leaves: classes of modules that are operations.

        Raise InputError where that fails.
        """
        self._modules, self.normal = dict(module.named_modules()), normal
        try:
            graph = _Tracer(leaves).trace(module)
            ShapeProp(fx.GraphModule(module, graph)).propagate(normal(pixels[:1]))
        except InputError:
            raise
        except Exception as error:  # torch's tracer raises what the module's code raises
            raise InputError(f"the module cannot be traced: {str(error).splitlines()[0]}") from None
        self.nodes = list(graph.nodes)
        self.values: dict[str, Any] = {}
        self.steps: list[Step] = []
        self._names = {INPUT}

    def refusal(self, node: fx.Node, what: str = "") -> str:
        """Return that an operation has no windowed form, and what of it where it is not the operation itself."""
        if node.op == "call_module":
            kind = f"{node.target}: {type(self.module(node)).__name__}"
        else:
            kind = getattr(node.target, "__name__", str(node.target))
        return f"{node.name} ({kind}) has no windowed form" + (f": {what}" if what else "")

    def value(self, node: Any) -> Value:
        """Return the value of a node. Raise InputError where it has none."""
        if not isinstance(node, fx.Node):
            raise InputError(f"{node!r} must be a value of the network")
        value = self.values[node.name]
        if not isinstance(value, Neurons | Scaled | Averaged | Affine):
            raise InputError(f"{node.name} must be activations")
        return value

    def source(self, node: fx.Node) -> Value:
        """Return the value of the first argument."""
        return self.value(node.args[0] if node.args else next(iter(node.kwargs.values())))

    def module(self, node: fx.Node) -> Any:
        """Return the module that a node calls."""
        return self._modules[str(node.target)]

    def options(
        self, node: fx.Node, names: tuple[str, ...], defaults: tuple[Any, ...], *, is_method: bool = False
    ) -> dict[str, Any]:
        """Options of a pooling by name, of its module or of the call."""
        if node.op == "call_module":
            layer = self.module(node)
            return {name: getattr(layer, name, default) for name, default in zip(names, defaults, strict=True)}
        values = dict(zip(names, defaults, strict=True))
        values |= dict(zip(names, node.args[1:], strict=False))
        return values | {name: value for name, value in node.kwargs.items() if name in names}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the neurons by their names."""
        known = {}
        for node in self.nodes:
            value = self.values.get(node.name)
            if isinstance(value, Neurons) and not value.is_flat and len(shape_of(node)) == 4:
                known[value.name] = shape_of(node)[1:]
        return known

    def affine(self, node: fx.Node, value: Value) -> Affine:
        """A value as a sum of weighted neurons; neurons as themselves."""
        if isinstance(value, Affine):
            return value
        if isinstance(value, Averaged):
            raise InputError(self.refusal(node, "average pooling without a layer behind it"))
        neurons = value.neurons if isinstance(value, Scaled) else value
        channels = shape_of(node)[1]
        gain, shift = torch.ones(channels, dtype=torch.double), torch.zeros(channels, dtype=torch.double)
        if isinstance(value, Scaled):
            gain, shift = value.gain, value.shift
            if neurons.is_flat and len(gain) != channels:
                gain, shift = (part.repeat_interleave(channels // len(gain)) for part in (gain, shift))
        elif neurons.name == INPUT:
            gain, shift = 1 / self.normal.std, -self.normal.mean / self.normal.std
        if neurons.is_flat or len(shape_of(node)) == 2:
            return Affine((Part(neurons.name, torch.diag(gain)),), shift)
        return Affine((Part(neurons.name, gain.view(-1, 1, 1, 1), groups=channels),), shift)

    def unique(self, name: str) -> str:
        """Return the name for a step, with a number behind it where another step has it."""
        unique = free_name(name, self._names)
        self._names.add(unique)
        return unique

    def settle(self, name: str, affine: Affine, limit: float) -> Neurons:
        """The affine value becomes neurons; max pooling that stood before the ReLU comes behind it.

        name: of the layer, where the affine value has none.
        """
        layer = self.unique(affine.name or name)
        self.steps.append(Layer(layer, replace(affine, pools=()), limit))
        neurons = Neurons(layer, affine.parts[0].v.dim() == 2)
        for pool in affine.pools:
            neurons = self.pool(neurons, pool)
        return neurons

    def pool(self, source: Neurons, pool: Pooling) -> Neurons:
        """Return the neurons behind a max pooling."""
        node = MaxNode(
            name=self.unique(pool.name),
            source=source.name,
            kernel=pool.kernel,
            stride=pool.stride,
            padding=pool.padding,
            ceil=pool.ceil,
        )
        self.steps.append(node)
        return Neurons(node.name)


def name_of(node: fx.Node) -> str:
    """Return the name of a node's layer: its module's path, as a network of one's own has it; of a call fx's."""
    return name_of_path(str(node.target) if node.op == "call_module" else node.name)


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Return the shape of a node's value; () where it is no tensor."""
    meta: Any = node.meta.get("tensor_meta")
    return tuple(meta.shape) if hasattr(meta, "shape") else ()


def input_of(node: fx.Node) -> fx.Node:
    """Return the node that a node reads first."""
    return node.all_input_nodes[0]


def pair_of(value: Any) -> tuple[int, int]:
    """Return rows and columns of an option that may be one number."""
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def without_spikes(node: fx.Node, value: Value) -> InputError:
    """Return what is wrong with a value that must be neurons."""
    return InputError(f"{node.name}: a layer without a ReLU behind it has no spikes; {type(value).__name__.lower()}")
