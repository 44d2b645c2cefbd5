"""ReLU networks out of ONNX files (opset 11 and later): layers and weights, to be converted into windows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurocircuit.core import extras
from neurocircuit.core.arrays import Floats
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn.layer_graph import GraphMaker, LayerGraphNetwork
from neurocircuit.snn.layer_kinds import serving
from neurocircuit.spec.layer_graph import INPUT, Kind


def read_onnx(path: Path | str, shape: tuple[int, int, int]) -> LayerGraphNetwork:
    """Return the network of an ONNX file for images [channel, row, column] = shape, in float32.

    Conv, Gemm, MatMul with Add, BatchNormalization, Relu, Clip from 0, MaxPool, AveragePool, GlobalAveragePool,
    Flatten, Reshape to [image, feature], Add, Concat of channels, Identity and Dropout have a meaning here.

    Raise InputError naming another operation, its place and what would serve, FileFormatError for a damaged file.
    """
    try:
        import onnx
    except ImportError as error:
        raise extras.missing(error) or error from None
    try:
        graph = onnx.load(str(path)).graph
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # protobuf raises what it likes
        raise FileFormatError(f"{path} is not an ONNX file: {str(error).splitlines()[0]}") from None
    if not graph.node or not graph.output:
        raise FileFormatError(f"{path} is not an ONNX file: it has no graph")
    return _Reader(graph, shape, onnx.numpy_helper.to_array, onnx.helper.get_attribute_value).network()


class _Reader:
    """Reads the nodes in their order, which ONNX prescribes."""

    def __init__(self, graph: Any, shape: tuple[int, int, int], to_array: Any, value_of: Any) -> None:
        self._graph, self._shape, self._value_of = graph, shape, value_of
        self._to_array = to_array
        self._constants: dict[str, Floats] = {tensor.name: to_array(tensor) for tensor in graph.initializer}
        self._made = GraphMaker()
        self._values: dict[str, str] = {}
        self._flat: set[str] = set()  # values [image, feature]
        self._readers = [name for node in graph.node for name in node.input]
        self._bare: dict[str, str] = {}  # layers without a bias, by the value that they give

    def network(self) -> LayerGraphNetwork:
        """Return the network. Raise InputError naming the first operation that has no meaning here."""
        self._input()
        for node in self._graph.node:
            attributes = {a.name: self._value_of(a) for a in node.attribute}
            if node.op_type == "Constant":
                self._constants[node.output[0]] = self._to_array(attributes["value"])
                continue
            read = _OPERATIONS.get(node.op_type)
            if read is None or node.domain not in ("", "ai.onnx"):
                raise self._refusal(node, f"has no meaning here{serving(node.op_type)}")
            self._values[node.output[0]] = read(self, node, attributes)
        last = self._values.get(self._graph.output[0].name)
        if last is None or len(self._graph.output) != 1:
            raise InputError("the ONNX graph must have one output, [image, class]")
        return self._made.network(self._shape, last)

    def _input(self) -> None:
        inputs = [value for value in self._graph.input if value.name not in self._constants]
        if len(inputs) != 1:
            raise InputError(f"the ONNX graph must have one input, images, got {len(inputs)}")
        size = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim][1:]
        pixels = int(np.prod(self._shape))
        if size == [pixels] and list(self._shape) != size:
            self._values[inputs[0].name] = self._made.add("flat", "flatten", [INPUT])
            self._flat.add(inputs[0].name)
        elif size == list(self._shape):
            self._values[inputs[0].name] = INPUT
        else:
            raise InputError(f"ONNX input {inputs[0].name} must be {list(self._shape)} as the images are, got {size}")

    def _refusal(self, node: Any, what: str) -> InputError:
        return InputError(f"ONNX node {node.name or node.output[0]} ({node.op_type}) {what}")

    def _source(self, node: Any, number: int = 0) -> str:
        name = node.input[number]
        if name not in self._values:
            raise self._refusal(node, f"must read values of the network, got {name}")
        return self._values[name]

    def _constant(self, node: Any, number: int) -> Floats | None:
        """Return the constant that a node reads; None where it reads none there."""
        if number >= len(node.input) or not node.input[number]:
            return None
        name = node.input[number]
        if name not in self._constants:
            raise self._refusal(node, f"must have constant weights, got {name}")
        return self._constants[name]

    def _only(self, node: Any, attributes: dict[str, Any], **allowed: Any) -> None:
        """Raise InputError where an attribute has another value than the one that has a meaning."""
        for name, value in allowed.items():
            actual = attributes.get(name, value)
            if (actual.decode() if isinstance(actual, bytes) else actual) != value:
                raise self._refusal(node, f"must have {name} {value}, got {actual}")

    def _sides(self, node: Any, attributes: dict[str, Any]) -> tuple[int, int]:
        """Return the padding of rows and columns, alike on both sides."""
        self._only(node, attributes, auto_pad="NOTSET")
        top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
        if (top, left) != (bottom, right):
            raise self._refusal(node, f"must be padded alike on both sides, got {[top, left, bottom, right]}")
        return int(top), int(left)

    def _layer(self, node: Any, kind: Kind, options: dict[str, Any], weight: Floats, bias: Floats | None) -> str:
        source = self._source(node)
        name = self._made.add(node.name or node.output[0], kind, [source], options | {"bias": True})
        self._made.weights[f"{name}.weight"] = torch.from_numpy(np.array(weight, dtype=np.float32))
        made = np.zeros(len(weight)) if bias is None else np.broadcast_to(bias, (len(weight),))
        self._made.weights[f"{name}.bias"] = torch.from_numpy(np.array(made, dtype=np.float32))
        if bias is None:
            self._bare[node.output[0]] = name
        return name

    def _conv(self, node: Any, attributes: dict[str, Any]) -> str:
        weight = self._constant(node, 1)
        if weight is None or weight.ndim != 4:
            raise self._refusal(node, "must be two-dimensional")
        groups = int(attributes.get("group", 1))
        options = {
            "in_channels": weight.shape[1] * groups,
            "out_channels": weight.shape[0],
            "kernel_size": weight.shape[2:],
            "stride": tuple(attributes.get("strides", (1, 1))),
            "padding": self._sides(node, attributes),
            "dilation": tuple(attributes.get("dilations", (1, 1))),
            "groups": groups,
        }
        return self._layer(node, "conv2d", options, weight, self._constant(node, 2))

    def _gemm(self, node: Any, attributes: dict[str, Any]) -> str:
        self._only(node, attributes, alpha=1.0, beta=1.0, transA=0)
        weight = self._constant(node, 1)
        return self._linear(node, weight if attributes.get("transB", 0) else self._transposed(node, weight), 2)

    def _matmul(self, node: Any, attributes: dict[str, Any]) -> str:
        return self._linear(node, self._transposed(node, self._constant(node, 1)), 2)

    def _transposed(self, node: Any, weight: Floats | None) -> Floats:
        if weight is None or weight.ndim != 2:
            raise self._refusal(node, "must have a matrix of weights")
        return weight.T

    def _linear(self, node: Any, weight: Floats | None, bias: int) -> str:
        weight = self._transposed(node, weight).T
        if node.input[0] not in self._flat:
            raise self._refusal(node, "must read [image, feature]; what would serve: Flatten before it")
        self._flat.add(node.output[0])
        options = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
        return self._layer(node, "linear", options, weight, self._constant(node, bias))

    def _batchnormalization(self, node: Any, attributes: dict[str, Any]) -> str:
        self._only(node, attributes, training_mode=0)
        kind: Kind = "batch_norm1d" if node.input[0] in self._flat else "batch_norm2d"
        scale = self._constant(node, 1)
        assert scale is not None  # noqa: S101
        options = {"num_features": len(scale), "eps": float(attributes.get("epsilon", 1e-5))}
        name = self._same(node, kind, options)
        for number, part in enumerate(("weight", "bias", "running_mean", "running_var"), 1):
            values = np.array(self._constant(node, number), dtype=np.float32)
            self._made.weights[f"{name}.{part}"] = torch.from_numpy(values)
        self._made.weights[f"{name}.num_batches_tracked"] = torch.zeros((), dtype=torch.long)
        return name

    def _same(self, node: Any, kind: Kind, options: dict[str, Any] | None = None) -> str:
        """Add what keeps the shape of its input."""
        if node.input[0] in self._flat:
            self._flat.add(node.output[0])
        return self._made.add(node.name or node.output[0], kind, [self._source(node)], options)

    def _relu(self, node: Any, attributes: dict[str, Any]) -> str:
        return self._same(node, "relu")

    def _clip(self, node: Any, attributes: dict[str, Any]) -> str:
        low, high = (self._constant(node, number) for number in (1, 2))
        if low is None or float(low) != 0.0:
            raise self._refusal(node, "must clip from 0: a ReLU")
        if high is None:
            return self._same(node, "relu")
        return self._same(node, "hardtanh", {"min_val": 0.0, "max_val": float(high)})

    def _identity(self, node: Any, attributes: dict[str, Any]) -> str:
        return self._same(node, "identity")

    def _pool(self, node: Any, attributes: dict[str, Any]) -> dict[str, Any]:
        return {
            "kernel_size": tuple(attributes["kernel_shape"]),
            "stride": tuple(attributes.get("strides", [1] * len(attributes["kernel_shape"]))),
            "padding": self._sides(node, attributes),
            "ceil_mode": bool(attributes.get("ceil_mode", 0)),
        }

    def _maxpool(self, node: Any, attributes: dict[str, Any]) -> str:
        dilation = tuple(attributes.get("dilations", (1, 1)))
        return self._same(node, "max_pool2d", self._pool(node, attributes) | {"dilation": dilation})

    def _averagepool(self, node: Any, attributes: dict[str, Any]) -> str:
        counts = bool(attributes.get("count_include_pad", 0)) or max(self._sides(node, attributes)) == 0
        return self._same(node, "avg_pool2d", self._pool(node, attributes) | {"count_include_pad": counts})

    def _globalaveragepool(self, node: Any, attributes: dict[str, Any]) -> str:
        return self._same(node, "adaptive_avg_pool2d", {"output_size": 1})

    def _flatten(self, node: Any, attributes: dict[str, Any]) -> str:
        self._only(node, attributes, axis=1)
        self._flat.add(node.output[0])
        return self._made.add(node.name or node.output[0], "flatten", [self._source(node)])

    def _reshape(self, node: Any, attributes: dict[str, Any]) -> str:
        size = self._constant(node, 1)
        if size is None or len(size) != 2:
            raise self._refusal(node, "must give [image, feature]")
        return self._flatten(node, {})

    def _add(self, node: Any, attributes: dict[str, Any]) -> str:
        for number in (0, 1):
            values = self._constants.get(node.input[1 - number])
            layer = self._bare.get(node.input[number])
            if values is not None:
                if layer is None or self._readers.count(node.input[number]) > 1:
                    raise self._refusal(node, "must add values of the network, or the bias of the layer before")
                bias = self._made.weights[f"{layer}.bias"]
                bias.copy_(torch.from_numpy(np.array(values, dtype=np.float32)).reshape(-1).expand(len(bias)))
                if node.input[number] in self._flat:
                    self._flat.add(node.output[0])
                return layer
        sources = [self._source(node, number) for number in (0, 1)]
        if node.input[0] in self._flat:
            self._flat.add(node.output[0])
        return self._made.add(node.name or node.output[0], "add", sources)

    def _concat(self, node: Any, attributes: dict[str, Any]) -> str:
        self._only(node, attributes, axis=1)
        if node.input[0] in self._flat:
            self._flat.add(node.output[0])
        sources = [self._source(node, number) for number in range(len(node.input))]
        return self._made.add(node.name or node.output[0], "cat", sources)


_OPERATIONS: dict[str, Callable[[_Reader, Any, dict[str, Any]], str]] = {
    "Conv": _Reader._conv,
    "Gemm": _Reader._gemm,
    "MatMul": _Reader._matmul,
    "BatchNormalization": _Reader._batchnormalization,
    "Relu": _Reader._relu,
    "Clip": _Reader._clip,
    "MaxPool": _Reader._maxpool,
    "AveragePool": _Reader._averagepool,
    "GlobalAveragePool": _Reader._globalaveragepool,
    "Flatten": _Reader._flatten,
    "Reshape": _Reader._reshape,
    "Add": _Reader._add,
    "Concat": _Reader._concat,
    "Identity": _Reader._identity,
    "Dropout": _Reader._identity,
}
