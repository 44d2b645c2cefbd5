"""The traced graph of a ReLU network, read node by node into layers, poolings and concatenations.

Each value is one of: `Neurons` (activations >= 0, or pixels), `Affine` (sums of weighted activations that wait for
their ReLU), `Scaled` (a batch norm behind neurons), `Averaged` (a mean of neurons).
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional as dense

from neurocircuit.errors import InputError
from neurocircuit.spec.windowed import INPUT, ConcatNode, MaxNode


@dataclass(frozen=True)
class Neurons:
    """Activations of a node of the graph; `channels` of them, or features where flat."""

    name: str
    is_flat: bool = False


@dataclass(frozen=True)
class Scaled:
    """gain · x + shift [channel] of neurons: a batch norm that no ReLU follows."""

    neurons: Neurons
    gain: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Averaged:
    """Means over windows of neurons; `pool` computes them."""

    neurons: Neurons
    pool: Callable[[Tensor], Tensor]
    kernel: tuple[int, int] | None  # None: windows of different sizes
    stride: tuple[int, int]
    padding: tuple[int, int]
    is_flat: bool = False


@dataclass(frozen=True)
class Part:
    """One weighted input of an affine value."""

    source: str
    v: Tensor
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True)
class Pooling:
    """Max pooling between an affine value and its ReLU."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    ceil: bool


@dataclass(frozen=True)
class Affine:
    """Σ parts + c, then max pooling: it waits for a ReLU."""

    parts: tuple[Part, ...]
    c: Tensor
    pools: tuple[Pooling, ...] = ()


Value = Neurons | Scaled | Averaged | Affine


@dataclass(frozen=True)
class Layer:
    """A layer of neurons before its X is known: `limit` is that of a clipped ReLU, None for the read-out.

    largest: X, where it is known already.
    """

    name: str
    affine: Affine
    limit: float | None
    largest: float | None = None

    @property
    def synapses(self) -> int:
        """Most of one neuron, without bias spikes; a weight of 0 is none."""
        return sum(int((part.v != 0).flatten(1).sum(dim=1).max()) for part in self.affine.parts)


Step = Layer | MaxNode | ConcatNode


@dataclass(frozen=True)
class Normalisation:
    """What the module gets of pixels: (pixels - mean)/std, both [channel]."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, channels: int, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> "Normalisation":
        """Return that of given columns. Raise InputError where they do not fit the channels."""
        columns = []
        for name, values, default in (("mean", mean, 0.0), ("std", std, 1.0)):
            column = torch.full((channels,), default) if values is None else torch.tensor(values)
            if column.shape != (channels,):
                raise InputError(f"{name} must have {channels} entries, one for each channel, got {list(column.shape)}")
            columns.append(column.double())
        if not bool((columns[1] > 0).all()):
            raise InputError(f"std must be > 0, got {columns[1].min():g}")
        return cls(*columns)

    @property
    def is_identity(self) -> bool:
        """Whether the module gets the pixels themselves."""
        return not bool(self.mean.any()) and bool((self.std == 1).all())

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return what the module gets."""
        return (pixels - self.mean.view(1, -1, 1, 1)) / self.std.view(1, -1, 1, 1)


class _Tracer(fx.Tracer):
    """Modules that are handled here are operations, their subclasses too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, tuple(_MODULES)) or super().is_leaf_module(m, module_qualified_name)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


class Reader:
    """Reads the traced graph of a network into layers, poolings and concatenations."""

    def __init__(self, module: nn.Module, normal: Normalisation, pixels: Tensor) -> None:
        self.modules = dict(module.named_modules())
        self.normal = normal
        try:
            self.graph = _Tracer().trace(module)
            ShapeProp(fx.GraphModule(module, self.graph)).propagate(normal(pixels[:1]))
        except InputError:
            raise
        except Exception as error:  # torch's tracer raises what the module's code raises
            raise InputError(f"the module cannot be traced: {str(error).splitlines()[0]}") from None
        self.values: dict[str, Any] = {}
        self.out: list[Step] = []
        self.settled: dict[tuple[str, float], Neurons] = {}

    def steps(self) -> list[Step]:
        """Return the steps in order; the last is the read-out."""
        used = _used(self.graph)
        for node in self.graph.nodes:
            if node.op == "placeholder":
                if self.values and node in used:
                    raise InputError(f"{node.name}: the module must take images alone")
                self.values[node.name] = Neurons(INPUT)
            elif node.op == "output":
                return self._finish(node)
            elif node in used:
                self.values[node.name] = self._read(node)
        raise InputError("the module has no output")

    def _finish(self, node: fx.Node) -> list[Step]:
        result = node.args[0]
        if not isinstance(result, fx.Node):
            raise InputError("the module must return one tensor of classes")
        value = self._affine(result, self.values[result.name])
        if value.pools or len(_shape(result)) != 2:
            raise InputError(f"{result.name}: the network must end with [N, class], got {list(_shape(result))}")
        self.out.append(Layer(result.name, value, None))
        return self.out

    def _read(self, node: fx.Node) -> Any:
        operation = self._operation(node)
        if node.op == "get_attr":
            raise InputError(self._refusal(node, "a constant"))
        handler = _of_class(self.modules[str(node.target)]) if node.op == "call_module" else None
        handler = handler or _FUNCTIONS.get(operation)
        if handler is None:
            raise InputError(self._refusal(node, "it"))
        return handler(self, node)

    def _operation(self, node: fx.Node) -> Any:
        return node.target if node.op != "call_module" else None

    def _refusal(self, node: fx.Node, what: str) -> str:
        if node.op == "call_module":
            kind = f"{node.target}: {type(self.modules[str(node.target)]).__name__}"
        else:
            kind = getattr(node.target, "__name__", str(node.target))
        return f"{node.name} ({kind}) has no windowed form" + ("" if what == "it" else f": {what}")

    def _value(self, node: Any) -> Value:
        if not isinstance(node, fx.Node):
            raise InputError(f"{node!r} must be a value of the network")
        value = self.values[node.name]
        if not isinstance(value, Neurons | Scaled | Averaged | Affine):
            raise InputError(f"{node.name} must be activations")
        return value

    def _source(self, node: fx.Node) -> Value:
        return self._value(node.args[0] if node.args else next(iter(node.kwargs.values())))

    def _module(self, node: fx.Node) -> Any:
        return self.modules[str(node.target)]

    # -- operations ----------------------------------------------------------------------------------------------------

    def conv(self, node: fx.Node) -> Affine:
        """A convolution."""
        layer = self._module(node)
        source = self._source(node)
        v = layer.weight.detach()
        c = torch.zeros(len(v), dtype=v.dtype) if layer.bias is None else layer.bias.detach()
        if layer.padding_mode != "zeros":
            raise InputError(self._refusal(node, f"padding_mode {layer.padding_mode}"))
        image = _shape(_input(node))[2:]
        left, right, top, bottom = _sides(layer, image)
        geometry = (_pair(layer.stride), (left, right, top, bottom), _pair(layer.dilation), layer.groups)
        if isinstance(source, Averaged):
            source = self._averaged_before(node, source, layer)
            if isinstance(source, Part):
                return Affine((replace(source, v=_across(v, source.v)),), c)
        gain = shift = None
        if isinstance(source, Scaled):
            gain, shift, source = source.gain, source.shift, source.neurons
            if max(geometry[1]) > 0 and (bool(shift.any()) or source.name == INPUT):
                raise InputError(self._refusal(node, "padding behind a batch norm behind neurons"))
        if not isinstance(source, Neurons):
            raise InputError(self._refusal(node, "it follows a layer without a ReLU between"))
        if source.name == INPUT and gain is None:
            gain, shift = 1 / self.normal.std, -self.normal.mean / self.normal.std
        if gain is not None and shift is not None:
            c = c + (v * _by_group(shift, layer.groups, len(v))).sum(dim=(1, 2, 3))
            v = v * _by_group(gain, layer.groups, len(v))
        return Affine((Part(source.name, v, *geometry),), c)

    def linear(self, node: fx.Node) -> Affine:
        """A fully connected layer."""
        layer = self._module(node)
        v = layer.weight.detach()
        c = torch.zeros(len(v), dtype=v.dtype) if layer.bias is None else layer.bias.detach()
        source = self._source(node)
        gain = shift = None
        if isinstance(source, Averaged):
            if not source.is_flat:
                raise InputError(self._refusal(node, "it follows pooling that is not flattened"))
            v = self._through_mean(source, v, self._neurons_shape(source.neurons))
            source = source.neurons
        if isinstance(source, Scaled):
            gain, shift, source = source.gain, source.shift, source.neurons
        if not isinstance(source, Neurons):
            raise InputError(self._refusal(node, "it follows a layer without a ReLU between"))
        if source.name == INPUT and gain is None:
            gain, shift = 1 / self.normal.std, -self.normal.mean / self.normal.std
        if gain is not None and shift is not None:
            pixels = v.shape[1] // len(gain)
            c = c + v @ shift.repeat_interleave(pixels)
            v = v * gain.repeat_interleave(pixels)
        return Affine((Part(source.name, v),), c)

    def batch_norm(self, node: fx.Node) -> Value:
        """A batch norm by its running statistics."""
        layer = self._module(node)
        if layer.running_var is None:
            raise InputError(self._refusal(node, "it has no running statistics"))
        gain = 1 / torch.sqrt(layer.running_var + layer.eps)
        shift = -layer.running_mean * gain
        if layer.affine:
            gain, shift = gain * layer.weight, shift * layer.weight + layer.bias
        gain, shift = gain.detach(), shift.detach()
        source = self._source(node)
        if isinstance(source, Neurons):
            if source.name == INPUT:
                shift, gain = shift - gain * self.normal.mean / self.normal.std, gain / self.normal.std
            return Scaled(source, gain, shift)
        if not isinstance(source, Affine):
            raise InputError(self._refusal(node, "it follows a batch norm or average pooling"))
        if source.pools and bool((gain <= 0).any()):
            raise InputError(self._refusal(node, "behind max pooling its scales must be positive"))
        parts = tuple(replace(part, v=part.v * gain.view(-1, *(1 for _ in part.v.shape[1:]))) for part in source.parts)
        return Affine(parts, source.c * gain + shift, source.pools)

    def relu(self, node: fx.Node) -> Neurons:
        """ReLU, ReLU6 or Hardtanh from 0."""
        low, limit = 0.0, math.inf
        if node.op == "call_module":
            layer = self._module(node)
            if isinstance(layer, nn.Hardtanh):
                low, limit = float(layer.min_val), float(layer.max_val)
        elif node.target is dense.relu6:
            limit = 6.0
        elif node.target is dense.hardtanh:
            bounds = [-1.0, 1.0]
            for k, name in enumerate(("min_val", "max_val")):
                bounds[k] = float(node.kwargs.get(name, node.args[k + 1] if len(node.args) > k + 1 else bounds[k]))  # type: ignore[arg-type]
            low, limit = bounds
        if low != 0.0:
            raise InputError(self._refusal(node, f"it must clip from 0, got {low:g}"))
        source = self._source(node)
        if isinstance(source, Neurons) and limit == math.inf and (source.name != INPUT or not self.normal.mean.any()):
            return source
        if isinstance(source, Scaled | Neurons):
            source = self._affine(node, source)
        if not isinstance(source, Affine):
            raise InputError(self._refusal(node, "it follows average pooling"))
        return self._settle(node.name, source, limit)

    def max_pool(self, node: fx.Node) -> Value:
        """Max pooling, of neurons or between a layer and its ReLU."""
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
        options = self._options(node, names, (None, None, 0, 1, False, False))
        if _pair(options["dilation"]) != (1, 1) or options["return_indices"]:
            raise InputError(self._refusal(node, "dilation and indices"))
        kernel = _pair(options["kernel_size"])
        stride = _pair(options["stride"] or options["kernel_size"])
        pool = Pooling(kernel, stride, _pair(options["padding"]), bool(options["ceil_mode"]))
        source = self._source(node)
        if isinstance(source, Affine):
            return replace(source, pools=(*source.pools, pool))
        if not isinstance(source, Neurons):
            raise InputError(self._refusal(node, "it follows a batch norm or average pooling"))
        pooled = self._pool(node.name, source, pool)
        if source.name != INPUT or self.normal.is_identity:
            return pooled
        return Scaled(pooled, 1 / self.normal.std, -self.normal.mean / self.normal.std)

    def average_pool(self, node: fx.Node) -> Averaged:
        """Average pooling with one kernel."""
        names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
        options = self._options(node, names, (None, None, 0, False, True, None))
        kernel, stride = _pair(options["kernel_size"]), _pair(options["stride"] or options["kernel_size"])
        padding = _pair(options["padding"])
        if options["divisor_override"] is not None or (max(padding) and not options["count_include_pad"]):
            raise InputError(self._refusal(node, "divisor_override, and padding that does not count"))
        if options["ceil_mode"]:
            raise InputError(self._refusal(node, "ceil_mode"))
        return self._mean(node, lambda x: dense.avg_pool2d(x, kernel, stride, padding), kernel, stride, padding)

    def adaptive_pool(self, node: fx.Node) -> Averaged:
        """Average pooling to a size."""
        size = self._options(node, ("output_size",), (None,))["output_size"]
        rows, columns = (size, size) if isinstance(size, int) else size
        image = _shape(_input(node))[2:]
        target = (image[0] if rows is None else rows, image[1] if columns is None else columns)
        kernel = (image[0] // target[0], image[1] // target[1])
        even = image == (kernel[0] * target[0], kernel[1] * target[1])
        return self._mean(
            node, lambda x: dense.adaptive_avg_pool2d(x, target), kernel if even else None, kernel, (0, 0)
        )

    def mean(self, node: fx.Node) -> Averaged:
        """Mean over rows and columns."""
        options = self._options(node, ("dim", "keepdim"), (None, False), is_method=True)
        axes = options["dim"]
        if not isinstance(axes, tuple | list) or sorted(axis % 4 for axis in axes) != [2, 3]:
            raise InputError(self._refusal(node, "a mean over other axes than rows and columns"))
        image = _shape(_input(node))[2:]
        averaged = self._mean(node, lambda x: dense.adaptive_avg_pool2d(x, 1), (image[0], image[1]), (1, 1), (0, 0))
        return replace(averaged, is_flat=not options["keepdim"])

    def flatten(self, node: fx.Node) -> Value:
        """Channels, rows and columns as features."""
        source = self._source(node)
        before, after = _shape(_input(node)), _shape(node)
        if len(after) != 2 or after[0] != before[0]:
            if after == before:
                return source
            raise InputError(self._refusal(node, f"{list(before)} to {list(after)}"))
        if isinstance(source, Neurons | Averaged):
            return replace(source, is_flat=True)
        if isinstance(source, Scaled):
            return replace(source, neurons=replace(source.neurons, is_flat=True))
        if all(size == 1 for size in before[2:]):
            return source
        raise InputError(self._refusal(node, "it follows a layer without a ReLU between"))

    def same(self, node: fx.Node) -> Value:
        """Dropout in evaluation, identity, contiguous."""
        return self._source(node)

    def concat(self, node: fx.Node) -> Neurons:
        """Channels side by side."""
        parts: Any = node.args[0] if node.args else node.kwargs["tensors"]
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        if axis not in (1, 1 - len(_shape(node))):
            raise InputError(self._refusal(node, f"along axis {axis}"))
        names, flat = [], []
        for part in parts:
            value = self._value(part)
            if not isinstance(value, Neurons):
                value = self._neurons_of(part, value)
            if value.name == INPUT and not self.normal.is_identity:
                raise InputError(self._refusal(node, "normalised pixels"))
            if value.is_flat and (value.name == INPUT or value.name in self.shapes):
                raise InputError(self._refusal(node, "flattened images side by side"))
            names.append(value.name)
            flat.append(value.is_flat)
        self.out.append(ConcatNode(name=node.name, sources=tuple(names)))
        return Neurons(node.name, any(flat))

    def add(self, node: fx.Node) -> Affine:
        """A sum of two values."""
        if node.kwargs.get("alpha", 1) != 1 or len(node.args) != 2:
            raise InputError(self._refusal(node, "alpha"))
        terms = []
        for part in node.args:
            if not isinstance(part, fx.Node):
                raise InputError(self._refusal(node, f"the number {part!r}"))
            if _shape(part) != _shape(node):
                raise InputError(self._refusal(node, f"shapes {list(_shape(part))} and {list(_shape(node))}"))
            terms.append(self._affine(part, self._value(part)))
        first, second = terms
        if first.pools or second.pools:
            raise InputError(self._refusal(node, "max pooling without a ReLU behind it"))
        return Affine((*first.parts, *second.parts), first.c + second.c)

    # -- help ----------------------------------------------------------------------------------------------------------

    def _options(
        self, node: fx.Node, names: tuple[str, ...], defaults: tuple[Any, ...], *, is_method: bool = False
    ) -> dict[str, Any]:
        """Options of a pooling by name, of its module or of the call."""
        if node.op == "call_module":
            layer = self._module(node)
            return {name: getattr(layer, name, default) for name, default in zip(names, defaults, strict=True)}
        values = dict(zip(names, defaults, strict=True))
        values |= dict(zip(names, node.args[1:], strict=False))
        return values | {name: value for name, value in node.kwargs.items() if name in names}

    def _mean(
        self,
        node: fx.Node,
        pool: Callable[[Tensor], Tensor],
        kernel: tuple[int, int] | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Averaged:
        source = self._source(node)
        if isinstance(source, Affine | Scaled):
            source = self._neurons_of(node, source)
        if not isinstance(source, Neurons):
            raise InputError(self._refusal(node, "it follows average pooling"))
        if source.name == INPUT and max(padding) > 0 and bool(self.normal.mean.any()):
            raise InputError(self._refusal(node, "padding of normalised pixels"))
        return Averaged(source, pool, kernel, stride, padding)

    def _neurons_of(self, node: fx.Node, value: Value) -> Neurons:
        raise InputError(f"{node.name}: a layer without a ReLU behind it has no spikes; {type(value).__name__.lower()}")

    def _neurons_shape(self, neurons: Neurons) -> tuple[int, ...]:
        return self.shapes[neurons.name]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the neurons by their names."""
        known = {}
        for node in self.graph.nodes:
            value = self.values.get(node.name)
            if isinstance(value, Neurons) and not value.is_flat and len(_shape(node)) == 4:
                known[value.name] = _shape(node)[1:]
        return known

    def _averaged_before(self, node: fx.Node, source: Averaged, layer: Any) -> Any:
        """Average pooling goes into a 1x1 convolution; before another one it becomes neurons of its own."""
        plain = layer.kernel_size == (1, 1) and _pair(layer.stride) == (1, 1) and layer.groups == 1
        if source.kernel is None:
            raise InputError(self._refusal(node, "it follows average pooling over windows of different sizes"))
        top, left = source.padding
        sides = (left, left, top, top)
        if source.neurons.name == INPUT and not self.normal.is_identity:
            raise InputError(self._refusal(node, "it follows average pooling of normalised pixels"))
        if plain and layer.padding in ((0, 0), 0, "valid"):
            mean = torch.full(source.kernel, 1.0 / math.prod(source.kernel), dtype=torch.double)
            return Part(source.neurons.name, mean, source.stride, sides)
        channels = self._neurons_shape(source.neurons)[0]
        v = torch.full((channels, 1, *source.kernel), 1.0 / math.prod(source.kernel), dtype=torch.double)
        part = Part(source.neurons.name, v, source.stride, sides, groups=channels)
        affine = Affine((part,), torch.zeros(channels, dtype=torch.double))
        return self._settle(f"{node.name}_mean", affine, math.inf)

    def _through_mean(self, source: Averaged, v: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Weights [out, feature] of the neurons instead of their means."""
        channels, rows, columns = shape
        means = source.pool(torch.eye(rows * columns, dtype=v.dtype).view(-1, 1, rows, columns)).flatten(1)
        return (v.view(len(v), channels, -1) @ means.t()).flatten(1)

    def _affine(self, node: fx.Node, value: Value) -> Affine:
        """A value as a sum of weighted neurons; neurons as themselves."""
        if isinstance(value, Affine):
            return value
        if isinstance(value, Averaged):
            raise InputError(self._refusal(node, "average pooling without a layer behind it"))
        neurons = value.neurons if isinstance(value, Scaled) else value
        channels = _shape(node)[1]
        gain, shift = torch.ones(channels, dtype=torch.double), torch.zeros(channels, dtype=torch.double)
        if isinstance(value, Scaled):
            gain, shift = value.gain, value.shift
            if neurons.is_flat and len(gain) != channels:
                gain, shift = (part.repeat_interleave(channels // len(gain)) for part in (gain, shift))
        elif neurons.name == INPUT:
            gain, shift = 1 / self.normal.std, -self.normal.mean / self.normal.std
        if neurons.is_flat or len(_shape(node)) == 2:
            return Affine((Part(neurons.name, torch.diag(gain)),), shift)
        return Affine((Part(neurons.name, gain.view(-1, 1, 1, 1), groups=channels),), shift)

    def _settle(self, name: str, affine: Affine, limit: float) -> Neurons:
        """The affine value becomes neurons; max pooling that stood before the ReLU comes behind it."""
        flat = affine.parts[0].v.dim() == 2
        layer = name if not affine.pools else f"{name}_neurons"
        self.out.append(Layer(layer, replace(affine, pools=()), limit))
        neurons = Neurons(layer, flat)
        for k, pool in enumerate(affine.pools):
            last = k == len(affine.pools) - 1
            neurons = self._pool(name if last else f"{name}_pool{k}", neurons, pool)
        return neurons

    def _pool(self, name: str, source: Neurons, pool: Pooling) -> Neurons:
        node = MaxNode(
            name=name,
            source=source.name,
            kernel=pool.kernel,
            stride=pool.stride,
            padding=pool.padding,
            ceil=pool.ceil,
        )
        self.out.append(node)
        return Neurons(name)


def _used(graph: fx.Graph) -> set[fx.Node]:
    """Nodes whose values reach the output as activations; sizes and what nobody reads do not count."""
    used: set[fx.Node] = set()
    waiting = [node for node in graph.nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node in used:
            continue
        used.add(node)
        waiting += [source for source in node.all_input_nodes if len(_shape(source)) > 1]
    return used


def _shape(node: fx.Node) -> tuple[int, ...]:
    meta: Any = node.meta.get("tensor_meta")
    return tuple(meta.shape) if hasattr(meta, "shape") else ()


def _input(node: fx.Node) -> fx.Node:
    return node.all_input_nodes[0]


def _sides(layer: Any, image: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Padding left, right, top, bottom of a convolution."""
    if layer.padding == "valid":
        return (0, 0, 0, 0)
    if layer.padding == "same":
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in totals)
        return (left, right, top, bottom)
    rows, columns = _pair(layer.padding)
    return (columns, columns, rows, rows)


def _by_group(values: Tensor, groups: int, out: int) -> Tensor:
    """Values [in] as factors [out or 1, in/groups, 1, 1] of the weights of a grouped convolution."""
    if groups == 1:
        return values.view(1, -1, 1, 1)
    return values.view(groups, -1).repeat_interleave(out // groups, dim=0)[:, :, None, None]


def _across(v: Tensor, mean: Tensor) -> Tensor:
    """Weights [out, in, h, w] of a 1x1 convolution behind a mean over h x w."""
    return v * mean[None, None]


_MODULES: dict[type[nn.Module], Callable[[Reader, fx.Node], Any]] = {
    nn.Conv2d: Reader.conv,
    nn.Linear: Reader.linear,
    nn.BatchNorm2d: Reader.batch_norm,
    nn.BatchNorm1d: Reader.batch_norm,
    nn.ReLU: Reader.relu,
    nn.Hardtanh: Reader.relu,  # ReLU6 is one
    nn.MaxPool2d: Reader.max_pool,
    nn.AvgPool2d: Reader.average_pool,
    nn.AdaptiveAvgPool2d: Reader.adaptive_pool,
    nn.Flatten: Reader.flatten,
    nn.Dropout: Reader.same,
    nn.Dropout2d: Reader.same,
    nn.Identity: Reader.same,
}
_FUNCTIONS: dict[Any, Callable[[Reader, fx.Node], Any]] = {
    dense.relu: Reader.relu,
    torch.relu: Reader.relu,
    "relu": Reader.relu,
    "relu_": Reader.relu,
    dense.relu6: Reader.relu,
    dense.hardtanh: Reader.relu,
    dense.max_pool2d: Reader.max_pool,
    torch.max_pool2d: Reader.max_pool,
    dense.avg_pool2d: Reader.average_pool,
    dense.adaptive_avg_pool2d: Reader.adaptive_pool,
    torch.mean: Reader.mean,
    "mean": Reader.mean,
    torch.flatten: Reader.flatten,
    "flatten": Reader.flatten,
    "view": Reader.flatten,
    "reshape": Reader.flatten,
    torch.reshape: Reader.flatten,
    dense.dropout: Reader.same,
    "contiguous": Reader.same,
    torch.cat: Reader.concat,
    torch.concat: Reader.concat,
    torch.add: Reader.add,
    operator.add: Reader.add,
    operator.iadd: Reader.add,
    "add": Reader.add,
    "add_": Reader.add,
}


def _of_class(module: nn.Module) -> Callable[[Reader, fx.Node], Any] | None:
    return next((handler for kind, handler in _MODULES.items() if isinstance(module, kind)), None)
