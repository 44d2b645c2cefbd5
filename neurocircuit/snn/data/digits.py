"""scikit-learn's 8x8 digits: real handwriting that a package brings, so that training runs without any download."""

import numpy as np

from neurocircuit.core import extras
from neurocircuit.snn.data.images import ImagesInMemory
from neurocircuit.snn.data.packed import sha256

_TEST_IMAGES = 360  # the last fifth of 1797


def read_digits(train: bool) -> ImagesInMemory:
    """Return the first 1437 of the 1797 digits for training, or the last 360 for the test."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise extras.missing(error) or error from None
    grey, target = load_digits(return_X_y=True)
    pixels = np.rint(grey.reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    part = slice(None, -_TEST_IMAGES) if train else slice(-_TEST_IMAGES, None)
    return ImagesInMemory(pixels[part], target[part].astype(np.int64), {"digits": sha256(pixels.tobytes())})
