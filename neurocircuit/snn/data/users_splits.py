"""Training and test images of a user's own data, and what they say of themselves: classes, shape, features.

Their classes take turns (`in_turns`), so that held-out images, a test taken from training and the first images of any
split are stratified samples, whatever the order of the files.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from neurocircuit.core.pool import Progress
from neurocircuit.errors import InputError, SpecError
from neurocircuit.snn.data import arrays, packed, table
from neurocircuit.snn.data.folder import ImageFolder, check_classes
from neurocircuit.snn.data.images import Chosen, ImageSource, Indices, Labels, in_turns
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.data.torch_sets import TorchData, check_like


class FromPython:
    """Data sets given from Python."""

    def __init__(self, spec: DataSpec, data: TorchData) -> None:
        """Raise InputError for images of another shape or number of classes than the description's."""
        self._data = data
        channels, rows, columns = data.shape
        self.spec = DataSpec(
            name="own",
            held_out=spec.held_out,
            test_from_training=spec.test_from_training,
            split_seed=spec.split_seed,
            size_px=(rows, columns),
            channels=channels,
            classes=data.classes,
        )
        known = spec.name == "own" and spec.size_px is not None
        if known and (self.spec.shape, self.spec.classes) != (spec.shape, spec.classes):
            raise InputError(
                f"images must be of shape {spec.shape} in the classes {', '.join(spec.classes or ())}, got "
                f"{self.spec.shape} in {', '.join(data.classes)}"
            )

    @property
    def training(self) -> ImageSource:
        """All training images."""
        return _in_turns(self._data.train, self.spec)

    @property
    def held_out(self) -> None:
        """Held-out images that stand apart: none."""

    @property
    def official(self) -> ImageSource:
        """The test set. Raise InputError where none was given."""
        if self._data.test is None:
            raise InputError(
                "a test set must be given: nc.data.from_torch(train, test), or data.test_from_training > 0"
            )
        check_like(self._data.test, self.spec.shape, self.spec.class_count)
        return _in_turns(self._data.test, self.spec)


class _Kind(Protocol):
    """How one kind of data stands in files."""

    @property
    def parts(self) -> str:
        """Parts in which a test set stands apart, in words."""

    @property
    def whole(self) -> str:
        """What the data must be, in words."""

    def training_part(self, location: Path) -> Path | None:
        """Return where training images are, None where only a test is there."""

    def test_part(self, location: Path) -> Path | None:
        """Return where test images stand apart, None where they do not."""

    def held_out_part(self, location: Path) -> Path | None:
        """Return where images to choose by stand apart, beside a test set; None where they do not."""

    def read(self, spec: DataSpec, path: Path, progress: Progress) -> tuple[DataSpec, ImageSource]:
        """Return images, and the description with what they say."""


class _Pictures:
    parts = "test/ or val/"
    whole = "a folder with one folder of pictures per class"

    def training_part(self, location: Path) -> Path | None:
        if location.suffix == ".npz":
            raise InputError(f"data.name must be image_arrays, or table, for the npz {location}, got image_folder")
        if (location / "train").is_dir():
            return location / "train"
        return location if self.test_part(location) is None else None

    def test_part(self, location: Path) -> Path | None:
        return next((location / part for part in ("test", "val") if (location / part).is_dir()), None)

    def held_out_part(self, location: Path) -> Path | None:
        folders = [location / part for part in ("train", "test", "val")]
        return folders[-1] if all(folder.is_dir() for folder in folders) else None

    def read(self, spec: DataSpec, path: Path, progress: Progress) -> tuple[DataSpec, ImageSource]:
        folder = ImageFolder(
            path, spec.classes or (), spec.size_px, spec.channels, spec.framing or "centre", progress=progress
        )
        if path.name == "train":  # a stranger is named now, not after training
            apart = (
                None if spec.test_from_training else self.test_part(path.parent),
                None if spec.held_out else self.held_out_part(path.parent),
            )
            for part in filter(None, apart):
                check_classes(part, folder.classes)
        return spec.replace(size_px=folder.size_px, channels=folder.channels, classes=folder.classes), folder


class _Arrays:
    """Parts of a file are named as files in it would be: images.npz/train."""

    parts = "test_images or val_images"
    whole = "an npz file of images and labels"

    def training_part(self, location: Path) -> Path | None:
        if not location.is_file():
            return None
        present = arrays.parts(location)
        if "train" in present:
            return location / "train"
        return location if present == (arrays.WHOLE,) else None

    def test_part(self, location: Path) -> Path | None:
        if not location.is_file():
            return None
        return next((location / part for part in ("test", "val") if part in arrays.parts(location)), None)

    def held_out_part(self, location: Path) -> Path | None:
        return location / "val" if arrays.parts(location) == ("train", "val", "test") else None

    def read(self, spec: DataSpec, path: Path, progress: Progress) -> tuple[DataSpec, ImageSource]:
        file, part = (path, arrays.WHOLE) if path.is_file() else (path.parent, path.name)
        images, classes = arrays.read(file, part, spec.classes or ())
        channels, *size_px = images.pixels.shape[1:]
        if len(classes) < _FEWEST_CLASSES:
            raise InputError(f"{file} must have labels of {_FEWEST_CLASSES} classes or more, got {', '.join(classes)}")
        for name, here in (("size_px", tuple(size_px)), ("channels", channels)):
            if getattr(spec, name) not in (None, here):
                raise InputError(f"data.{name} must be {here} as in {file}, got {getattr(spec, name)}")
        return spec.replace(size_px=tuple(size_px), channels=channels, classes=classes), images


class _Rows:
    parts = "test.csv or test.npz"
    whole = "a CSV or npz file, or hold train.csv or train.npz"

    def training_part(self, location: Path) -> Path | None:
        return location if location.is_file() else self._file(location, "train")

    def test_part(self, location: Path) -> Path | None:
        return None if location.is_file() else self._file(location, "test")

    def held_out_part(self, location: Path) -> Path | None:
        files = [None if location.is_file() else self._file(location, part) for part in ("train", "test", "val")]
        return None if None in files else files[-1]

    def read(self, spec: DataSpec, path: Path, progress: Progress) -> tuple[DataSpec, ImageSource]:
        rows = table.read(path, spec.label, spec.ignored or ())
        classes = spec.classes or rows.classes
        if (features := spec.features) is None:  # the ranges of the rows that are no test
            numbers = {name: k for k, name in enumerate(classes)}
            labels = np.array([numbers.get(label, 0) for label in rows.labels])  # strangers are refused below
            features = rows.features(_order(labels, spec)[: len(labels) - spec.test_from_training])
        source = table.scaled(rows, features, classes)
        read_there = {"features": features, "classes": classes, "label": rows.label, "channels": 1}
        return spec.replace(**read_there, size_px=(1, len(features))), source

    def _file(self, folder: Path, part: str) -> Path | None:
        return next((path for end in table.SUFFIXES if (path := packed.find(folder, f"{part}{end}"))), None)


_KINDS: dict[str, _Kind] = {"image_folder": _Pictures(), "image_arrays": _Arrays(), "table": _Rows()}
_FEWEST_CLASSES = 2


@dataclass(frozen=True)
class InPlace:
    """Data in files; spec: with all that the first part that was read says, `source` of it."""

    spec: DataSpec
    location: Path
    source: ImageSource
    progress: Progress

    @cached_property
    def training(self) -> ImageSource:
        """All training images. Raise InputError where there are none, SpecError where no test would be left."""
        part = self._kind.training_part(self.location)
        if part is None:
            raise InputError(f"{self.location} must hold training images")
        if part == self.location and not self.spec.test_from_training:
            raise SpecError(
                f"data.test_from_training must be > 0 to train on {self.location}: no {self._kind.parts} stands there"
            )
        apart = {"held_out": self._kind.held_out_part, "test_from_training": self._kind.test_part}
        unread = {name: of(self.location) for name, of in apart.items() if getattr(self.spec, name)}
        further = [f"{path} is not read, for data.{name} is not 0" for name, path in unread.items() if path is not None]
        return _in_turns(self.source, self.spec, tuple(further))

    @cached_property
    def held_out(self) -> ImageSource | None:
        """Held-out images that stand apart beside a test; None where there are none, or others are to be held out."""
        part = None if self.spec.held_out else self._kind.held_out_part(self.location)
        return None if part is None else _in_turns(self._kind.read(self.spec, part, self.progress)[1], self.spec)

    @cached_property
    def official(self) -> ImageSource:
        """The test images that stand apart, or all of a file or folder without parts."""
        part, training = self._kind.test_part(self.location), self._kind.training_part(self.location)
        if part is None and training not in (None, self.location):
            raise InputError(
                f"{self.location} must hold {self._kind.parts} to test with, or data.test_from_training say how many "
                "training images are kept for it"
            )
        if part is None or training is None:
            return _in_turns(self.source, self.spec)
        return _in_turns(self._kind.read(self.spec, part, self.progress)[1], self.spec)

    @property
    def _kind(self) -> _Kind:
        return _KINDS[self.spec.name]


def read_own(spec: DataSpec, location: Path, progress: Progress) -> InPlace:
    """Return the data of a folder or file: its training images are read, or its test where only that is there.

    Raise InputError for what is no such data, FileFormatError naming what cannot be read.
    """
    kind = _KINDS[spec.name]
    part = kind.training_part(location) or kind.test_part(location)
    if part is None:
        raise InputError(f"{location} must be {kind.whole}")
    resolved, source = kind.read(spec, part, progress)
    return InPlace(resolved, location, source, progress)


def _in_turns(source: ImageSource, spec: DataSpec, further: tuple[str, ...] = ()) -> Chosen:
    return Chosen(source, _order(source.labels, spec), further)


def _order(labels: Labels, spec: DataSpec) -> Indices:
    return in_turns(labels, 1 if spec.split_seed is None else spec.split_seed)
