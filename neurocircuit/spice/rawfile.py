"""Reader of ngspice raw files (`-r FILE`), binary and ASCII, real values, one plot; distrusts every byte.

The format, from ngspice's rawfile.c: text lines "Title:", "Date:", "Plotname:", "Flags:", "No. Variables:",
"No. Points:", "Variables:", one line "index name type" for each, then "Binary:" with doubles point by point in
the machine's byte order, or "Values:" with the same as text, each point after its index.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput

LARGEST_HEADER_bytes = 1 << 20
_DATA_MARK = re.compile(rb"^(Binary|Values):[ \t]*\r?\n", re.MULTILINE)
_FIELD = re.compile(r"(Title|Date|Plotname|Flags|No\. Variables|No\. Points|Command|Option|Offset):(.*)")
_VARIABLE = re.compile(r"\s*(\d{1,9})\s+(\S+)\s+(\S+)(\s+\S+=\S+)*\s*")
# What ngspice prints on stdout comes between the header's lines when the raw file goes the same way (-s).
_PRINTED = re.compile(
    r"\s*|No\. of Data (Columns|Rows) *:.*|Initial Transient Solution|-+|Node +Voltage|-+ +-+|\S+ +[-+.\deE]+"
)


@dataclass(frozen=True)
class RawPlot:
    """One analysis: its name in ngspice, the title of the deck, and the vectors by name, all of the same length."""

    title: str
    name: str
    vectors: dict[str, Floats]


@dataclass(frozen=True)
class _Header:
    title: str
    name: str
    variables: tuple[str, ...]
    points: int


def read_raw(path: Path) -> RawPlot:
    """Return the plot in a raw file.

    Raise SimulatorBadOutput with the reason when the file is not one whole, finite plot.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SimulatorBadOutput(f"raw file cannot be read: {error.strerror}") from None
    return parse_raw(content)


def parse_raw(content: bytes) -> RawPlot:
    """Return the plot in the bytes of a raw file. Raise SimulatorBadOutput with the reason."""
    if not content:
        raise SimulatorBadOutput("raw file is empty")
    if not content.startswith(b"Title:"):
        raise SimulatorBadOutput("raw file is foreign: it does not start with Title:")
    mark = _DATA_MARK.search(content, 0, LARGEST_HEADER_bytes)
    if mark is None:
        raise SimulatorBadOutput("raw file is truncated: no Binary: or Values: line")
    header = _parse_header(content[: mark.start()].decode("utf-8", "replace"))
    data = content[mark.end() :]
    read = _binary_values if mark[1] == b"Binary" else _text_values
    table = read(data, header.points, len(header.variables))
    for name, column in zip(header.variables, table.T, strict=True):
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            raise SimulatorBadOutput(f"{name} is {column[bad[0]]} at point {bad[0]} of {header.points}")
    vectors = {name: np.ascontiguousarray(column) for name, column in zip(header.variables, table.T, strict=True)}
    return RawPlot(header.title, header.name, vectors)


def _parse_header(text: str) -> _Header:
    before, mark, after = text.partition("\nVariables:")
    if not mark:
        raise SimulatorBadOutput("raw header has no Variables: line")
    fields: dict[str, str] = {}
    for line in before.splitlines():
        if field := _FIELD.fullmatch(line):
            fields.setdefault(field[1], field[2].strip())
        elif not _PRINTED.fullmatch(line):
            raise SimulatorBadOutput(f"raw header has a foreign line {line[:60]!r}")
    if fields.get("Flags", "").split()[:1] != ["real"]:
        raise SimulatorBadOutput(f"raw header must have Flags: real, got {fields.get('Flags', 'none')[:60]!r}")
    count, points = _count(fields, "No. Variables"), _count(fields, "No. Points")
    names = _variable_names(after)
    if len(names) != count or count == 0:
        raise SimulatorBadOutput(f"raw header announces {count} variables and lists {len(names)}")
    if len(set(names)) < len(names):
        raise SimulatorBadOutput("raw header lists a variable twice")
    return _Header(fields["Title"], fields.get("Plotname", ""), names, points)


def _count(fields: dict[str, str], key: str) -> int:
    text = fields.get(key, "")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise SimulatorBadOutput(f"raw header must have {key}: with a whole number, got {text[:60]!r}")
    return int(text)


def _variable_names(text: str) -> tuple[str, ...]:
    names: list[str] = []
    for line in text.splitlines():
        variable = _VARIABLE.fullmatch(line)
        if variable and int(variable[1]) == len(names):
            names.append(variable[2])
        elif not _PRINTED.fullmatch(line):
            raise SimulatorBadOutput(f"raw header has a foreign line {line[:60]!r} among its variables")
    return tuple(names)


def _binary_values(data: bytes, points: int, variables: int) -> Floats:
    """Return [point, variable]."""
    needed = 8 * points * variables
    if len(data) < needed:
        whole = len(data) // (8 * variables)
        raise SimulatorBadOutput(f"raw file is truncated: {whole} of {points} announced points")
    if len(data) > needed:
        raise SimulatorBadOutput(f"raw file has {len(data) - needed} bytes beyond its {points} announced points")
    return np.frombuffer(data, dtype=np.float64).reshape(points, variables)


def _text_values(data: bytes, points: int, variables: int) -> Floats:
    """Return [point, variable]."""
    numbers = data.split()
    width = variables + 1
    if len(numbers) != points * width:
        raise SimulatorBadOutput(f"raw file holds {len(numbers) // width} of {points} announced points")
    try:
        table = np.array([float(word) for word in numbers]).reshape(points, width)
    except ValueError:
        raise SimulatorBadOutput("raw file has a value that is not a number") from None
    if not np.array_equal(table[:, 0], np.arange(points)):
        raise SimulatorBadOutput("raw file does not count its points 0, 1, 2 …")
    return table[:, 1:]
