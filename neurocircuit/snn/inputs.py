"""From the images of a data set to the spikes that a network's circuit gets."""

import numpy as np
import torch
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.network.run import input_spikes
from neurocircuit.snn.data.augment import for_evaluation
from neurocircuit.snn.data.images import ImageSource
from neurocircuit.snn.encode import encode
from neurocircuit.snn.recipe import Subject


def spikes_and_labels(
    subject: Subject, images: ImageSource, count: int | None = None
) -> tuple[list[Floats], NDArray[np.int64]]:
    """Return the input spikes [number] of the first `count` images (default: all), and their labels [image].

    Raise InputError when there are fewer.
    """
    count = len(images) if count is None else count
    if not 1 <= count <= len(images):
        raise InputError(f"images must be within 1 … {len(images)}, got {count}")
    pixels, labels = images.batch(np.arange(count))
    scaled = torch.from_numpy(for_evaluation(pixels, subject.augmentation)).double()
    return input_spikes(encode(scaled, subject.encoding).numpy()), labels
