"""Layers with weights, read off a traced graph: convolution, linear layer, batch norm."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx

from neurocircuit.errors import InputError
from neurocircuit.snn.conversion.graph import TracedGraph, input_of, name_of, pair_of, shape_of
from neurocircuit.snn.conversion.values import Affine, Averaged, Neurons, Part, Scaled, Value
from neurocircuit.spec.windowed import INPUT


def conv(graph: TracedGraph, node: fx.Node) -> Affine:
    """Read a convolution."""
    layer = graph.module(node)
    source = graph.source(node)
    v = layer.weight.detach()
    c = torch.zeros(len(v), dtype=v.dtype) if layer.bias is None else layer.bias.detach()
    if layer.padding_mode != "zeros":
        raise InputError(graph.refusal(node, f"padding_mode {layer.padding_mode}"))
    image = shape_of(input_of(node))[2:]
    left, right, top, bottom = _sides(layer, image)
    geometry = (pair_of(layer.stride), (left, right, top, bottom), pair_of(layer.dilation), layer.groups)
    if isinstance(source, Averaged):
        source = _averaged_before(graph, node, source, layer)
        if isinstance(source, Part):
            return Affine((replace(source, v=_across(v, source.v)),), c, name=name_of(node))
    gain = shift = None
    if isinstance(source, Scaled):
        gain, shift, source = source.gain, source.shift, source.neurons
        if max(geometry[1]) > 0 and (bool(shift.any()) or source.name == INPUT):
            raise InputError(graph.refusal(node, "padding behind a batch norm behind neurons"))
    if not isinstance(source, Neurons):
        raise InputError(graph.refusal(node, "it follows a layer without a ReLU between"))
    if source.name == INPUT and gain is None:
        gain, shift = 1 / graph.normal.std, -graph.normal.mean / graph.normal.std
    if gain is not None and shift is not None:
        c = c + (v * _by_group(shift, layer.groups, len(v))).sum(dim=(1, 2, 3))
        v = v * _by_group(gain, layer.groups, len(v))
    return Affine((Part(source.name, v, *geometry),), c, name=name_of(node))


def linear(graph: TracedGraph, node: fx.Node) -> Affine:
    """Read a fully connected layer."""
    layer = graph.module(node)
    v = layer.weight.detach()
    c = torch.zeros(len(v), dtype=v.dtype) if layer.bias is None else layer.bias.detach()
    source = graph.source(node)
    gain = shift = None
    if isinstance(source, Averaged):
        if not source.is_flat:
            raise InputError(graph.refusal(node, "it follows pooling that is not flattened"))
        v = _through_mean(graph, source, v, graph.shapes[source.neurons.name])
        source = source.neurons
    if isinstance(source, Scaled):
        gain, shift, source = source.gain, source.shift, source.neurons
    if not isinstance(source, Neurons):
        raise InputError(graph.refusal(node, "it follows a layer without a ReLU between"))
    if source.name == INPUT and gain is None:
        gain, shift = 1 / graph.normal.std, -graph.normal.mean / graph.normal.std
    if gain is not None and shift is not None:
        pixels = v.shape[1] // len(gain)
        c = c + v @ shift.repeat_interleave(pixels)
        v = v * gain.repeat_interleave(pixels)
    return Affine((Part(source.name, v),), c, name=name_of(node))


def batch_norm(graph: TracedGraph, node: fx.Node) -> Value:
    """Read a batch norm by its running statistics."""
    layer = graph.module(node)
    if layer.running_var is None:
        raise InputError(graph.refusal(node, "it has no running statistics"))
    gain = 1 / torch.sqrt(layer.running_var + layer.eps)
    shift = -layer.running_mean * gain
    if layer.affine:
        gain, shift = gain * layer.weight, shift * layer.weight + layer.bias
    gain, shift = gain.detach(), shift.detach()
    source = graph.source(node)
    if isinstance(source, Neurons):
        if source.name == INPUT:
            shift, gain = shift - gain * graph.normal.mean / graph.normal.std, gain / graph.normal.std
        return Scaled(source, gain, shift)
    if not isinstance(source, Affine):
        raise InputError(graph.refusal(node, "it follows a batch norm or average pooling"))
    if source.pools and bool((gain <= 0).any()):
        raise InputError(graph.refusal(node, "behind max pooling its scales must be positive"))
    parts = tuple(replace(part, v=part.v * gain.view(-1, *(1 for _ in part.v.shape[1:]))) for part in source.parts)
    return replace(source, parts=parts, c=source.c * gain + shift)


def _averaged_before(graph: TracedGraph, node: fx.Node, source: Averaged, layer: Any) -> Any:
    """Average pooling goes into a 1x1 convolution; before another one it becomes neurons of its own."""
    plain = layer.kernel_size == (1, 1) and pair_of(layer.stride) == (1, 1) and layer.groups == 1
    if source.kernel is None:
        raise InputError(graph.refusal(node, "it follows average pooling over windows of different sizes"))
    top, left = source.padding
    sides = (left, left, top, top)
    if source.neurons.name == INPUT and not graph.normal.is_identity:
        raise InputError(graph.refusal(node, "it follows average pooling of normalised pixels"))
    if plain and layer.padding in ((0, 0), 0, "valid"):
        mean = torch.full(source.kernel, 1.0 / math.prod(source.kernel), dtype=torch.double)
        return Part(source.neurons.name, mean, source.stride, sides)
    channels = graph.shapes[source.neurons.name][0]
    v = torch.full((channels, 1, *source.kernel), 1.0 / math.prod(source.kernel), dtype=torch.double)
    part = Part(source.neurons.name, v, source.stride, sides, groups=channels)
    affine = Affine((part,), torch.zeros(channels, dtype=torch.double))
    return graph.settle(f"{name_of(node)}_mean", affine, math.inf)


def _through_mean(graph: TracedGraph, source: Averaged, v: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Weights [out, feature] of the neurons instead of their means."""
    channels, rows, columns = shape
    means = source.pool(torch.eye(rows * columns, dtype=v.dtype).view(-1, 1, rows, columns)).flatten(1)
    return (v.view(len(v), channels, -1) @ means.t()).flatten(1)


def _sides(layer: Any, image: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Padding left, right, top, bottom of a convolution."""
    if layer.padding == "valid":
        return (0, 0, 0, 0)
    if layer.padding == "same":
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in totals)
        return (left, right, top, bottom)
    rows, columns = pair_of(layer.padding)
    return (columns, columns, rows, rows)


def _by_group(values: Tensor, groups: int, out: int) -> Tensor:
    """Values [in] as factors [out or 1, in/groups, 1, 1] of the weights of a grouped convolution."""
    if groups == 1:
        return values.view(1, -1, 1, 1)
    return values.view(groups, -1).repeat_interleave(out // groups, dim=0)[:, :, None, None]


def _across(v: Tensor, mean: Tensor) -> Tensor:
    """Weights [out, in, h, w] of a 1x1 convolution behind a mean over h x w."""
    return v * mean[None, None]
