"""Shapes of a spiking convolution: padding, stride, output size."""

from typing import NamedTuple

from neurocircuit.errors import InputError

PaddingArgument = int | tuple[int, int, int, int] | str


class Padding(NamedTuple):
    """Silent pixels added at each side of an image."""

    left: int
    right: int
    top: int
    bottom: int


def resolve_padding(padding: PaddingArgument, image: tuple[int, int], kernel: tuple[int, int], stride: int) -> Padding:
    """Return the padding of an `image` (height, width) for a `kernel` (height, width).

    "same" is TensorFlow's rule, for every stride: the output has ceil(size / stride) pixels, and where the padding
    is odd, the additional pixel stands right and at the bottom.
    """
    if padding == "same":
        top, bottom = _same(image[0], kernel[0], stride)
        left, right = _same(image[1], kernel[1], stride)
        return Padding(left, right, top, bottom)
    if isinstance(padding, str):
        raise InputError(f'padding must be an int, (left, right, top, bottom) or "same", got {padding!r}')
    sides = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * 4
    if len(sides) != 4 or not all(isinstance(side, int) and side >= 0 for side in sides):
        raise InputError(f"padding must be an int or (left, right, top, bottom), all >= 0, got {padding!r}")
    return Padding(*sides)


def output_size(image: tuple[int, int], kernel: tuple[int, int], stride: int, padding: Padding) -> tuple[int, int]:
    """Return the height and width of the output: floor((size + padding - kernel) / stride) + 1."""
    height = image[0] + padding.top + padding.bottom - kernel[0]
    width = image[1] + padding.left + padding.right - kernel[1]
    if min(height, width) < 0:
        raise InputError(f"weight: its kernel {kernel} must fit the padded image, got z of {image}, {padding}")
    return height // stride + 1, width // stride + 1


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
