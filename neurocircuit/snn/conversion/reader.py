"""A ReLU network, traced and read node by node into layers, poolings and concatenations."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as dense

from neurocircuit.errors import InputError
from neurocircuit.snn.conversion import joining, pooling, weighted
from neurocircuit.snn.conversion.graph import TracedGraph, name_of, shape_of
from neurocircuit.snn.conversion.values import Layer, Neurons, Normalisation, Step
from neurocircuit.spec.windowed import INPUT

Operation = Callable[[TracedGraph, fx.Node], Any]


def read(module: nn.Module, normal: Normalisation, pixels: Tensor) -> list[Step]:
    """Return the steps of a network in order; the last is the read-out. Raise InputError naming what cannot be read."""
    graph = TracedGraph(module, normal, pixels, tuple(_MODULES))
    used = _used(graph.nodes)
    for node in graph.nodes:
        if node.op == "placeholder":
            if graph.values and node in used:
                raise InputError(f"{node.name}: the module must take images alone")
            graph.values[node.name] = Neurons(INPUT)
        elif node.op == "output":
            return _finish(graph, node)
        elif node in used:
            graph.values[node.name] = _operation(graph, node)(graph, node)
    raise InputError("the module has no output")


def _finish(graph: TracedGraph, node: fx.Node) -> list[Step]:
    result = node.args[0]
    if not isinstance(result, fx.Node):
        raise InputError("the module must return one tensor of classes")
    value = graph.affine(result, graph.values[result.name])
    if value.pools or len(shape_of(result)) != 2:
        raise InputError(f"{result.name}: the network must end with [N, class], got {list(shape_of(result))}")
    return [*graph.steps, Layer(graph.unique(value.name or name_of(result)), value, None)]


def _operation(graph: TracedGraph, node: fx.Node) -> Operation:
    if node.op == "get_attr":
        raise InputError(graph.refusal(node, "a constant"))
    if node.op == "call_module":
        operation = next((handler for kind, handler in _MODULES.items() if isinstance(graph.module(node), kind)), None)
    else:
        operation = _FUNCTIONS.get(node.target)
    if operation is None:
        raise InputError(graph.refusal(node))
    return operation


def _used(nodes: list[fx.Node]) -> set[fx.Node]:
    """Nodes whose values reach the output as activations; sizes and what nobody reads do not count."""
    used: set[fx.Node] = set()
    waiting = [node for node in nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node in used:
            continue
        used.add(node)
        waiting += [source for source in node.all_input_nodes if len(shape_of(source)) > 1]
    return used


_MODULES: dict[type[nn.Module], Operation] = {
    nn.Conv2d: weighted.conv,
    nn.Linear: weighted.linear,
    nn.BatchNorm2d: weighted.batch_norm,
    nn.BatchNorm1d: weighted.batch_norm,
    nn.ReLU: joining.relu,
    nn.Hardtanh: joining.relu,  # ReLU6 is one
    nn.MaxPool2d: pooling.max_pool,
    nn.AvgPool2d: pooling.average_pool,
    nn.AdaptiveAvgPool2d: pooling.adaptive_pool,
    nn.Flatten: joining.flatten,
    nn.Dropout: joining.same,
    nn.Dropout2d: joining.same,
    nn.Identity: joining.same,
}
_FUNCTIONS: dict[Any, Operation] = {
    dense.relu: joining.relu,
    torch.relu: joining.relu,
    "relu": joining.relu,
    "relu_": joining.relu,
    dense.relu6: joining.relu,
    dense.hardtanh: joining.relu,
    dense.max_pool2d: pooling.max_pool,
    torch.max_pool2d: pooling.max_pool,
    dense.avg_pool2d: pooling.average_pool,
    dense.adaptive_avg_pool2d: pooling.adaptive_pool,
    torch.mean: pooling.mean,
    "mean": pooling.mean,
    torch.flatten: joining.flatten,
    "flatten": joining.flatten,
    "view": joining.flatten,
    "reshape": joining.flatten,
    torch.reshape: joining.flatten,
    dense.dropout: joining.same,
    "contiguous": joining.same,
    torch.cat: joining.concat,
    torch.concat: joining.concat,
    torch.add: joining.add,
    operator.add: joining.add,
    operator.iadd: joining.add,
    "add": joining.add,
    "add_": joining.add,
}
