"""MNIST and Fashion-MNIST: the idx format, plain or gzipped."""

import math
import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn.data import packed
from neurocircuit.snn.data.images import ImagesInMemory, checked_labels

_UBYTE = 0x08


def parse_idx(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Return the array of an idx file of unsigned bytes. Raise FileFormatError naming the file."""
    if len(content) < 4 or content[:3] != bytes((0, 0, _UBYTE)):
        raise FileFormatError(f"{path} must be an idx file of unsigned bytes, got the first bytes {content[:4].hex()}")
    rank = content[3]
    if len(content) < 4 + 4 * rank:
        raise FileFormatError(f"{path} ends within its header")
    shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    expected = 4 + 4 * rank + math.prod(shape)
    if len(content) != expected:
        raise FileFormatError(f"{path} must have {expected} bytes for its shape {shape}, got {len(content)}")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_pair(images_path: Path, labels_path: Path, classes: int = 10) -> ImagesInMemory:
    """Return the images and labels of one part. Raise InputError or FileFormatError naming the file."""
    contents = {path: packed.read(path) for path in (images_path, labels_path)}
    pixels = parse_idx(contents[images_path], images_path)
    labels = parse_idx(contents[labels_path], labels_path)
    if pixels.ndim != 3:
        raise FileFormatError(f"{images_path} must have 3 dimensions (image, row, column), got {pixels.ndim}")
    if labels.shape != pixels.shape[:1]:
        raise FileFormatError(f"{labels_path} must have {len(pixels)} labels, one an image, got {labels.shape}")
    sha256 = {path.name: packed.sha256(content) for path, content in contents.items()}
    return ImagesInMemory(pixels[:, None], checked_labels(labels, classes, str(labels_path)), sha256)


def read_directory(directory: Path, train: bool) -> ImagesInMemory:
    """Return the training or test part under its canonical names. Raise InputError naming the missing file."""
    part = "train" if train else "t10k"
    paths = []
    for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
        path = packed.find(directory, name) or packed.find(directory, _with_dot(name))
        if path is None:
            raise InputError(f"{directory} must hold {name} or {_with_dot(name)}, plain or .gz")
        paths.append(path)
    return read_pair(paths[0], paths[1])


def _with_dot(name: str) -> str:
    """Return train-images.idx3-ubyte for train-images-idx3-ubyte: some unpackers, and Kaggle's copy, name it so."""
    return name.replace("-idx", ".idx")


def read_images_file(path: Path) -> ImagesInMemory:
    """Return one idx3 file with its labels beside it under the canonical name."""
    stem = path.name.removesuffix(".gz").removesuffix(".xz")
    if not re.search("images[-.]idx3", stem):
        raise InputError(f"{path} must be named …-images-idx3-ubyte, so that its labels can be found beside it")
    name = re.sub("images([-.])idx3", r"labels\1idx1", stem)
    labels = packed.find(path.parent, name)
    if labels is None:
        raise InputError(f"{path} must have its labels beside it: {name}")
    return read_pair(path, labels)
