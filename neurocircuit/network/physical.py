"""The physical network: every position of a convolution its own neuron, its inputs by number.

It is made from a plain description of the layers (`Convolution`, `Dense`, `EarliestPooling`), which snn/unroll.py reads
off a torch network. A stage is a layer of neurons or a pooling gate (the earliest spike of a window: an OR gate).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.spec import LayerMapping

BIAS, SILENT = -2, -1  # numbers of the bias spike and of padding among a stage's inputs
Answer = TypeVar("Answer")
Neurons = slice | NDArray[np.integer]  # some neurons of a layer
Shape = tuple[int, int, int]  # channel, row, column
Sides = tuple[int, int, int, int]  # silent pixels added left, right, at the top, at the bottom


@dataclass(frozen=True)
class Convolution:
    """A layer of neurons with weights [out, in, row, column] and the weights [out] of a bias spike, or None.

    tau_over_base: time constant over that of the network's input.
    """

    name: str
    weight: Floats
    bias: Floats | None
    stride: int
    padding: Sides
    tau_over_base: float = 1.0


@dataclass(frozen=True)
class Dense:
    """A fully connected layer of neurons with weights [out, in] and the weights [out] of a bias spike, or None."""

    name: str
    weight: Floats
    bias: Floats | None
    tau_over_base: float = 1.0


@dataclass(frozen=True)
class EarliestPooling:
    """Gates for the earliest spike of each window of `size` squared."""

    size: int
    stride: int
    padding: Sides


@dataclass(frozen=True)
class Layer:
    """Neurons in the order of their spikes. `row` gives each neuron's row of `kernel` [row, input].

    index: which spike of the previous stage each input receives, [neuron, input]; BIAS and SILENT. tau_over_base: time
    constant of its neurons over that of the network's input; times of a layer are in units of its own.
    """

    name: str
    index: NDArray[np.int32]
    kernel: Floats
    row: NDArray[np.int32]
    tau_over_base: float = 1.0

    @property
    def neurons(self) -> int:
        """How many there are."""
        return len(self.index)

    @property
    def fan_in(self) -> int:
        """Synapses of each, bias included."""
        return int(self.index.shape[1])

    @property
    def weights(self) -> int:
        """How many the network has here."""
        return self.kernel.size

    @property
    def synapses(self) -> int:
        """Most that a neuron has: all have as many."""
        return self.fan_in

    @property
    def has_bias(self) -> bool:
        """Whether its neurons have a bias spike."""
        return bool((self.index[0] == BIAS).any())

    @property
    def origin_over_tau(self) -> float:
        """Where its times count from, since the image's start: all layers are armed with it."""
        return 0.0

    def in_force(self, scale: LayerMapping) -> Floats:
        """Return the kernel as the bank of a layer's mapping makes it."""
        return scale.in_force(self.kernel)

    def inputs(self, spikes: Floats, bias_over_tau: float, neurons: Neurons = slice(None)) -> Floats:
        """Return times [neuron, input] that neurons (default: all) receive from spikes [number] of the stage before."""
        received: Floats = np.concatenate([spikes, [bias_over_tau, np.inf]])[self.index[neurons]]
        return received

    def alike(self, neurons: NDArray[np.integer]) -> NDArray[np.intp]:
        """Return an order of neurons in which those that receive the same spikes are together: the present one."""
        return np.arange(len(neurons))

    def heard(self, spikes: Floats, bias_over_tau: float, neurons: NDArray[np.integer]) -> tuple[Floats, None]:
        """Return what `inputs` does, and the number of each input: None for all, in order."""
        return self.inputs(spikes, bias_over_tau, neurons), None


@dataclass(frozen=True)
class Pool:
    """Gates that pass the earliest spike of their window; index as in Layer."""

    index: NDArray[np.int32]

    def earliest(self, spikes: Floats) -> Floats:
        """Return the spikes [gate] from the previous stage's [number]."""
        first: Floats = np.concatenate([spikes, [np.inf, np.inf]])[self.index].min(axis=1)
        return first


@dataclass(frozen=True)
class PhysicalNetwork:
    """Stages from input to output."""

    stages: tuple[Layer | Pool, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of neurons."""
        return tuple(stage for stage in self.stages if isinstance(stage, Layer))

    @property
    def neurons(self) -> int:
        """Of all layers."""
        return sum(layer.neurons for layer in self.layers)

    def propagate(
        self,
        spikes: Floats,
        layer_step: Callable[[int, Floats], tuple[Answer, Floats]],
        until: int | None = None,
    ) -> list[Answer]:
        """Return the answer of every layer of neurons (or of the first `until`) to input spikes [number].

        layer_step(k, spikes): what layer k makes of the previous stage's spikes [number]: its answer, and its own
        spikes [neuron], which the next stage receives. Pooling gates pass the earliest spike of their window in
        between.
        """
        answers: list[Answer] = []
        for stage in self.stages:
            if isinstance(stage, Pool):
                spikes = stage.earliest(spikes)
                continue
            if len(answers) == until:
                break
            answer, spikes = layer_step(len(answers), spikes)
            answers.append(answer)
        return answers


def unroll(shape: Shape, stages: Sequence[Convolution | Dense | EarliestPooling]) -> PhysicalNetwork:
    """Follow the numbers of the spikes of images [channel, row, column] = shape through the stages."""
    made: list[Layer | Pool] = []
    for stage in stages:
        if isinstance(stage, EarliestPooling):
            pool, shape = pool_over(shape, (stage.size, stage.size), (stage.stride, stage.stride), stage.padding)
            made.append(pool)
            continue
        if isinstance(stage, Convolution):
            stride = (stage.stride, stage.stride)
            positions, size = receptive_fields(shape, stage.weight.shape[2:], stride, stage.padding)
        else:
            positions, size = numbered(shape).reshape(1, -1), (1, 1)
        index = np.tile(positions, (len(stage.weight), 1))
        row = np.repeat(np.arange(len(stage.weight), dtype=np.int32), len(positions))
        made.append(_layer(stage, index, row))
        shape = (len(stage.weight), *size)
    return PhysicalNetwork(tuple(made))


def numbered(shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return the numbers of the spikes of a stage of that shape."""
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def _layer(stage: Convolution | Dense, index: NDArray[np.int32], row: NDArray[np.int32]) -> Layer:
    kernel = stage.weight.reshape(len(stage.weight), -1)
    if kernel.shape[1] != index.shape[1]:
        raise InputError(f"layer {stage.name} must have weights for {index.shape[1]} inputs, got {kernel.shape[1]}")
    if stage.bias is not None:
        kernel = np.concatenate([kernel, stage.bias[:, None]], axis=1)
        index = np.concatenate([index, np.full_like(index[:, :1], BIAS)], axis=1)
    return Layer(stage.name, index, kernel, row, stage.tau_over_base)


def receptive_fields(
    shape: Shape,
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    padding: Sides,
    dilation: tuple[int, int] = (1, 1),
) -> tuple[NDArray[np.int32], tuple[int, int]]:
    """Return the numbers [position, input] that a convolution receives of a stage of a shape, and its rows, columns.

    SILENT where padded.
    """
    windows = _windows_over(numbered(shape)[None], kernel, stride, padding, dilation)[0]
    return windows.reshape(-1, windows.shape[-1]), windows.shape[:2]


def pool_over(shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], padding: Sides) -> tuple[Pool, Shape]:
    """Return the gates for the earliest spike of each window of each channel, and their shape."""
    windows = _windows_over(numbered(shape)[:, None], kernel, stride, padding, (1, 1))
    return Pool(windows.reshape(-1, windows.shape[-1])), windows.shape[:3]


def _windows_over(
    numbers: NDArray[np.int32],
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    padding: Sides,
    dilation: tuple[int, int],
) -> NDArray[np.int32]:
    """Return the numbers [image, h, w, input] of each window of [image, channel, row, column]; SILENT where padded."""
    left, right, top, bottom = padding
    padded = np.pad(numbers, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=SILENT)
    spread = tuple(apart * (width - 1) + 1 for apart, width in zip(dilation, kernel, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(padded, spread, axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]].transpose(0, 2, 3, 1, 4, 5)
    return windows.reshape(*windows.shape[:3], -1)
