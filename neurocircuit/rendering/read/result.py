"""A result file of any kind, and the section that says how the run was made."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neurocircuit.core.files import read_json_object
from neurocircuit.errors import FileFormatError


def read_result(file: Path, *fields: str) -> dict[str, Any]:
    """Return the content of a result file. Raise InputError or FileFormatError naming the file or what it lacks."""
    values = read_json_object(file)
    missing = [name for name in fields if name not in values]
    if missing:
        raise FileFormatError(f"{file} lacks {', '.join(missing)}")
    return values


def record_rows(record: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Return the entries of a run record as name and text; those of a mapping in it under its name."""
    return tuple(_rows(record or {}, ""))


def _rows(record: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{prefix}{name} ")
        elif value not in (None, "", [], ()):
            shown = " ".join(map(str, value)) if name == "command" and isinstance(value, list) else str(value)
            yield f"{prefix}{name}".replace("_", " "), shown
