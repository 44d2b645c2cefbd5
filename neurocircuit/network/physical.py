"""The physical network: every position of a convolution its own neuron, its inputs by number. Numpy from here on.

A stage is a layer of neurons or a pooling gate (the earliest spike of a window: an OR gate). Re-basing between layers
is numerical only and vanishes here; a time constant per layer or a pooling that needs values cannot be built and is
refused by name.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data.library import DATA_SETS
from neurocircuit.snn.layers import EarliestPool2d, Rebase, SpikingConv2d, SpikingLinear
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.retime import Retime
from neurocircuit.spec import MappedNetwork

BIAS, SILENT = -2, -1  # numbers of the bias spike and of padding among a stage's inputs


@dataclass(frozen=True)
class Layer:
    """Neurons in the order of their spikes. `row` gives each neuron's row of `kernel` [row, input].

    index: which spike of the previous stage each input receives, [neuron, input]; BIAS and SILENT.
    """

    name: str
    index: NDArray[np.int32]
    kernel: Floats
    row: NDArray[np.int32]

    @property
    def neurons(self) -> int:
        """How many there are."""
        return len(self.index)

    @property
    def fan_in(self) -> int:
        """Synapses of each, bias included."""
        return int(self.index.shape[1])

    def inputs(self, spikes: Floats, bias_over_tau: float) -> Floats:
        """Times that each neuron receives, [neuron, input], from the previous stage's spikes [number]."""
        received: Floats = np.concatenate([spikes, [bias_over_tau, np.inf]])[self.index]
        return received


@dataclass(frozen=True)
class Pool:
    """Gates that pass the earliest spike of their window; index as in Layer."""

    index: NDArray[np.int32]

    def earliest(self, spikes: Floats) -> Floats:
        """Spikes [gate] from the previous stage's [number]."""
        first: Floats = np.concatenate([spikes, [np.inf, np.inf]])[self.index].min(axis=1)
        return first


@dataclass(frozen=True)
class PhysicalNetwork:
    """Stages from input to output, and what the weights are for."""

    subject: Subject
    stages: tuple[Layer | Pool, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of neurons."""
        return tuple(stage for stage in self.stages if isinstance(stage, Layer))


def load(path: Path) -> PhysicalNetwork:
    """The network of a checkpoint. Raises InputError for what the circuit cannot build."""
    subject, network = checkpoint.load_network(path)
    return unroll(subject, network)


def load_mapped(path: Path) -> tuple[MappedNetwork, PhysicalNetwork]:
    """A mapped network and its weights. Raises FileFormatError when the checkpoint is not the one that was mapped."""
    mapped = MappedNetwork.from_toml(path)
    weights = mapped.checkpoint_path(path)
    if file_sha256(weights) != mapped.checkpoint_sha256:
        raise FileFormatError(f"{weights} must be the checkpoint that {path} maps: its sha256 differs")
    physical = load(weights)
    names = tuple(layer.name for layer in physical.layers)
    if names != tuple(layer.name for layer in mapped.layers):
        raise FileFormatError(f"{path}: layers must be {', '.join(names)}, as in {weights}")
    return mapped, physical


def file_sha256(path: Path) -> str:
    """Hash of a file's content. Raises InputError when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


@torch.no_grad()
def unroll(subject: Subject, network: nn.Sequential) -> PhysicalNetwork:
    """Follow the numbers of the spikes through the network's own geometry."""
    if subject.network.clock == "own_time_constant":
        raise InputError("network.clock must be absolute or rebased to be mapped, got own_time_constant")
    shape = DATA_SETS[subject.data.name].shape
    numbers = torch.arange(1, 1 + int(np.prod(shape)), dtype=torch.float64).reshape(1, *shape)
    stages: list[Layer | Pool] = []
    for position, stage in enumerate(network):
        if isinstance(stage, SpikingConv2d | SpikingLinear):
            stages.append(_layer(f"{position}", stage, numbers))
            count = stages[-1].neurons if isinstance(stages[-1], Layer) else 0
            size = _output_size(stage, numbers)
            numbers = torch.arange(1, 1 + count, dtype=torch.float64).reshape(1, *size)
        elif isinstance(stage, EarliestPool2d):
            windows = _windows(numbers.transpose(0, 1), stage.kernel_size, stage.kernel_size, stage.stride, stage)
            stages.append(Pool(windows.reshape(-1, windows.shape[-1]).numpy().astype(np.int32)))
            size = (numbers.shape[1], *windows.shape[1:3])
            numbers = torch.arange(1, 1 + int(np.prod(size)), dtype=torch.float64).reshape(1, *size)
        elif isinstance(stage, nn.Flatten):
            numbers = numbers.flatten(1)
        elif not isinstance(stage, Rebase | Retime):
            raise InputError(f"network stage {position} ({type(stage).__name__}) has no circuit")
    return PhysicalNetwork(subject, tuple(stages))


def _layer(name: str, stage: SpikingConv2d | SpikingLinear, numbers: torch.Tensor) -> Layer:
    kernel = stage.weight.detach().double().flatten(1)
    if isinstance(stage, SpikingConv2d):
        height, width = stage.weight.shape[2:]
        windows = _windows(numbers, height, width, stage.stride, stage)  # [1, h, w, input]
        positions = windows.reshape(-1, windows.shape[-1])
        index = positions.repeat(len(kernel), 1)
        row = torch.arange(len(kernel)).repeat_interleave(len(positions))
    else:
        index = (numbers.flatten() - 1).long().repeat(len(kernel), 1)
        row = torch.arange(len(kernel))
    if stage.bias is not None:
        kernel = torch.cat([kernel, stage.bias.detach().double()[:, None]], dim=1)
        index = torch.cat([index, torch.full_like(index[:, :1], BIAS)], dim=1)
    return Layer(name, index.numpy().astype(np.int32), kernel.numpy(), row.numpy().astype(np.int32))


def _windows(
    numbers: torch.Tensor, height: int, width: int, stride: int, stage: SpikingConv2d | EarliestPool2d
) -> torch.Tensor:
    """Numbers [image, h, w, input] of each window of [image, channel, row, column]; SILENT where padded."""
    from neurocircuit.snn.functional.geometry import resolve_padding

    sides = resolve_padding(stage.padding, (numbers.shape[2], numbers.shape[3]), (height, width), stride)
    padded = nn.functional.pad(numbers, list(sides))  # numbers count from 1: 0 is padding
    windows = padded.unfold(2, height, stride).unfold(3, width, stride).permute(0, 2, 3, 1, 4, 5)
    return windows.reshape(*windows.shape[:3], -1).long() - 1


def _output_size(stage: SpikingConv2d | SpikingLinear, numbers: torch.Tensor) -> tuple[int, ...]:
    if isinstance(stage, SpikingLinear):
        return (len(stage.weight),)
    height, width = stage.weight.shape[2:]
    windows = _windows(numbers, height, width, stage.stride, stage)
    return (len(stage.weight), *windows.shape[1:3])
