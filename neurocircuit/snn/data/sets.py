"""The data sets as functions: `nc.data.digits("train")`, `nc.data.mnist("test", data="folder")`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurocircuit.errors import InputError
from neurocircuit.snn.data import library
from neurocircuit.snn.data.folder import Framing
from neurocircuit.snn.data.images import Draws, ImageSource, Indices, Labels, Pixels, section
from neurocircuit.snn.data.spec import DataName, DataSpec, SplitName
from neurocircuit.snn.data.torch_sets import MapStyle, TorchData, check_like, from_torch, in_memory

__all__ = [
    "Dataset",
    "TorchData",
    "cifar10",
    "digits",
    "fashion_mnist",
    "from_torch",
    "image_arrays",
    "image_folder",
    "mnist",
    "table",
]
Data = Path | str | TorchData | MapStyle
_NAMED_CLASSES = 12  # that a summary counts one by one


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
    data: DataSpec

    @property
    def sha256(self) -> dict[str, str]:
        """Hash of the content of each file that was read, by file name."""
        return self.source.sha256

    @property
    def pixels(self) -> Pixels:
        """All pixels [image, channel, row, column], 0 … 255, or floats 0 … 1 where eight bits would not hold them."""
        return self.batch(np.arange(len(self)))[0]

    @property
    def labels(self) -> Labels:
        """All labels [image]."""
        return self.source.labels

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of the files that were read."""
        return self.source.remarks

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by label."""
        return self.data.class_names

    @property
    def summary(self) -> str:
        """What was read, in one line: shape, counts by class, and what a person should know of the files."""
        return "; ".join((self.counts, *self.remarks))

    @property
    def counts(self) -> str:
        """How many images there are, of which shape, and of which classes.

        >>> digits("test").counts[:75]
        'digits test: 360 images of 1 x 8 x 8; 10 classes: 0 (35), 1 (36), 2 (35), 3'
        """
        counts = np.bincount(self.labels, minlength=len(self.classes))
        if len(counts) <= _NAMED_CLASSES:
            by_class = ": " + ", ".join(f"{name} ({n})" for name, n in zip(self.classes, counts, strict=True))
        else:
            by_class = f" of {counts.min()} to {counts.max()} images"
        shape = " x ".join(map(str, self.data.shape))
        return f"{self.name} {self.split}: {len(self)} images of {shape}; {len(counts)} classes{by_class}"

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
        return Dataset(self.name, self.split, section(self.source, start, stop), self.data)

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


def load(spec: DataSpec, split: str, data: Data | None = None) -> Dataset:
    """Return one split of the data set that a recipe or a checkpoint names; data: its place, or one's own data sets."""
    splits = library.Splits(spec, as_data(data))
    return Dataset(splits.spec.name, split, splits.split(split), splits.spec)


def as_data(data: Data | None) -> Path | TorchData | None:
    """Return the place of the data, or the data sets given: one of torch is read (`from_torch`)."""
    if isinstance(data, str):
        return Path(data)
    if isinstance(data, Dataset):
        raise InputError("data must be a folder or a torch data set of (image, label), got images of one split")
    return data if data is None or isinstance(data, Path | TorchData) else from_torch(data)


def images_for(spec: DataSpec, images: Dataset | MapStyle) -> Dataset:
    """Return images for a network that was trained on the data of `spec`: a data set of torch becomes one.

    Raise InputError for images of other data: another name, another shape, other classes.
    """
    if not isinstance(images, Dataset):
        read = in_memory(images, "images")
        check_like(read, spec.shape, spec.class_count)
        return Dataset(spec.name, "own", read, spec)
    if images.name != spec.name:
        raise InputError(f"images must be of {spec.name}, which the network was trained for, got {images.name}")
    if images.data.shape != spec.shape or (spec.classes and images.classes != spec.classes):
        raise InputError(
            f"images must be of shape {spec.shape} in {spec.class_count} classes, as the network was trained for, got "
            f"{images.data.shape} in {len(images.classes)}: {', '.join(images.classes[:3])}, …"
        )
    return images


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
    split: SplitName = "test",
    *,
    data: Path | str | None = None,
    size_px: tuple[int, int] | None = None,
    channels: int | None = None,
    framing: Framing | None = None,
    held_out: int = 0,
    test_from_training: int = 0,
    split_seed: int | None = None,
) -> Dataset:
    """Return pictures of your own, one folder for each class, their classes in turns.

    data: a folder with train/ and test/ (or val/), or of the classes alone, of which `test_from_training` pictures make
    the test; val/ beside test/ holds the held-out ones. size_px: rows and columns to which pictures are brought;
    default: the size that all have. channels: 1 for grey, 3 for colour; default: grey where all are. Classes
    are named by the folders in train/. Further options as of `mnist`; split_seed: order in which classes take turns.

    Raise InputError for a class that training does not know, FileFormatError naming what cannot be read.

    >>> image_folder("train", data="pictures", size_px=(32, 32)).summary  # doctest: +SKIP
    """
    options = {"size_px": size_px, "channels": channels, "framing": framing, "split_seed": split_seed}
    return _named("image_folder", split, data, held_out, test_from_training, **options)


def image_arrays(
    split: SplitName = "test",
    *,
    data: Path | str | None = None,
    held_out: int = 0,
    test_from_training: int = 0,
    split_seed: int | None = None,
) -> Dataset:
    """Return images of an npz file, as MedMNIST and Keras give them, their classes in turns.

    data: a file with train_images, train_labels, test_images, test_labels, or x_train, y_train, …; or with images and
    labels alone, of which `test_from_training` images make the test. Images [image, row, column] or [image, row,
    column, channel], bytes or floats 0 … 1. Options as of `image_folder`.

    Raise FileFormatError naming an array that is no such thing.

    >>> image_arrays("train", data="pathmnist.npz").summary  # doctest: +SKIP
    """
    return _named("image_arrays", split, data, held_out, test_from_training, split_seed=split_seed)


def table(
    split: SplitName = "test",
    *,
    data: Path | str | None = None,
    label: str | None = None,
    ignored: Sequence[str] | None = None,
    held_out: int = 0,
    test_from_training: int = 0,
    split_seed: int | None = None,
) -> Dataset:
    """Return rows of features as images of one row, each feature on 0 … 1 by its range in training.

    data: a CSV or npz file, of which `test_from_training` rows make the test, or a folder with train.csv and test.csv.
    label: column of the classes; ignored: columns that are no features. Options as of `image_folder`.

    Raise InputError for an unknown column or class, FileFormatError naming row and column of what is no number.

    >>> table("train", data="iris.csv", test_from_training=30).summary  # doctest: +SKIP
    """
    options = {"label": label, "ignored": None if ignored is None else tuple(ignored), "split_seed": split_seed}
    return _named("table", split, data, held_out, test_from_training, **options)


def _named(
    name: DataName,
    split: SplitName,
    data: Path | str | None,
    held_out: int,
    test_from_training: int,
    **of_own: Any,
) -> Dataset:
    return load(DataSpec(name=name, held_out=held_out, test_from_training=test_from_training, **of_own), split, data)
