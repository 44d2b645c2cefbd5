"""The physical network: every position of a convolution its own neuron, its inputs by number.

It is made from a plain description of the layers (`Convolution`, `Dense`, `EarliestPooling`), which snn/unroll.py reads
off a torch network. A stage is a layer of neurons or a pooling gate (the earliest spike of a window: an OR gate). It
reads the stage before, or the channels of several stages side by side.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.spec import LayerMapping

BIAS, SILENT = -2, -1  # numbers of the bias spike and of padding among a stage's inputs
IMAGE = -1  # number of the image's own spikes among the stages that a stage reads
Answer = TypeVar("Answer")
Neurons = slice | NDArray[np.integer]  # some neurons of a layer
Shape = tuple[int, int, int]  # channel, row, column
Sides = tuple[int, int, int, int]  # silent pixels added left, right, at the top, at the bottom
Reads = tuple[int, ...]  # stages, by number, whose channels stand side by side; IMAGE


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
    """Stages from input to output, the spikes of an image that the first ones read, and what each stage reads."""

    stages: tuple[Layer | Pool, ...]
    inputs: int
    reads: tuple[Reads, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of neurons."""
        return tuple(stage for stage in self.stages if isinstance(stage, Layer))

    @property
    def neurons(self) -> int:
        """Of all layers."""
        return sum(layer.neurons for layer in self.layers)

    @property
    def is_chain(self) -> bool:
        """Whether each stage reads the one before and nothing else."""
        return self.reads == tuple((number - 1,) for number in range(len(self.stages)))

    def before(self, k: int) -> tuple[int, ...]:
        """Return the layers, by number, whose spikes reach layer k, through pooling gates too; () for the image's."""
        numbers = [number for number, stage in enumerate(self.stages) if isinstance(stage, Layer)]

        def layers_of(read: int) -> set[int]:
            if read == IMAGE:
                return set()
            return {numbers.index(read)} if read in numbers else set().union(*map(layers_of, self.reads[read]))

        return tuple(sorted(set().union(*map(layers_of, self.reads[numbers[k]]))))

    def propagate(
        self,
        spikes: Floats,
        layer_step: Callable[[int, Floats], tuple[Answer, Floats]],
        until: int | None = None,
    ) -> list[Answer]:
        """Return the answer of every layer of neurons (or of the first `until`) to input spikes [number].

        layer_step(k, spikes): what layer k makes of the spikes [number] that it reads: its answer, and its own spikes
        [neuron], which later stages read. Pooling gates pass the earliest spike of their window in between.

        Raise InputError for another number of input spikes than the network has inputs.
        """
        if spikes.shape != (self.inputs,):
            raise InputError(f"an image must have {self.inputs} input spikes, as the network reads, got {spikes.size}")
        answers: list[Answer] = []
        fired = {IMAGE: spikes}
        for number, (stage, reads) in enumerate(zip(self.stages, self.reads, strict=True)):
            received = fired[reads[0]] if len(reads) == 1 else np.concatenate([fired[read] for read in reads])
            if isinstance(stage, Pool):
                fired[number] = stage.earliest(received)
                continue
            if len(answers) == until:
                break
            answer, fired[number] = layer_step(len(answers), received)
            answers.append(answer)
        return answers


def unroll(
    shape: Shape, stages: Sequence[Convolution | Dense | EarliestPooling], reads: Sequence[Reads] | None = None
) -> PhysicalNetwork:
    """Follow the numbers of the spikes of images [channel, row, column] = shape through the stages.

    reads: of each stage the stages whose channels it takes side by side; default: the one before.
    Raise InputError naming a layer whose weights are for another number of inputs than it reads.
    """
    reads = [(number - 1,) for number in range(len(stages))] if reads is None else reads
    made: list[Layer | Pool] = []
    shapes = {IMAGE: shape}
    for number, (stage, before) in enumerate(zip(stages, reads, strict=True)):
        shape = _side_by_side([shapes[read] for read in before])
        if isinstance(stage, EarliestPooling):
            pool, shapes[number] = pool_over(shape, (stage.size,) * 2, (stage.stride,) * 2, stage.padding)
            made.append(pool)
            continue
        if isinstance(stage, Convolution):
            if stage.weight.shape[1] != shape[0]:
                raise InputError(
                    f"layer {stage.name} must read {stage.weight.shape[1]} channels, got {shape[0]} of images "
                    f"{list(shapes[IMAGE])}"
                )
            stride = (stage.stride, stage.stride)
            positions, size = receptive_fields(shape, stage.weight.shape[2:], stride, stage.padding)
        else:
            positions, size = numbered(shape).reshape(1, -1), (1, 1)
            if stage.weight.shape[1] != positions.shape[1]:
                raise InputError(
                    f"layer {stage.name} must read {stage.weight.shape[1]} spikes, got {positions.shape[1]} of images "
                    f"{list(shapes[IMAGE])}"
                )
        index = np.tile(positions, (len(stage.weight), 1))
        row = np.repeat(np.arange(len(stage.weight), dtype=np.int32), len(positions))
        made.append(_layer(stage, index, row))
        shapes[number] = (len(stage.weight), *size)
    return PhysicalNetwork(tuple(made), math.prod(shapes[IMAGE]), tuple(reads))


def _side_by_side(shapes: Sequence[Shape]) -> Shape:
    """Return the shape of several stages' channels; of stages of different sizes that of their spikes in a row."""
    if len({shape[1:] for shape in shapes}) == 1:
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
    return (sum(math.prod(shape) for shape in shapes), 1, 1)


def numbered(shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return the numbers of the spikes of a stage of that shape."""
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def _layer(stage: Convolution | Dense, index: NDArray[np.int32], row: NDArray[np.int32]) -> Layer:
    kernel = stage.weight.reshape(len(stage.weight), -1)
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
