"""The splits of a data set: where its files are looked for, how to get them, and what is kept out of training."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np

from neurocircuit.core.pool import Progress, silent
from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.snn.data import cifar10, idx
from neurocircuit.snn.data.digits import read_digits
from neurocircuit.snn.data.images import ImageSource, section
from neurocircuit.snn.data.spec import DATA_SETS, VARIABLE, DataName, DataSpec, SplitName
from neurocircuit.snn.data.torch_sets import TorchData
from neurocircuit.snn.data.users_splits import FromPython, InPlace, read_own

CANONICAL_SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    "cifar10": {
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch_first1000.bin": "8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5",
    },
}

_READERS: dict[str, Callable[[Path, bool], ImageSource]] = {
    "mnist": idx.read_directory,
    "fashion_mnist": idx.read_directory,
    "cifar10": cifar10.read_directory,
}


def load(spec: DataSpec, split: str, data: Path | TorchData | None = None) -> ImageSource:
    """Return one split of a data set: train, held_out and test never overlap; `official` is the published test set.

    data: a directory, for a test one data file, or data sets given from Python; without it the directory named by
    NEUROCIRCUIT_DATA. Raise InputError in one line that says where was looked and how to get the data.
    """
    return Splits(spec, data).split(split)


class Splits:
    """The splits of one data set; what the data of a user say of themselves is read once and stands in `spec`."""

    def __init__(self, spec: DataSpec, data: Path | TorchData | None = None, progress: Progress = silent) -> None:
        """Raise InputError where the data are not there, or are wrong; progress: hears of pictures that are read."""
        self.spec, self._data = spec, data
        self._own: FromPython | InPlace | None = None
        if isinstance(data, TorchData):
            self._own = FromPython(spec, data)
        elif data is not None and not data.exists():
            raise InputError(f"--data must exist, got {data}")
        elif spec.name == "own":
            raise InputError("data own were given from Python: give them there again, data=nc.data.from_torch(…)")
        elif spec.is_own:
            self._own = read_own(spec, _location_of(spec, data), progress)
        if self._own is not None:
            self.spec = self._own.spec

    def split(self, name: str) -> ImageSource:
        """Return one split. Raise as `load`."""
        if name not in get_args(SplitName):
            raise InputError(f"the split must be one of {', '.join(get_args(SplitName))}, got {name!r}")
        spec = self.spec
        if self._own is None and isinstance(self._data, Path) and self._data.is_file():
            return _data_file(spec, name, self._data)
        if name == "official" or (name == "test" and not spec.test_from_training):
            return self._whole(train=False)
        if name == "held_out" and self.held_out_apart is not None:
            return self.held_out_apart
        whole = self._whole(train=True)
        kept_for_test = len(whole) - spec.test_from_training
        trained = kept_for_test - spec.held_out
        if trained <= 0:
            raise SpecError(
                f"data.held_out + data.test_from_training must be < {len(whole)} images, got {len(whole) - trained}"
            )
        if name == "held_out" and not spec.held_out:
            raise SpecError("data.held_out must be > 0 to evaluate on held-out images, got 0")
        bounds = {"train": (0, trained), "held_out": (trained, kept_for_test), "test": (kept_for_test, len(whole))}
        return section(whole, *bounds[name])

    @property
    def held_out_apart(self) -> ImageSource | None:
        """Held-out images of a user's data that stand apart, in val/ beside train/ and test/; None where none do."""
        return None if self._own is None else self._own.held_out

    def _whole(self, train: bool) -> ImageSource:
        if self._own is not None:
            return self._own.training if train else self._own.official
        assert not isinstance(self._data, TorchData)  # noqa: S101
        return _whole(self.spec.name, train, self._data)


def is_canonical(name: str, source: ImageSource) -> bool | None:
    """Return whether every file read has its published content; None when no checksum is known."""
    known = CANONICAL_SHA256.get(name)
    if known is None:
        return None
    return all(digest in known.values() for digest in source.sha256.values())


def _whole(name: DataName, train: bool, path: Path | None) -> ImageSource:
    if name == "digits":
        return read_digits(train)
    directory = _directory(name, path)
    return _checked(name, _READERS[name](directory, train), str(directory))


def _location_of(spec: DataSpec, data: Path | None) -> Path:
    """Return the folder or file of a user's data: the given one, that of the recipe, or that of the variable."""
    if data is None and spec.path is not None:
        if not Path(spec.path).exists():
            raise InputError(f"data.path must exist, got {spec.path}; --data names another location")
        return Path(spec.path)
    return data if data is not None and data.is_file() else _directory(spec.name, data)


def _data_file(spec: DataSpec, split: str, path: Path) -> ImageSource:
    if split not in ("test", "official"):
        raise InputError(f"--data must be a directory to train from, got the file {path}")
    if spec.name in ("mnist", "fashion_mnist"):
        return _checked(spec.name, idx.read_images_file(path), str(path))
    if spec.name == "cifar10":
        return _checked(spec.name, cifar10.read_file(path), str(path))
    raise InputError(f"--data must be a directory for {spec.name}, got the file {path}")


def _directory(name: str, path: Path | None) -> Path:
    """Return the first folder of the data set that exists, else the root itself."""
    folders = DATA_SETS[name].folders
    if path is not None:
        below_path = [path / folder for folder in folders if not Path(folder).is_absolute()]
        return next((folder for folder in below_path if folder.is_dir()), path)
    root = os.environ.get(VARIABLE)
    candidates = [Path(root or "/", folder) for folder in folders if root or Path(folder).is_absolute()]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    hint = f"{DATA_SETS[name].how_to_get}; then name its folder by data= or --data, data.path or {VARIABLE}"
    raise InputError(f"data {name} was not found{f' under {root}' if root else ''}: {hint}")


def _checked(name: str, source: ImageSource, where: str) -> ImageSource:
    """Refuse the files of another data set and images of another shape."""
    for other, known in CANONICAL_SHA256.items():
        if other != name and set(known.values()) & set(source.sha256.values()):
            raise FileFormatError(f"{where} holds {other}, asked for {name}")
    shape = source.batch(np.arange(1))[0].shape[1:] if len(source) else None
    if shape != DATA_SETS[name].shape:
        raise FileFormatError(f"{where} must hold images of shape {DATA_SETS[name].shape}, got {shape}")
    return source
