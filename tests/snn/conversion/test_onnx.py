"""ONNX files: what ONNX's own reference evaluator says of them, whole conversions, and what is named."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import neurocircuit as nc
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn.onnx_file import read_onnx

RNG = np.random.default_rng(5)


def written(path: Path, nodes: list[Any], constants: dict[str, Any], shape: tuple[int, ...]) -> Path:
    """Write the graph from `x` to `y`, ten classes, and return its file."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])]
    tensors = [
        numpy_helper.from_array(v if np.asarray(v).dtype == np.int64 else np.asarray(v, dtype=np.float32), name)
        for name, v in constants.items()
    ]
    graph = helper.make_graph(nodes, "net", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def everything(path: Path) -> Path:
    """Every operation that has a meaning, in one network with a residual sum and branches."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1"], ["c1"], "first/conv", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node("BatchNormalization", ["c1", "g", "b", "m", "v"], ["n1"], epsilon=1e-3),
        node("Relu", ["n1"], ["r1"]),
        node("Conv", ["r1", "w2", "b2"], ["c2"], group=2, pads=[1, 1, 1, 1]),
        node("Add", ["c2", "r1"], ["s"]),
        node("Clip", ["s", "low", "high"], ["r2"]),
        node("MaxPool", ["r2"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("AveragePool", ["r1"], ["a"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["a", "w3", "b3"], ["c3"]),
        node("Relu", ["c3"], ["r3"]),
        node("Concat", ["p", "r3"], ["both"], axis=1),
        node("Dropout", ["both"], ["same"]),
        node("Reshape", ["same", "size"], ["f"]),
        node("MatMul", ["f", "w4"], ["mm"]),
        node("Add", ["b4", "mm"], ["y4"]),
        node("Relu", ["y4"], ["r4"]),
        node("Gemm", ["r4", "w5", "b5"], ["y"], transB=1),
    ]
    constants = {
        "w1": RNG.normal(size=(4, 1, 3, 3)),
        "g": [1.0, -0.5, 2.0, 1.5],
        "b": RNG.normal(size=4),
        "m": RNG.normal(size=4),
        "v": [0.5, 1.0, 2.0, 0.7],
        "w2": RNG.normal(size=(4, 2, 3, 3)) / 4,
        "b2": RNG.normal(size=4),
        "low": 0.0,
        "high": 4.0,
        "w3": RNG.normal(size=(3, 4, 1, 1)),
        "b3": RNG.normal(size=3),
        "size": np.array([-1, 112], dtype=np.int64),
        "w4": RNG.normal(size=(112, 20)) / 8,
        "b4": RNG.normal(size=20),
        "w5": RNG.normal(size=(10, 20)),
        "b5": RNG.normal(size=10),
    }
    return written(path, nodes, constants, (1, 8, 8))


def test_the_network_gives_what_onnx_says(tmp_path: Path) -> None:
    path = everything(tmp_path / "net.onnx")
    x = RNG.random((6, 1, 8, 8)).astype(np.float32)
    (expected,) = ReferenceEvaluator(str(path)).run(None, {"x": x})
    y = read_onnx(path, (1, 8, 8))(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-5)
    images = nc.data.digits("train")[:60]
    network = nc.snn.convert(path, images, form="forced", quantile=None)
    assert network.conversion.same_decisions == 60
    assert network.subject is not None


def test_global_pooling_and_flat_images(tmp_path: Path) -> None:
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["c"], strides=[2, 2]),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Identity", ["f"], ["i"]),
        node("Gemm", ["i", "v"], ["y"]),
    ]
    constants = {"w": RNG.normal(size=(5, 1, 2, 2)), "v": RNG.normal(size=(5, 10))}
    path = written(tmp_path / "pool.onnx", nodes, constants, (1, 8, 8))
    x = RNG.random((4, 1, 8, 8)).astype(np.float32)
    (expected,) = ReferenceEvaluator(str(path)).run(None, {"x": x})
    made = read_onnx(path, (1, 8, 8))(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)
    path = written(tmp_path / "flat.onnx", [node("Gemm", ["x", "v"], ["y"])], {"v": RNG.normal(size=(64, 10))}, (64,))
    (expected,) = ReferenceEvaluator(str(path)).run(None, {"x": x.reshape(4, 64)})
    made = read_onnx(path, (1, 8, 8))(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("node", "constants", "said"),
    [
        (helper.make_node("Sigmoid", ["x"], ["z"], "act"), {}, r"ONNX node act \(Sigmoid\) has no meaning.*ReLU"),
        (
            helper.make_node("Transpose", ["x"], ["z"], perm=[0, 1, 3, 2]),
            {},
            r"ONNX node z \(Transpose\) has no meaning",
        ),
        (
            helper.make_node("Conv", ["x", "k"], ["z"], pads=[0, 0, 1, 1]),
            {"k": RNG.normal(size=(1, 1, 2, 2))},
            r"z \(Conv\) must be padded alike on both sides, got \[0, 0, 1, 1\]",
        ),
        (
            helper.make_node("Conv", ["x", "k"], ["z"], auto_pad="SAME_UPPER"),
            {"k": RNG.normal(size=(1, 1, 3, 3))},
            "must have auto_pad NOTSET, got b?'?SAME_UPPER",
        ),
        (helper.make_node("Clip", ["x", "l"], ["z"]), {"l": -1.0}, "must clip from 0"),
        (helper.make_node("Add", ["x", "k"], ["z"]), {"k": RNG.normal(size=(1, 1, 8, 8))}, "bias of the layer before"),
    ],
)
def test_what_has_no_meaning_is_named(node: Any, constants: dict[str, Any], said: str, tmp_path: Path) -> None:
    nodes = [node, helper.make_node("Flatten", ["z"], ["f"]), helper.make_node("Gemm", ["f", "v"], ["y"])]
    path = written(tmp_path / "net.onnx", nodes, constants | {"v": RNG.normal(size=(64, 10))}, (1, 8, 8))
    with pytest.raises(InputError, match=said):
        read_onnx(path, (1, 8, 8))


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = everything(tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"ONNX input x must be \[1, 28, 28\] as the images are, got \[1, 8, 8\]"):
        read_onnx(path, (1, 28, 28))
    with pytest.raises(InputError, match="cannot read"):
        read_onnx(tmp_path / "none.onnx", (1, 8, 8))
    (tmp_path / "bad.onnx").write_bytes(b"\x00\x01nothing of the kind")
    with pytest.raises(FileFormatError, match=r"bad\.onnx is not an ONNX file"):
        read_onnx(tmp_path / "bad.onnx", (1, 8, 8))
    wrong = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "v"], ["y"])]
    path = written(tmp_path / "size.onnx", wrong, {"v": RNG.normal(size=(50, 10))}, (1, 8, 8))
    with pytest.raises(InputError, match=r"y cannot read \[64\]"):
        read_onnx(path, (1, 8, 8))
