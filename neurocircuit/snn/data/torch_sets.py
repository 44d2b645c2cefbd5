"""Data sets of torch: anything with a length that gives (image, label) by index, read once into memory."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.pool import Progress, silent
from neurocircuit.errors import InputError
from neurocircuit.snn.data.images import ImagesInMemory, Labels, Pixels

LARGEST_bytes = 4 << 30


@runtime_checkable
class MapStyle(Protocol):
    """What torch calls a map-style data set: pairs (image, label) by index."""

    def __getitem__(self, index: int, /) -> Any:
        """Return image and label number `index`."""

    def __len__(self) -> int:
        """Number of pairs."""


@dataclass(frozen=True)
class TorchData:
    """Images of a user's own data sets, to train on and to test with, and the names of their classes by label."""

    train: ImagesInMemory
    test: ImagesInMemory | None
    classes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape [channel, row, column] of an image."""
        channels, rows, columns = self.train.pixels.shape[1:]
        return channels, rows, columns


def from_torch(
    train: MapStyle, test: MapStyle | None = None, *, classes: Sequence[str] | None = None, progress: Progress = silent
) -> TorchData:
    """Return data sets of your own in the place of a data folder: `train(recipe, data=from_torch(one, other))`.

    train, test: any torch data set of (image, label), read once and in order: what it draws at random is drawn once, so
    augmentation belongs in the recipe. Images are tensors or arrays [channel, row, column], [row, column] or [row,
    column, channel], as bytes 0 … 255 or floats 0 … 1, or pictures of Pillow; labels whole numbers. classes: names by
    label; default the data set's own `classes`, else its numbers.

    Raise InputError naming the image that has another shape, another range or no label.

    >>> import numpy as np
    >>> pairs = [(np.full((4, 4), 40 * k, np.uint8), k % 2) for k in range(6)]
    >>> data = from_torch(pairs, classes=["dark", "light"])
    >>> data.shape, data.classes, data.train.labels.tolist()
    ((1, 4, 4), ('dark', 'light'), [0, 1, 0, 1, 0, 1])
    """
    read = in_memory(train, "train", progress)
    names = classes or getattr(train, "classes", None)
    largest = int(read.labels.max()) + 1
    named = tuple(map(str, range(largest) if names is None else names))
    if len(named) < largest:
        raise InputError(f"classes must name the labels 0 … {largest - 1}, got {len(named)} names")
    tested = None if test is None else in_memory(test, "test", progress)
    data = TorchData(read, tested, named)
    if tested is not None:
        check_like(tested, data.shape, len(named))
    return data


def check_like(images: ImagesInMemory, shape: tuple[int, ...], classes: int) -> None:
    """Raise InputError where images have another shape or other labels than those of training."""
    if images.pixels.shape[1:] != shape:
        raise InputError(f"images must have the shape {shape} of training, got {images.pixels.shape[1:]}")
    if images.labels.max() >= classes:
        raise InputError(f"labels must be below {classes}, as in training, got {images.labels.max()}")


def in_memory(dataset: MapStyle, name: str, progress: Progress = silent) -> ImagesInMemory:
    """Return the images and labels of a torch data set, as bytes where that is exact. Raise as `from_torch`."""
    if len(dataset) == 0:
        raise InputError(f"{name} must hold images, got none")
    pixels: list[NDArray[Any]] = []
    labels: list[int] = []
    for k in range(len(dataset)):
        progress(k, len(dataset), f"reading {name}" if k else "")
        image, label = _pair(dataset[k], name, k)
        pixels.append(_pixels(image, name, k))
        labels.append(_label(label, name, k))
        if pixels[-1].shape != pixels[0].shape or pixels[-1].dtype != pixels[0].dtype:
            raise InputError(
                f"{name}[{k}] must be as the first image, {pixels[0].dtype} {pixels[0].shape}, got "
                f"{pixels[-1].dtype} {pixels[-1].shape}"
            )
        if pixels[0].nbytes * len(dataset) > LARGEST_bytes:
            raise InputError(
                f"{name} must take at most {LARGEST_bytes >> 30} GiB in memory, got {len(dataset)} images of "
                f"{pixels[0].nbytes} bytes: a folder of pictures is read as it is used (data image_folder)"
            )
    stacked, numbers = _compact(np.stack(pixels)), np.array(labels, dtype=np.int64)
    return ImagesInMemory(stacked, numbers, {f"images of {name}": _sha256(stacked, numbers)})


def _pair(item: Any, name: str, k: int) -> tuple[Any, Any]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InputError(f"{name}[{k}] must be a pair (image, label), got {type(item).__name__}")
    return item[0], item[1]


def _pixels(image: Any, name: str, k: int) -> NDArray[Any]:
    """Return one image [channel, row, column] as bytes or float32."""
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[None]
    elif array.ndim == 3 and (hasattr(image, "getbands") or (array.shape[0] > 4 and array.shape[2] <= 4)):
        array = array.transpose(2, 0, 1)  # a picture of Pillow, or an array with colours last
    if array.ndim != 3:
        raise InputError(f"{name}[{k}] must be an image of 2 or 3 dimensions, got shape {array.shape}")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise InputError(f"{name}[{k}] must have bytes 0 … 255 or floats 0 … 1, got {array.dtype}")
    if not (float(array.min()) >= 0.0 and float(array.max()) <= 1.0):
        raise InputError(
            f"{name}[{k}] must have pixels within 0 … 1, got {float(array.min()):g} … {float(array.max()):g}: take a "
            "normalisation out of its transform (augmentation.whiten of the recipe does that)"
        )
    return array.astype(np.float32)


def _label(label: Any, name: str, k: int) -> int:
    array = np.asarray(label)
    if array.size != 1 or array.dtype.kind not in "iu" or array.item() < 0:
        raise InputError(f"{name}[{k}] must have a label that is a whole number >= 0, got {label!r}")
    return int(array.item())


def _compact(pixels: NDArray[Any]) -> Pixels:
    """Return floats that are multiples of 1/255, as torchvision's ToTensor gives, as the bytes they were."""
    if pixels.dtype == np.uint8:
        return pixels
    levels = np.rint(pixels * np.float32(255)).astype(np.uint8)
    return levels if np.array_equal(levels.astype(np.float32) / np.float32(255), pixels) else pixels


def _sha256(pixels: Pixels, labels: Labels) -> str:
    digest = hashlib.sha256(f"{pixels.dtype} {pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    digest.update(labels.tobytes())
    return digest.hexdigest()
