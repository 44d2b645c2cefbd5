"""Files of tensors, read without evaluating anything, refused by name when damaged or of another kind."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from neurocircuit.errors import FileFormatError, InputError


def read_content(path: Path, kind: str, version: int) -> dict[str, Any]:
    """Return the content of a file of one kind. Raise InputError or FileFormatError naming the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise FileFormatError(f"{path} is damaged: {damaged} does not match its checksum")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (zipfile.BadZipFile, NotImplementedError):
        raise FileFormatError(f"{path} is not a checkpoint, or it is truncated") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise FileFormatError(f"{path} is not a checkpoint: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict) or not str(content.get("format")).startswith("neurocircuit-"):
        raise FileFormatError(f"{path} is not a checkpoint of neurocircuit")
    if content["format"] != kind:
        raise FileFormatError(f"{path} must be a file of {kind}, got {content['format']}")
    if content.get("version") != version:
        raise FileFormatError(f"{path} must be of version {version}, got {content.get('version')!r}")
    return content
