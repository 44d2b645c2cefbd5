"""The data sets as functions: `nc.data.digits("train")`, `nc.data.mnist("test", data="folder")`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurocircuit.errors import InputError
from neurocircuit.snn.data import library
from neurocircuit.snn.data.images import Draws, ImageSource, Indices, Labels, Pixels, Section
from neurocircuit.snn.data.library import DataName, DataSpec, SplitName

__all__ = ["Dataset", "cifar10", "digits", "fashion_mnist", "image_folder", "mnist"]


@dataclass(frozen=True)
class Dataset:
    """Labelled images of one split of a data set; a slice of it is one too.

    >>> images = digits("test")[:5]
    >>> len(images), images.split, images.pixels.shape, images.labels.tolist()
    (5, 'test', (5, 1, 8, 8), [2, 3, 4, 5, 6])
    """

    name: str
    split: str
    source: ImageSource

    @property
    def sha256(self) -> dict[str, str]:
        """Hash of the content of each file that was read, by file name."""
        return self.source.sha256

    @property
    def pixels(self) -> Pixels:
        """All pixels [image, channel, row, column], 0 … 255."""
        return self.batch(np.arange(len(self)))[0]

    @property
    def labels(self) -> Labels:
        """All labels [image]."""
        return self.batch(np.arange(len(self)))[1]

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> "Iterator[tuple[Pixels, int]]":
        """Pixels [channel, row, column] and label of each image in turn."""
        for index in range(len(self)):
            pixels, labels = self.batch(np.array([index]))
            yield pixels[0], int(labels[0])

    def __getitem__(self, selection: slice) -> "Dataset":
        """Return the images of a slice with step 1. Raise InputError for another index or an empty selection."""
        if not isinstance(selection, slice) or selection.step not in (None, 1):
            raise InputError(f"images of {self.name} must be taken by a slice such as [:300], got [{selection!r}]")
        start, stop, _ = selection.indices(len(self))
        if stop <= start:
            raise InputError(f"a slice of the {len(self)} images of {self.name} must hold some, got [{start}:{stop}]")
        return Dataset(self.name, self.split, Section(self.source, start, stop))

    def first(self, count: int | None) -> "Dataset":
        """Return the first `count` images, all for None. Raise InputError when there are fewer."""
        if count is not None and not 1 <= count <= len(self):
            raise InputError(
                f"images must be within 1 … {len(self)} for split {self.split} of {self.name}, got {count}"
            )
        return self if count is None else self[:count]

    def batch(self, indices: Indices, draws: Draws | None = None) -> tuple[Pixels, Labels]:
        """Return pixels [image, channel, row, column] and labels [image] by index."""
        return self.source.batch(indices, draws)


def load(spec: DataSpec, split: str, data: Path | str | None = None) -> Dataset:
    """Return one split of the data set that a recipe or a checkpoint names."""
    return Dataset(spec.name, split, library.load(spec, split, None if data is None else Path(data)))


def digits(split: SplitName = "test", *, held_out: int = 0, test_from_training: int = 0) -> Dataset:
    """Return scikit-learn's 1797 digits of 8 x 8 pixels, which need no download: 1437 to train, 360 to test.

    held_out: last training images kept to choose by; test_from_training: last training images that serve as the test.
    Raise InputError without scikit-learn.

    >>> len(digits("train")), len(digits("train", held_out=100))
    (1437, 1337)
    """
    return _named("digits", split, None, held_out, test_from_training)


def mnist(
    split: SplitName = "test", *, data: Path | str | None = None, held_out: int = 0, test_from_training: int = 0
) -> Dataset:
    """Return the MNIST digits, 28 x 28 pixels: 60 000 to train, 10 000 to test.

    data: the folder of the four idx files or the folder above; default: the one that NEUROCIRCUIT_DATA names.
    Raise InputError that says where was looked and how to get the files.

    >>> len(mnist("test"))  # doctest: +SKIP
    10000
    """
    return _named("mnist", split, data, held_out, test_from_training)


def fashion_mnist(
    split: SplitName = "test", *, data: Path | str | None = None, held_out: int = 0, test_from_training: int = 0
) -> Dataset:
    """Return Fashion-MNIST, of the shape and the options of `mnist`."""
    return _named("fashion_mnist", split, data, held_out, test_from_training)


def cifar10(
    split: SplitName = "test", *, data: Path | str | None = None, held_out: int = 0, test_from_training: int = 0
) -> Dataset:
    """Return CIFAR-10, 3 x 32 x 32 pixels, binary or pickled batches; options as of `mnist`."""
    return _named("cifar10", split, data, held_out, test_from_training)


def image_folder(
    split: SplitName = "test", *, data: Path | str | None = None, held_out: int = 0, test_from_training: int = 0
) -> Dataset:
    """Return pictures from `data`/train and `data`/val, one folder for each class; options as of `mnist`."""
    return _named("image_folder", split, data, held_out, test_from_training)


def _named(
    name: DataName, split: SplitName, data: Path | str | None, held_out: int, test_from_training: int
) -> Dataset:
    return load(DataSpec(name=name, held_out=held_out, test_from_training=test_from_training), split, data)
