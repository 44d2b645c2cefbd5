"""Files of weights: written whole or not at all, read without evaluating anything, refused by name when damaged.

A windowed network's graph stands beside its weights; its subject is None where no data set is known.
"""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.snn.recipe import Subject
from neurocircuit.spec import FullScale
from neurocircuit.spec.windowed import WindowedGraph

FORMAT, VERSION = "neurocircuit-weights", 1


def to_bytes(
    subject: Subject | None,
    weights: dict[str, Tensor],
    graph: WindowedGraph | None = None,
    training: dict[str, Any] | None = None,
    full_scale: FullScale | None = None,
) -> bytes:
    """Return the bytes of a file: what the weights are for, they themselves, and where training goes on.

    full_scale: of the bank to which training rounds them, if any.
    """
    values = {
        "format": FORMAT,
        "version": VERSION,
        "subject": None if subject is None else subject.to_dict(),
        "weights": weights,
        "training": training,
    }
    if graph is not None:
        values["graph"] = graph.to_dict()
    if full_scale is not None:
        values["full_scale"] = full_scale
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def read_content(path: Path) -> dict[str, Any]:
    """Return the content of a file. Raise InputError or FileFormatError naming the file."""
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
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FileFormatError(f"{path} is not a checkpoint of neurocircuit")
    if content.get("version") != VERSION:
        raise FileFormatError(f"{path} must be of version {VERSION}, got {content.get('version')!r}")
    return content


def read_subject(path: Path) -> Subject | None:
    """Return what the weights in a file are for; None where no data set is known. Raise as `read_content`."""
    return subject_of(read_content(path), path)


def subject_of(content: dict[str, Any], path: Path) -> Subject | None:
    """Return what the weights in a file are for. Raise FileFormatError naming what does not fit."""
    try:
        return None if content["subject"] is None else Subject.from_dict(content["subject"])
    except (SpecError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: subject: {error}") from None
