"""The layers that have a meaning here: their torch modules, the calls that do the same, and what serves for others."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as dense

from neurocircuit.snn.layers import Rebase, SpikingConv2d, SpikingLinear
from neurocircuit.snn.pooling import AveragePool2d, AverageTimePool2d, EarliestPool2d, LatestPool2d
from neurocircuit.snn.retime import Retime
from neurocircuit.spec.layer_graph import Option

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
MODULES: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
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
KINDS: dict[type[nn.Module], str] = {module: kind for kind, (module, _) in MODULES.items()} | {nn.ReLU6: "hardtanh"}
# Calls in forward: their kind, and the names of their arguments behind the first.
CALLS: dict[Any, tuple[str, tuple[str, ...]]] = {
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
DEFAULTS: dict[Any, dict[str, Option]] = {
    dense.relu6: {"min_val": 0.0, "max_val": 6.0},
    torch.flatten: {"start_dim": 0},
    "flatten": {"start_dim": 0},
}
IGNORED = {"inplace": (False, True), "training": (True, False), "return_indices": (False,), "alpha": (1,)}
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


def options_of(module: nn.Module, kind: str) -> dict[str, Option]:
    """Return the arguments that make a module."""
    options: dict[str, Option] = {}
    for name in MODULES[kind][1]:
        value = getattr(module, name)
        if value is not None:
            options[name] = tuple(value) if isinstance(value, list | torch.Size) else value
    if getattr(module, "padding_mode", "zeros") == "zeros":
        options.pop("padding_mode", None)
    return options | (_SHAPES[kind](module) if kind in _SHAPES else {})


def serving(operation: str) -> str:
    """Return "; what would serve: …" for an operation that has no meaning here."""
    serves = _SERVES.get(operation)
    return f"; what would serve: {serves}" if serves else "; nc.snn.layers has what a spiking network is made of"
