"""Values of a ReLU network as it is read, and the layers that they become.

A value is one of: `Neurons` (activations >= 0, or pixels), `Affine` (sums of weighted activations that wait for their
ReLU), `Scaled` (a batch norm behind neurons), `Averaged` (a mean of neurons).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from neurocircuit.errors import InputError
from neurocircuit.spec.windowed import ConcatNode, MaxNode


@dataclass(frozen=True)
class Neurons:
    """Activations of a node of the graph; `channels` of them, or features where flat."""

    name: str
    is_flat: bool = False


@dataclass(frozen=True)
class Scaled:
    """gain · x + shift [channel] of neurons: a batch norm that no ReLU follows."""

    neurons: Neurons
    gain: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Averaged:
    """Means over windows of neurons; `pool` computes them."""

    neurons: Neurons
    pool: Callable[[Tensor], Tensor]
    kernel: tuple[int, int] | None  # None: windows of different sizes
    stride: tuple[int, int]
    padding: tuple[int, int]
    is_flat: bool = False


@dataclass(frozen=True)
class Part:
    """One weighted input of an affine value."""

    source: str
    v: Tensor
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True)
class Pooling:
    """Max pooling between an affine value and its ReLU."""

    name: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    ceil: bool


@dataclass(frozen=True)
class Affine:
    """Σ parts + c, then max pooling: it waits for a ReLU. name: of the layer whose weights these are; "" of none."""

    parts: tuple[Part, ...]
    c: Tensor
    pools: tuple[Pooling, ...] = ()
    name: str = ""


Value = Neurons | Scaled | Averaged | Affine


@dataclass(frozen=True)
class Layer:
    """A layer of neurons before its X is known: `limit` is that of a clipped ReLU, None for the read-out.

    largest: X, where it is known already.
    """

    name: str
    affine: Affine
    limit: float | None
    largest: float | None = None

    @property
    def synapses(self) -> int:
        """Most of one neuron, without bias spikes; a weight of 0 is none."""
        return sum(int((part.v != 0).flatten(1).sum(dim=1).max()) for part in self.affine.parts)


Step = Layer | MaxNode | ConcatNode


@dataclass(frozen=True)
class Normalisation:
    """What the module gets of pixels: (pixels - mean)/std, both [channel]."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, channels: int, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> "Normalisation":
        """Return that of given columns. Raise InputError where they do not fit the channels."""
        columns = []
        for name, values, default in (("mean", mean, 0.0), ("std", std, 1.0)):
            column = torch.full((channels,), default) if values is None else torch.tensor(values)
            if column.shape != (channels,):
                raise InputError(f"{name} must have {channels} entries, one for each channel, got {list(column.shape)}")
            columns.append(column.double())
        if not bool((columns[1] > 0).all()):
            raise InputError(f"std must be > 0, got {columns[1].min():g}")
        return cls(*columns)

    @property
    def is_identity(self) -> bool:
        """Whether the module gets the pixels themselves."""
        return not bool(self.mean.any()) and bool((self.std == 1).all())

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return what the module gets."""
        return (pixels - self.mean.view(1, -1, 1, 1)) / self.std.view(1, -1, 1, 1)
