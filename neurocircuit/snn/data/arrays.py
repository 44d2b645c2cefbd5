"""Images and labels in one npz file of numpy, as MedMNIST and Keras give them."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn.data import packed
from neurocircuit.snn.data.images import ImagesInMemory, Pixels

WHOLE = ""  # the part of a file whose images stand in no parts
_IMAGES: dict[str, tuple[str, ...]] = {WHOLE: ("images", "x", "data"), "*": ("{}_images", "x_{}", "{}_x", "{}_data")}
_LABELS: dict[str, tuple[str, ...]] = {
    WHOLE: ("labels", "label", "y", "targets"),
    "*": ("{}_labels", "y_{}", "{}_y", "{}_label"),
}
_MOST_CHANNELS = 4  # of an array whose colours stand last


def parts(path: Path) -> tuple[str, ...]:
    """Return which of train, val and test have images in a file; (WHOLE,) where its images stand in no parts.

    Raise FileFormatError for another file, and for one without images.
    """
    if not zipfile.is_zipfile(path):
        raise FileFormatError(f"{path} must be an npz of arrays, got another kind of file, or a part of one")
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
    present = tuple(part for part in ("train", "val", "test") if _name(names, _IMAGES, part))
    if present or _name(names, _IMAGES, WHOLE):
        return present or (WHOLE,)
    raise FileFormatError(
        f"{path} must hold train_images and train_labels, x_train and y_train, or images and labels, got "
        f"{', '.join(names) or 'nothing'}"
    )


def read(path: Path, part: str, classes: Sequence[str] = ()) -> tuple[ImagesInMemory, tuple[str, ...]]:
    """Return the images of a part of a file, bytes 0 … 255 or floats 0 … 1, and the names of the classes by label.

    classes: default: the labels that there are, in their order.

    Raise FileFormatError naming the array that is none of images or labels, InputError for a label that is none of
    `classes`.
    """
    content = packed.read(path)
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return _images(archive, path, part, classes, packed.sha256(content))


def _images(
    arrays: Any, path: Path, part: str, classes: Sequence[str], sha256: str
) -> tuple[ImagesInMemory, tuple[str, ...]]:
    names = list(arrays.files)
    of_images, of_labels = (_name(names, known, part) for known in (_IMAGES, _LABELS))
    if of_images is None or of_labels is None:
        where = f" of {part}" if part else ""
        raise FileFormatError(f"{path} must hold images and labels{where}, got {', '.join(names)}")
    pixels = _pixels(_array(arrays, path, of_images), f"{path}: {of_images}")
    labels = _array(arrays, path, of_labels)
    if labels.size != len(pixels) or labels.dtype.kind not in "iuUS":
        raise FileFormatError(
            f"{path}: {of_labels} must have one label, a whole number or a name, for each of the {len(pixels)} images, "
            f"got {labels.dtype} {labels.shape}"
        )
    values, numbers = np.unique(labels.ravel().astype(str) if labels.dtype.kind == "S" else labels, return_inverse=True)
    present = tuple(str(value) for value in values)
    known = tuple(classes) or present
    strangers = [name for name in present if name not in known]
    if strangers:
        raise InputError(
            f"{path}: {of_labels} must be one of {', '.join(known)}, as in training, got {', '.join(strangers[:3])}"
        )
    by_label = np.array([known.index(name) for name in present], dtype=np.int64)
    return ImagesInMemory(pixels, by_label[numbers.ravel()], {path.name: sha256}), known


def _array(arrays: Any, path: Path, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = arrays[name]
    except Exception as error:  # a damaged archive may raise anything
        raise FileFormatError(f"{path}: {name} must be an array of numbers: {error}") from None
    return array


def _name(names: Sequence[str], known: dict[str, tuple[str, ...]], part: str) -> str | None:
    """Return the name of the array of a part, in capitals or not; None where there is none."""
    sought = [pattern.format(part) for pattern in known[WHOLE if part == WHOLE else "*"]]
    return next((name for name in names if name.lower() in sought), None)


def _pixels(array: NDArray[Any], where: str) -> Pixels:
    """Return pixels [image, channel, row, column] of [image, row, column], with colours last or first, or without."""
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[3] <= _MOST_CHANNELS < array.shape[1]:
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.size == 0:
        raise FileFormatError(
            f"{where} must be images [image, row, column] or [image, row, column, channel], got {array.shape}"
        )
    if array.dtype in (np.uint8, np.bool_):
        return np.ascontiguousarray(array if array.dtype == np.uint8 else array.astype(np.uint8) * np.uint8(255))
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind != "f" or not (low >= 0.0 and high <= 1.0):
        raise FileFormatError(f"{where} must be bytes 0 … 255 or floats 0 … 1, got {array.dtype} {low:g} … {high:g}")
    return np.ascontiguousarray(array, dtype=np.float32)
