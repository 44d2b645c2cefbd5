"""Augmentation of batches on the pixel scale 0 … 1: shift, flip, turn, stretch, whiten. Randomness is an argument."""

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtr
from torch.nn import functional

from neurocircuit.errors import InputError
from neurocircuit.snn.data.images import DRAWS, Draws, Pixels
from neurocircuit.spec.fields import Ratio, Spec

Floats32 = NDArray[np.float32]
Floats = NDArray[np.float64]
_SMALLEST_CONTRAST = 1 / 255
_OF_PICTURES = ("shift_px", "flip", "rotate_deg", "zoom")
MIRROR, _TURN, _STRETCH = 2, 7, slice(8, 10)  # columns of the draws; those before belong to shift, flip and the readers


class Augmentation(Spec):
    """What is done to training images; `whiten` alone also to those that are evaluated."""

    shift_px: Annotated[
        int, Field(ge=0, le=64, strict=True, description="move by up to so many pixels each way, edges filled by zeros")
    ] = 0
    flip: Annotated[bool, Field(strict=True, description="mirror left and right, half of the images")] = False
    alternate: Annotated[
        bool, Field(strict=True, description="with flip: each image is mirrored in every second epoch, not at random")
    ] = False
    rotate_deg: Annotated[
        Ratio, Field(ge=0, le=180, description="turn about the centre by up to so many degrees each way")
    ] = 0.0
    zoom: Annotated[
        Ratio, Field(ge=0, lt=1, description="stretch height and width, each by up to this ratio each way")
    ] = 0.0
    delay_over_tau: Annotated[
        Ratio,
        Field(
            ge=0,
            le=10,
            description="delay of each input spike, uniform 0 … this, units of tau: the paper's noisy inputs",
        ),
    ] = 0.0
    cutout_px: Annotated[
        int,
        Field(
            ge=0,
            le=224,
            strict=True,
            description="side of a square within the image, at random, that takes the image's mean (DeVries 2017)",
        ),
    ] = 0
    whiten: Annotated[
        bool, Field(strict=True, description="per image: zero mean, unit variance, then to 0 … 1 by the normal CDF")
    ] = False


def for_training(pixels: Pixels, spec: Augmentation, draws: Draws) -> Floats32:
    """Pixels [image, channel, row, column] on 0 … 1 after all that `spec` asks for, by `draws` [image, DRAWS].

    With a cutout two more draws of an image set its row and column.
    """
    if spec.shift_px:
        shifts = 2 * spec.shift_px + 1
        pixels = shift(pixels, (draws[:, :2] * shifts).astype(np.int64) - spec.shift_px)
    if spec.flip:
        mirrored = draws[:, MIRROR] < 0.5
        pixels = np.where(mirrored[:, None, None, None], pixels[..., ::-1], pixels)
    scaled = _scaled(pixels)
    if spec.rotate_deg or spec.zoom:
        turn, stretch = 2.0 * draws[:, _TURN] - 1.0, 2.0 * draws[:, _STRETCH] - 1.0
        scaled = warp(scaled, np.deg2rad(spec.rotate_deg) * turn, 1.0 + spec.zoom * stretch)
    if spec.cutout_px:
        scaled = cut_out(scaled, spec.cutout_px, draws[:, DRAWS:])
    return whiten(scaled) if spec.whiten else scaled


def check_fits(spec: Augmentation, shape: tuple[int, ...]) -> None:
    """Raise InputError where images of this shape [channel, row, column] are smaller than their cutout.

    Rows of a table have no neighbours: what moves pixels is refused for them.
    """
    moved = [name for name in _OF_PICTURES if getattr(spec, name)]
    if shape[1] == 1 and moved:
        raise InputError(f"augmentation.{moved[0]} must be left out for images of one row, as tables have")
    if spec.cutout_px > min(shape[1:]):
        raise InputError(f"augmentation.cutout_px must be at most the image's {min(shape[1:])}, got {spec.cutout_px}")


def for_evaluation(pixels: Pixels, spec: Augmentation) -> Floats32:
    """Return the pixels [image, channel, row, column] on 0 … 1; nothing is random."""
    scaled = _scaled(pixels)
    return whiten(scaled) if spec.whiten else scaled


def shift(pixels: Pixels, offsets_px: NDArray[np.int64]) -> Pixels:
    """Return each image moved down and right by its offsets [image, 2]; a padded random crop is the same thing."""
    largest = int(np.abs(offsets_px).max(initial=0))
    padded = np.pad(pixels, ((0, 0), (0, 0), (largest, largest), (largest, largest)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, pixels.shape[2:], axis=(2, 3))
    rows, columns = (largest - offsets_px).T
    return np.ascontiguousarray(windows[np.arange(len(pixels)), :, rows, columns])


def warp(pixels: Floats32, rotate_rad: Floats, stretch: Floats) -> Floats32:
    """Each image turned by rotate_rad [image] about its centre, then stretched by `stretch` [image, 2: height, width].

    Bilinear between pixels, zeros beyond the edge.
    """
    images, _, rows, columns = pixels.shape
    cos, sin, aspect = np.cos(rotate_rad), np.sin(rotate_rad), rows / columns
    to_source = np.zeros((images, 2, 3))  # in units of half the width and half the height, as affine_grid counts
    to_source[:, 0, 0], to_source[:, 0, 1] = cos / stretch[:, 1], sin * aspect / stretch[:, 0]
    to_source[:, 1, 0], to_source[:, 1, 1] = -sin / aspect / stretch[:, 1], cos / stretch[:, 0]
    grid = functional.affine_grid(torch.from_numpy(to_source).float(), list(pixels.shape), align_corners=False)
    warped: Floats32 = functional.grid_sample(torch.from_numpy(pixels), grid, align_corners=False).numpy()
    return warped


def cut_out(pixels: Floats32, side_px: int, draws: Draws) -> Floats32:
    """Each image with a square at the row and column of `draws` [image, 2] that holds its mean colour."""
    size = np.array(pixels.shape[2:])
    first = (draws * (size - side_px + 1)).astype(np.int64)
    axes = [np.arange(length) for length in size]
    inside = [(axis >= low[:, None]) & (axis < low[:, None] + side_px) for axis, low in zip(axes, first.T, strict=True)]
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return np.where(square, pixels.mean((2, 3), keepdims=True), pixels)


def whiten(pixels: Floats32) -> Floats32:
    """Each image [channel, row, column] to zero mean and unit variance, then to 0 … 1 by the normal distribution."""
    axes = (1, 2, 3)
    mean = pixels.mean(axes, keepdims=True)
    contrast = np.maximum(pixels.std(axes, keepdims=True), _SMALLEST_CONTRAST)
    normal: Floats32 = ndtr((pixels - mean) / contrast).astype(np.float32)
    return normal


def _scaled(pixels: Pixels) -> Floats32:
    scaled = pixels.astype(np.float32)
    return scaled if pixels.dtype == np.float32 else scaled / np.float32(255)
