"""Reading a data file that may be gzipped or xz-compressed, within a bound on its unpacked size."""

import gzip
import hashlib
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurocircuit.errors import FileFormatError, InputError

LARGEST_FILE_BYTES = 1 << 30
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}


def find(directory: Path, name: str) -> Path | None:
    """Return the file `name` in a directory, plain or with .gz or .xz; None when there is none."""
    candidates = (directory / f"{name}{suffix}" for suffix in ("", ".gz", ".xz"))
    return next((path for path in candidates if path.is_file()), None)


def read(path: Path) -> bytes:
    """Return the unpacked content. Raise InputError when unreadable, FileFormatError when damaged or beyond 1 GiB."""
    try:
        with _OPENERS.get(path.suffix, open)(path, "rb") as stream:
            content: bytes = stream.read(LARGEST_FILE_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise FileFormatError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise FileFormatError(f"{path} must unpack to at most {LARGEST_FILE_BYTES} bytes")
    return content


def sha256(content: bytes) -> str:
    """Return the hex digest, as `sha256sum` prints it."""
    return hashlib.sha256(content).hexdigest()
