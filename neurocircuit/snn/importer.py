"""Weights as the paper's authors published them, one numpy array per layer, into a network of ours."""

import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.encode import PUBLISHED, Encoding, EncodingName
from neurocircuit.snn.layers import SpikingConv2d, SpikingLinear
from neurocircuit.snn.model import Model
from neurocircuit.snn.models import NetworkSpec, spiking_layers
from neurocircuit.snn.recipe import Subject

_DATA_OF_NETWORK: dict[str, DataSpec] = {
    "mnist_scnn": DataSpec(name="mnist"),
    "cifar10_scnn_small": DataSpec(name="cifar10"),
    "spiking_vgg16": DataSpec(name="cifar10"),
    "spiking_googlenet": DataSpec(name="image_folder", size_px=(224, 224), channels=3, framing="imagenet"),
}


def import_weights(
    directory: Path | str, network: str, *, alpha: float = 3.0, encoding: EncodingName | None = None
) -> Model:
    """Return the network with the weights of a directory's .npy files, one array for each layer.

    Its subject is the published one: a bias spike at z = 1 in every layer, absolute time, and the encoding by which the
    paper feeds the network's data set, t = alpha (1 - p) for MNIST, t = alpha p for CIFAR-10 and ImageNet.

    Args:
        directory: its files are ordered by the number that ends their names.
        network: the architecture, such as mnist_scnn.
        alpha: latest input spike, units of tau.
        encoding: bright_first or dark_first where the weights were trained by another one than the published.

    Raise InputError or FileFormatError naming file and shape.
    """
    directory = Path(directory)
    if network not in _DATA_OF_NETWORK:
        raise InputError(f"network must be one of {', '.join(_DATA_OF_NETWORK)}, got {network!r}")
    data = _DATA_OF_NETWORK[network]
    spec = NetworkSpec(name=network, bias=True, parameterisation="free", clock="absolute")
    subject = Subject(
        name=f"{network}-published".replace("_", "-"),
        data=data,
        encoding=Encoding(kind=encoding or PUBLISHED[data.name], alpha=alpha),
        network=spec,
    )
    built = checkpoint.new_network(subject, torch.Generator().manual_seed(0))
    assert isinstance(built, nn.Sequential)  # noqa: S101
    shapes = _input_shapes(built, subject.data.shape)
    layers, paths = spiking_layers(built), numbered_files(directory)
    if len(paths) != len(layers):
        raise InputError(
            f"{directory} must hold {len(layers)} .npy files, one for each layer of {network}, got {len(paths)}"
        )
    for layer, shape, path in zip(layers, shapes, paths, strict=True):
        weight, bias = _weights(_read(path), layer, shape, path)
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias = nn.Parameter(bias)
    return Model(subject, built)


def numbered_files(directory: Path) -> list[Path]:
    """Return the .npy files of a directory by the number that ends their names: weight_2 before weight_10."""
    if not directory.is_dir():
        raise InputError(f"DIR must be a directory, got {directory}")
    numbers: dict[int, Path] = {}
    for path in sorted(directory.glob("*.npy")):
        number = re.search(r"(\d+)$", path.stem)
        if number is None:
            raise InputError(f"{path} must end in the number of its layer, such as weight_scnn1.npy")
        if int(number[1]) in numbers:
            raise InputError(
                f"{path} must have a number of its own, got {number[1]} as {numbers[int(number[1])].name} has"
            )
        numbers[int(number[1])] = path
    return [numbers[number] for number in sorted(numbers)]


def _read(path: Path) -> NDArray[np.float32]:
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise FileFormatError(f"{path} is not a numpy array of numbers: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.ndim != 2:
        raise FileFormatError(f"{path} must be a two-dimensional array of floats")
    if not np.isfinite(array).all():
        raise FileFormatError(f"{path} must be finite")
    return array.astype(np.float32)


def _weights(
    rows: NDArray[np.float32], layer: SpikingConv2d | SpikingLinear, shape: tuple[int, ...], path: Path
) -> tuple[Tensor, Tensor]:
    """The layer's weight and bias from rows [input + 1, neuron], whose inputs stand in (row, column, channel) order."""
    expected = (layer.weight[0].numel() + 1, len(layer.weight))
    if rows.shape != expected:
        raise FileFormatError(f"{path} must have the shape {expected}, got {rows.shape}")
    taps, bias = torch.from_numpy(rows[:-1]), torch.from_numpy(rows[-1])
    channels, height, width = (layer.weight.shape[1:]) if isinstance(layer, SpikingConv2d) else shape
    weight = taps.reshape(height, width, channels, -1).permute(3, 2, 0, 1).reshape(layer.weight.shape)
    return weight, bias


def _input_shapes(network: nn.Sequential, shape: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """Return (channel, row, column) that each layer of neurons sees, from one image of ones."""
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    last: tuple[int, ...] = shape
    z = torch.ones(1, *shape)
    for stage in network:
        if z.dim() == 4:
            last = tuple(z.shape[1:])
        for layer in spiking_layers(stage):
            shapes[layer] = last
        with torch.no_grad():
            z = stage(z)
        if isinstance(stage, SpikingLinear):
            last = (z.shape[1], 1, 1)
    return [shapes[layer] for layer in spiking_layers(network)]
