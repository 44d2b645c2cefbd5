"""A report of headed parts, as one offline HTML file and as Markdown; what mapping, calibration and replay share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocircuit.core.files import read_json, write_atomically
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.report.content import Table
from neurocircuit.report.page import Picture
from neurocircuit.report.templating import template


@dataclass(frozen=True)
class Part:
    """A heading and what stands under it."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """A whole report; `answer` says in a sentence or two what was found."""

    title: str
    answer: str
    parts: tuple[Part, ...]


def read(path: Path) -> dict[str, Any]:
    """The numbers of a run. Raises InputError or FileFormatError naming the file."""
    values = read_json(path)
    if not isinstance(values, dict) or "run" not in values:
        raise FileFormatError(f"{path} must hold the result of map, calibrate or verify")
    return values


def write(sheet: Sheet, path: Path) -> None:
    """Write `path` (.html), the same as .md, and figures/ beside it.

    Reports of several files may share a folder: but for report.html, figures bear the name of their report.
    """
    prefix = "" if path.stem == "report" else f"{path.stem}."
    pages = {suffix: template(f"sheet{suffix}.j2").render(sheet=sheet, prefix=prefix) for suffix in (".html", ".md")}
    folder = path.parent / "figures"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from None
    for part in sheet.parts:
        for picture in part.pictures:
            write_atomically(folder / f"{prefix}{picture.name}.svg", picture.svg)
    for suffix, text in pages.items():
        write_atomically(path.with_suffix(suffix), text)


def record_part(values: dict[str, Any]) -> Part:
    """Command, versions and cost of the run."""
    rows = tuple((name, f"{value}") for name, value in values["run"].items())
    return Part("Run", tables=(Table("How this was made", ("field", "value"), rows, prose=(1,)),))
