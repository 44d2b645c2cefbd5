"""CIFAR-10: binary records (plain or .xz), or the python archives, which are read without evaluating their pickles."""

import io
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.snn.data import packed
from neurocircuit.snn.data.images import ImagesInMemory, checked_labels

_RECORD_BYTES = 1 + 3 * 32 * 32
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = ("test_batch",)
_FIRST_1000 = ("test_batch_first1000",)
_ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")


def read_directory(directory: Path, train: bool) -> ImagesInMemory:
    """Return the training or test part from binary batches, python batches or either archive.

    A directory without the test batch but with its first 1000 records gives those; `sha256` names the file read.
    Raise InputError naming what is missing.
    """
    names = _TRAIN if train else _TEST
    for candidate in (names,) if train else (names, _FIRST_1000):
        batches = list(_files(directory, candidate))
        if len(batches) == len(candidate):
            return _joined(batches)
    for archive in _ARCHIVES:
        if (directory / archive).is_file():
            return _joined(list(_archived(directory / archive, names)))
    lacking = [name for name in names if not any(_files(directory, (name,)))]
    if len(lacking) < len(names):
        raise InputError(f"{directory} must hold all of {names[0]} … {names[-1]}, it lacks {', '.join(lacking)}")
    raise InputError(
        f"{directory} must hold {names[0]}.bin (plain or .xz), {names[0]} or one of {', '.join(_ARCHIVES)}"
    )


def read_file(path: Path) -> ImagesInMemory:
    """Return one batch, binary or python."""
    return _joined([(path.name.removesuffix(".xz"), packed.read(path))])


def _files(directory: Path, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for folder in (directory, directory / "cifar-10-batches-bin", directory / "cifar-10-batches-py"):
        for suffix in (".bin", ""):
            paths = [packed.find(folder, name + suffix) for name in names]
            present = [path for path in paths if path is not None]
            if len(present) == len(names):
                yield from ((path.name.removesuffix(".xz"), packed.read(path)) for path in present)
                return


def _archived(path: Path, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as archive:
            members = {Path(member.name).stem: member for member in archive.getmembers() if member.isfile()}
            for name in names:
                stream = archive.extractfile(members[name]) if name in members else None
                if stream is None:
                    raise FileFormatError(f"{path} must hold {name}")
                yield Path(members[name].name).name, stream.read(packed.LARGEST_FILE_BYTES)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise FileFormatError(f"{path} is damaged: {error}") from None


def _joined(batches: list[tuple[str, bytes]]) -> ImagesInMemory:
    parts = [
        _parse_binary(name, content) if name.endswith(".bin") else _parse_python(name, content)
        for name, content in batches
    ]
    pixels = np.concatenate([part[0] for part in parts]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([part[1] for part in parts])
    sha256 = {name: packed.sha256(content) for name, content in batches}
    return ImagesInMemory(pixels, checked_labels(labels, 10, "CIFAR-10"), sha256)


def _parse_binary(name: str, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    if not content or len(content) % _RECORD_BYTES:
        raise FileFormatError(f"{name} must be records of {_RECORD_BYTES} bytes, got {len(content)} bytes")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD_BYTES)
    return records[:, 1:], records[:, 0]


def _empty_array(kind: type, shape: tuple[int, ...], code: bytes) -> NDArray[np.uint8]:
    """Return what numpy makes before it fills an array from the pickle; type and content come with its state."""
    return np.ndarray((0,), np.uint8)


def _array_from_buffer(buffer: bytes, dtype: Any, shape: tuple[int, ...], order: str) -> NDArray[Any]:
    """Return the array of a pickle of protocol 5, which holds it as bytes."""
    return np.frombuffer(buffer, dtype).reshape(shape, order="F" if order == "F" else "C")


def _latin1(text: str, encoding: str) -> bytes:
    """Return the bytes as Python 3 puts them into a pickle of protocol 2."""
    return text.encode("latin1")


class _ArrayUnpickler(pickle.Unpickler):
    """Admits what a pickled uint8 array needs, by Python 2 as published or by Python 3, and nothing else."""

    _ADMITTED: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): _empty_array,
        ("numpy._core.multiarray", "_reconstruct"): _empty_array,
        ("numpy.core.numeric", "_frombuffer"): _array_from_buffer,
        ("numpy._core.numeric", "_frombuffer"): _array_from_buffer,
        ("_codecs", "encode"): _latin1,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return the admitted name; anything else raises UnpicklingError before it is imported."""
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        return self._ADMITTED[module, name]


def _parse_python(name: str, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    try:
        batch = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
        entries = {key.decode("latin1") if isinstance(key, bytes) else str(key): batch[key] for key in batch}
    except Exception as error:  # a hostile or damaged pickle may raise anything
        raise FileFormatError(f"{name} must be a python batch of CIFAR-10: {error}") from None
    if not {"data", "labels"} <= entries.keys():
        keys = ", ".join(sorted(entries)) or "none"
        raise FileFormatError(f"{name} must be a python batch of CIFAR-10 with the keys data and labels, got {keys}")
    pixels, labels = entries["data"], np.asarray(entries["labels"])
    shaped = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.shape == (len(labels), 3072)
    if not shaped or labels.dtype.kind not in "iu":
        raise FileFormatError(f"{name} must hold uint8 data of shape ({len(labels)}, 3072) and whole-number labels")
    return pixels, labels
