"""Augmentation of batches on the pixel scale 0 … 1: shift (crop), flip, whiten. All randomness is an argument."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtr

from neurocircuit.snn.data.images import Draws, Pixels
from neurocircuit.spec.fields import Ratio, Spec

Floats32 = NDArray[np.float32]
_SMALLEST_CONTRAST = 1 / 255


class Augmentation(Spec):
    """What is done to training images; `whiten` alone also to those that are evaluated."""

    shift_px: Annotated[
        int, Field(ge=0, le=64, strict=True, description="move by up to so many pixels each way, edges filled by zeros")
    ] = 0
    flip: Annotated[bool, Field(strict=True, description="mirror left and right, half of the images")] = False
    delay_over_tau: Annotated[
        Ratio,
        Field(
            ge=0,
            le=10,
            description="delay of each input spike, uniform 0 … this, units of tau: the paper's noisy inputs",
        ),
    ] = 0.0
    whiten: Annotated[
        bool, Field(strict=True, description="per image: zero mean, unit variance, then to 0 … 1 by the normal CDF")
    ] = False


def for_training(pixels: Pixels, spec: Augmentation, draws: Draws) -> Floats32:
    """Pixels [image, channel, row, column] on 0 … 1 after shift, flip and whitening by `draws` [image, 3 or more]."""
    if spec.shift_px:
        places = 2 * spec.shift_px + 1
        pixels = shift(pixels, (draws[:, :2] * places).astype(np.int64) - spec.shift_px)
    if spec.flip:
        mirrored = draws[:, 2] < 0.5
        pixels = np.where(mirrored[:, None, None, None], pixels[..., ::-1], pixels)
    return for_evaluation(pixels, spec)


def for_evaluation(pixels: Pixels, spec: Augmentation) -> Floats32:
    """Pixels [image, channel, row, column] on 0 … 1; nothing is random."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    return whiten(scaled) if spec.whiten else scaled


def shift(pixels: Pixels, offsets_px: NDArray[np.int64]) -> Pixels:
    """Each image moved down and right by its offsets [image, 2]; a padded random crop is the same thing."""
    largest = int(np.abs(offsets_px).max(initial=0))
    padded = np.pad(pixels, ((0, 0), (0, 0), (largest, largest), (largest, largest)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, pixels.shape[2:], axis=(2, 3))
    rows, columns = (largest - offsets_px).T
    return np.ascontiguousarray(windows[np.arange(len(pixels)), :, rows, columns])


def whiten(pixels: Floats32) -> Floats32:
    """Each image [channel, row, column] to zero mean and unit variance, then to 0 … 1 by the normal distribution."""
    axes = (1, 2, 3)
    mean = pixels.mean(axes, keepdims=True)
    contrast = np.maximum(pixels.std(axes, keepdims=True), _SMALLEST_CONTRAST)
    normal: Floats32 = ndtr((pixels - mean) / contrast).astype(np.float32)
    return normal
