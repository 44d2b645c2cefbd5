"""ReLU, and what joins or reshapes values, read off a traced graph: concatenation, addition, flattening."""

import math
from dataclasses import replace
from typing import Any

from torch import fx, nn
from torch.nn import functional as dense

from neurocircuit.errors import InputError
from neurocircuit.snn.conversion.graph import TracedGraph, input_of, name_of, shape_of, without_spikes
from neurocircuit.snn.conversion.values import Affine, Averaged, Neurons, Scaled, Value
from neurocircuit.spec.windowed import INPUT, ConcatNode


def relu(graph: TracedGraph, node: fx.Node) -> Neurons:
    """Read ReLU, ReLU6 or Hardtanh from 0."""
    low, limit = 0.0, math.inf
    if node.op == "call_module":
        layer = graph.module(node)
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
        raise InputError(graph.refusal(node, f"it must clip from 0, got {low:g}"))
    source = graph.source(node)
    if isinstance(source, Neurons) and limit == math.inf and (source.name != INPUT or not graph.normal.mean.any()):
        return source
    if isinstance(source, Scaled | Neurons):
        source = graph.affine(node, source)
    if not isinstance(source, Affine):
        raise InputError(graph.refusal(node, "it follows average pooling"))
    return graph.settle(name_of(node), source, limit)


def flatten(graph: TracedGraph, node: fx.Node) -> Value:
    """Read channels, rows and columns as features."""
    source = graph.source(node)
    before, after = shape_of(input_of(node)), shape_of(node)
    if len(after) != 2 or after[0] != before[0]:
        if after == before:
            return source
        raise InputError(graph.refusal(node, f"{list(before)} to {list(after)}"))
    if isinstance(source, Neurons | Averaged):
        return replace(source, is_flat=True)
    if isinstance(source, Scaled):
        return replace(source, neurons=replace(source.neurons, is_flat=True))
    if all(size == 1 for size in before[2:]):
        return source
    raise InputError(graph.refusal(node, "it follows a layer without a ReLU between"))


def same(graph: TracedGraph, node: fx.Node) -> Value:
    """Read dropout in evaluation, identity, contiguous."""
    return graph.source(node)


def concat(graph: TracedGraph, node: fx.Node) -> Neurons:
    """Read channels side by side."""
    parts: Any = node.args[0] if node.args else node.kwargs["tensors"]
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if axis not in (1, 1 - len(shape_of(node))):
        raise InputError(graph.refusal(node, f"along axis {axis}"))
    names, flat = [], []
    for part in parts:
        value = graph.value(part)
        if not isinstance(value, Neurons):
            raise without_spikes(part, value)
        if value.name == INPUT and not graph.normal.is_identity:
            raise InputError(graph.refusal(node, "normalised pixels"))
        if value.is_flat and (value.name == INPUT or value.name in graph.shapes):
            raise InputError(graph.refusal(node, "flattened images side by side"))
        names.append(value.name)
        flat.append(value.is_flat)
    name = graph.unique(name_of(node))
    graph.steps.append(ConcatNode(name=name, sources=tuple(names)))
    return Neurons(name, any(flat))


def add(graph: TracedGraph, node: fx.Node) -> Affine:
    """Read a sum of two values."""
    if node.kwargs.get("alpha", 1) != 1 or len(node.args) != 2:
        raise InputError(graph.refusal(node, "alpha"))
    terms = []
    for part in node.args:
        if not isinstance(part, fx.Node):
            raise InputError(graph.refusal(node, f"the number {part!r}"))
        if shape_of(part) != shape_of(node):
            raise InputError(graph.refusal(node, f"shapes {list(shape_of(part))} and {list(shape_of(node))}"))
        terms.append(graph.affine(part, graph.value(part)))
    first, second = terms
    if first.pools or second.pools:
        raise InputError(graph.refusal(node, "max pooling without a ReLU behind it"))
    return Affine((*first.parts, *second.parts), first.c + second.c, name=first.name or second.name)
