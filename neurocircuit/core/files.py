"""Writing a file so that a reader sees the old one or the whole new one, never a part; reading JSON; a lock file."""

import fcntl
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurocircuit.errors import FileFormatError, InputError


def write_atomically(path: Path, content: bytes | str, *, force_to_disk: bool = True) -> None:
    """Write `content` (text as UTF-8) under a temporary name beside `path`, then rename.

    When anything fails the temporary file is removed and an older file at `path` stays as it was.
    force_to_disk: before the rename; costs milliseconds, and guards against a power cut.

    Raise InputError naming the path when the directory is missing or cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            if force_to_disk:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_output(path: Path, suffix: str) -> None:
    """Raise InputError unless a file of that suffix can be made at `path`, before long work is begun for it."""
    if path.suffix != suffix or not path.parent.is_dir():
        raise InputError(f"--out must be a {suffix} file in an existing directory, got {str(path)!r}")


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, where there is none. Raise InputError naming it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write in {path}: {error.strerror}") from None


def read_json(path: Path, hint: str = "") -> Any:
    """Return what a file of JSON holds.

    Raise InputError (with the hint) where it cannot be read, else FileFormatError.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}{hint}") from None
    except ValueError as error:
        raise FileFormatError(f"{path} must be JSON: {error}") from None


def read_json_object(path: Path, hint: str = "") -> dict[str, Any]:
    """As `read_json`; raises FileFormatError for JSON that is no object too."""
    values = read_json(path, hint)
    if not isinstance(values, dict):
        raise FileFormatError(f"{path} must hold a JSON object, got {type(values).__name__}")
    return values


def finite_or_null(value: Any) -> Any:
    """Return the same structure with null in place of inf and nan, which JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite_or_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_null(item) for item in value]
    return value


def file_sha256(path: Path) -> str:
    """Return the hash of a file's content. Raise InputError when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


@contextmanager
def locked(path: Path, message: str) -> Iterator[None]:
    """Hold a lock file, which the kernel frees when this process ends, by kill -9 too.

    Raise InputError with the message, and the number of the process that holds it, where another one does.
    """
    with path.open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise InputError(f"{message} (process {handle.read().strip() or 'unknown'})") from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def _umask() -> int:
    """Return the process's mask; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
