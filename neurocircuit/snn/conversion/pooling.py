"""Poolings, read off a traced graph."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, fx
from torch.nn import functional as dense

from neurocircuit.errors import InputError
from neurocircuit.snn.conversion.graph import TracedGraph, input_of, name_of, pair_of, shape_of, without_spikes
from neurocircuit.snn.conversion.values import Affine, Averaged, Neurons, Pooling, Scaled, Value
from neurocircuit.spec.windowed import INPUT


def max_pool(graph: TracedGraph, node: fx.Node) -> Value:
    """Read max pooling, of neurons or between a layer and its ReLU."""
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    options = graph.options(node, names, (None, None, 0, 1, False, False))
    if pair_of(options["dilation"]) != (1, 1) or options["return_indices"]:
        raise InputError(graph.refusal(node, "dilation and indices"))
    kernel = pair_of(options["kernel_size"])
    stride = pair_of(options["stride"] or options["kernel_size"])
    pool = Pooling(name_of(node), kernel, stride, pair_of(options["padding"]), bool(options["ceil_mode"]))
    source = graph.source(node)
    if isinstance(source, Affine):
        return replace(source, pools=(*source.pools, pool))
    if not isinstance(source, Neurons):
        raise InputError(graph.refusal(node, "it follows a batch norm or average pooling"))
    pooled = graph.pool(source, pool)
    if source.name != INPUT or graph.normal.is_identity:
        return pooled
    return Scaled(pooled, 1 / graph.normal.std, -graph.normal.mean / graph.normal.std)


def average_pool(graph: TracedGraph, node: fx.Node) -> Averaged:
    """Read average pooling with one kernel."""
    names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    options = graph.options(node, names, (None, None, 0, False, True, None))
    kernel, stride = pair_of(options["kernel_size"]), pair_of(options["stride"] or options["kernel_size"])
    padding = pair_of(options["padding"])
    if options["divisor_override"] is not None or (max(padding) and not options["count_include_pad"]):
        raise InputError(graph.refusal(node, "divisor_override, and padding that does not count"))
    if options["ceil_mode"]:
        raise InputError(graph.refusal(node, "ceil_mode"))
    return _mean(graph, node, lambda x: dense.avg_pool2d(x, kernel, stride, padding), kernel, stride, padding)


def adaptive_pool(graph: TracedGraph, node: fx.Node) -> Averaged:
    """Read average pooling to a size."""
    size = graph.options(node, ("output_size",), (None,))["output_size"]
    rows, columns = (size, size) if isinstance(size, int) else size
    image = shape_of(input_of(node))[2:]
    target = (image[0] if rows is None else rows, image[1] if columns is None else columns)
    kernel = (image[0] // target[0], image[1] // target[1])
    even = image == (kernel[0] * target[0], kernel[1] * target[1])
    return _mean(graph, node, lambda x: dense.adaptive_avg_pool2d(x, target), kernel if even else None, kernel, (0, 0))


def mean(graph: TracedGraph, node: fx.Node) -> Averaged:
    """Read a mean over rows and columns."""
    options = graph.options(node, ("dim", "keepdim"), (None, False), is_method=True)
    axes = options["dim"]
    if not isinstance(axes, tuple | list) or sorted(axis % 4 for axis in axes) != [2, 3]:
        raise InputError(graph.refusal(node, "a mean over other axes than rows and columns"))
    image = shape_of(input_of(node))[2:]
    averaged = _mean(graph, node, lambda x: dense.adaptive_avg_pool2d(x, 1), (image[0], image[1]), (1, 1), (0, 0))
    return replace(averaged, is_flat=not options["keepdim"])


def _mean(
    graph: TracedGraph,
    node: fx.Node,
    pool: Callable[[Tensor], Tensor],
    kernel: tuple[int, int] | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Averaged:
    source = graph.source(node)
    if isinstance(source, Affine | Scaled):
        raise without_spikes(node, source)
    if not isinstance(source, Neurons):
        raise InputError(graph.refusal(node, "it follows average pooling"))
    if source.name == INPUT and max(padding) > 0 and bool(graph.normal.mean.any()):
        raise InputError(graph.refusal(node, "padding of normalised pixels"))
    return Averaged(source, pool, kernel, stride, padding)
