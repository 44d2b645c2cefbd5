"""Convolutions as rows of a matrix: patches of images and back, chunk by chunk."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from neurocircuit.snn.functional.geometry import Padding

ELEMENTS_AT_ONCE = 1 << 22  # of a chunk of rows


def chunks(length: int, elements_each: int) -> Iterator[slice]:
    """Yield the slices of `length` things so that a slice holds about ELEMENTS_AT_ONCE elements."""
    step = max(1, ELEMENTS_AT_ONCE // max(1, elements_each))
    return (slice(begin, min(begin + step, length)) for begin in range(0, length, step))


def patches(z: Tensor, kernel: tuple[int, int], stride: int, padding: Padding, bias_z: Sequence[float] = ()) -> Tensor:
    """Return the spike times [row, input] of each patch of z [N, in, H, W], channel first, bias spikes last.

    Padding is silent.
    """
    padded = functional.pad(z, list(padding), value=torch.inf)
    windows = padded.unfold(2, kernel[0], stride).unfold(3, kernel[1], stride).permute(0, 2, 3, 1, 4, 5)
    rows = windows.reshape(-1, z.shape[1] * kernel[0] * kernel[1])
    return with_bias_spikes(rows, bias_z)


def with_bias_spikes(rows: Tensor, bias_z: Sequence[float]) -> Tensor:
    """Return the spike times [row, input], those of the bias spikes behind the others."""
    return torch.cat([rows, *(torch.full_like(rows[:, :1], z) for z in bias_z)], dim=1) if bias_z else rows


def images(rows: Tensor, z: Tensor, kernel: tuple[int, int], stride: int, padding: Padding) -> Tensor:
    """Sums of [row, input] over the patches that see each pixel, shaped like z: the transpose of `patches`."""
    taps = z.shape[1] * kernel[0] * kernel[1]
    size = (z.shape[2] + padding.top + padding.bottom, z.shape[3] + padding.left + padding.right)
    columns = rows[:, :taps].reshape(len(z), -1, taps).transpose(1, 2)
    padded = functional.fold(columns, size, kernel, stride=stride)
    return functional.pad(padded, [-side for side in padding])


def by_row(tensor: Tensor) -> Tensor:
    """Return [row, out] from [N, out, h, w]."""
    return tensor.permute(0, 2, 3, 1).reshape(-1, tensor.shape[1])


def by_image(rows: Tensor, shape: torch.Size) -> Tensor:
    """Return [N, out, h, w] = shape from [row, out]."""
    return rows.reshape(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)


def with_bias(weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the weights [input, out] in the order of `patches`; bias [out] or [bias spike, out]."""
    matrix = weight.flatten(1).t()
    return matrix.contiguous() if bias is None else torch.cat([matrix, bias.view(-1, len(weight))])
