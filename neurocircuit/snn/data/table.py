"""Tables of features with a label in each row: CSV, or numpy's npz. A row is an image of one row of pixels."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.snn.data import packed
from neurocircuit.snn.data.images import ImagesInMemory, Indices
from neurocircuit.spec.fields import Ratio, Spec

SUFFIXES = (".csv", ".tsv", ".npz")
_LABELS = ("label", "labels", "class", "target", "y")
_FEATURES = ("x", "features", "data")
_NAMED = 12  # features that a remark names


class Feature(Spec):
    """A column of numbers and its range in training: `low` becomes pixel 0, `high` pixel 1."""

    name: Annotated[str, Field(description="column")]
    low: Annotated[Ratio, Field(description="smallest value in training")]
    high: Annotated[Ratio, Field(description="largest value in training")]


@dataclass(frozen=True)
class Table:
    """Values [row, feature] with the names of their columns, the text of each label, and the file's hash."""

    path: Path
    names: tuple[str, ...]
    values: NDArray[np.float64]
    labels: tuple[str, ...]
    label: str
    sha256: str

    def features(self, rows: Indices) -> tuple[Feature, ...]:
        """Return each column with its range in these rows. Raise SpecError for none."""
        if len(rows) == 0:
            raise SpecError(
                f"data.test_from_training must be < {len(self.labels)} rows, got {len(self.labels)} or more"
            )
        values = self.values[rows]
        ranges = zip(self.names, values.min(axis=0), values.max(axis=0), strict=True)
        return tuple(Feature(name=name, low=float(low), high=float(high)) for name, low, high in ranges)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that there are, numbers in their order, else words in theirs."""
        words = set(self.labels)
        numbers = [_number(word) for word in words]
        return tuple(sorted(words, key=None if None in numbers else lambda word: (float(word), word)))


def read(path: Path, label: str | None = None, ignored: Sequence[str] = ()) -> Table:
    """Return the table of a file.

    Args:
        path: CSV with comma, semicolon or tab, its first line naming the columns or not; or an npz with `x` [row,
            feature] and `y` [row].
        label: column of the labels; default: the one that is called label, class, target or y, else the last one.
        ignored: columns that are no features.

    Raise InputError for an unknown column or an unreadable file, FileFormatError naming row and column of what is no
    number.
    """
    content = packed.read(path)
    name = path.name.removesuffix(".gz").removesuffix(".xz")
    if name.endswith(".npz"):
        columns, rows = _of_npz(path, content)
        label = label or columns[-1]
    else:
        columns, rows = _of_csv(path, content)
        label = label or next((column for column in columns if column.lower() in _LABELS), columns[-1])
    for column in (label, *ignored):
        if column not in columns:
            raise InputError(f"{path} has no column {column}; it has {', '.join(columns)}")
    kept = [k for k, column in enumerate(columns) if column != label and column not in ignored]
    if not kept:
        raise FileFormatError(f"{path} must have a column of numbers beside the labels, got {', '.join(columns)}")
    at = columns.index(label)
    values = np.array([[_value(path, row, columns, k) for k in kept] for row in rows], dtype=float)
    labels = tuple(row.cells[at].strip() for row in rows)
    if "" in labels:
        raise FileFormatError(f"{path}, {rows[labels.index('')].where}: {label} must be a label, got none")
    names = tuple(columns[k] for k in kept)
    return Table(path, names, values, labels, label, packed.sha256(content))


def scaled(table: Table, features: Sequence[Feature], classes: Sequence[str]) -> ImagesInMemory:
    """Return the rows as images [row, 1, 1, feature], each feature on 0 … 1 by its range, labels by their classes.

    Values beyond the range of training become its ends, as inputs of a circuit saturate; a remark counts them. Raise
    InputError for another column or class than training has.
    """
    names = [feature.name for feature in features]
    if set(names) - set(table.names):
        missing = ", ".join(name for name in names if name not in table.names)
        raise InputError(f"{table.path} must have the columns that training had; it lacks {missing}")
    strangers = sorted(set(table.labels) - set(classes))
    if strangers:
        raise InputError(
            f"{table.path}: {table.label} must be one of {', '.join(classes)}, as in training, got {strangers[0]}"
        )
    values = table.values[:, [table.names.index(name) for name in names]]
    low, high = (np.array([getattr(feature, end) for feature in features]) for end in ("low", "high"))
    ratio = (values - low) / np.where(high > low, high - low, 1.0)
    beyond = int(((ratio < 0) | (ratio > 1)).sum())
    numbers = {name: k for k, name in enumerate(classes)}
    return ImagesInMemory(
        np.clip(ratio, 0.0, 1.0).astype(np.float32)[:, None, None, :],
        np.array([numbers[name] for name in table.labels], dtype=np.int64),
        {table.path.name: table.sha256},
        tuple(_remarks(table, features, beyond)),
    )


def _remarks(table: Table, features: Sequence[Feature], beyond: int) -> list[str]:
    shown = ", ".join(f"{one.name} {one.low:g} … {one.high:g}" for one in features[:_NAMED])
    more = f" and {len(features) - _NAMED} more" if len(features) > _NAMED else ""
    remarks = [f"labels: column {table.label}; {len(features)} features: {shown}{more}"]
    constant = [feature.name for feature in features if feature.low == feature.high]
    if constant:
        remarks.append(f"{len(constant)} features have one value in training: {', '.join(constant[:3])}")
    if beyond:
        remarks.append(
            f"{beyond} of {table.values.size} values are beyond the ranges of training, and count as its ends"
        )
    return remarks


@dataclass(frozen=True)
class _Row:
    """Cells of one row, and where it stands."""

    cells: Sequence[str]
    where: str


def _of_csv(path: Path, content: bytes) -> tuple[list[str], list[_Row]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    if not first.count(separator):
        raise FileFormatError(f"{path} must be a table with commas, semicolons or tabs, got the first line {first!r}")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        rows = [_Row(cells, f"line {reader.line_num}") for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise FileFormatError(f"{path}, line {reader.line_num}: {error}") from None
    names = [cell.strip() for cell in rows[0].cells]
    if any(_number(cell) is not None for cell in names):
        names = [f"column {k + 1}" for k in range(len(names))]
    else:
        rows = rows[1:]
    if not rows:
        raise FileFormatError(f"{path} must have rows below the names of its columns, got none")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileFormatError(f"{path} must have columns of different names, got {twice} twice")
    odd = next((row for row in rows if len(row.cells) != len(names)), None)
    if odd is not None:
        raise FileFormatError(f"{path}, {odd.where} must have {len(names)} cells, got {len(odd.cells)}")
    return names, rows


def _of_npz(path: Path, content: bytes) -> tuple[list[str], list[_Row]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged archive may raise anything
        raise FileFormatError(f"{path} must be an npz of numbers: {error}") from None
    x, y = (
        next((value for name, value in arrays.items() if name.lower() in known), None) for known in (_FEATURES, _LABELS)
    )
    if x is None or y is None or x.ndim != 2 or y.shape != x.shape[:1]:
        if any(value.ndim in (3, 4) for value in arrays.values()):
            raise FileFormatError(f"{path} holds images: data.name must be image_arrays, got table")
        arrays_in_words = ", ".join(f"{name} {value.shape}" for name, value in arrays.items()) or "nothing"
        raise FileFormatError(f"{path} must hold x [row, feature] and y [row], got {arrays_in_words}")
    names = [*(f"feature {k + 1}" for k in range(x.shape[1])), "y"]
    rows = [
        _Row((*map(str, cells.tolist()), str(label)), f"row {k + 1}")
        for k, (cells, label) in enumerate(zip(x, y.tolist(), strict=True))
    ]
    return names, rows


def _value(path: Path, row: _Row, columns: Sequence[str], k: int) -> float:
    value = _number(row.cells[k])
    if value is None or not np.isfinite(value):
        raise FileFormatError(
            f"{path}, {row.where}: {columns[k]} must be a number, with a decimal point, got {row.cells[k]!r}; "
            "columns that are no features go into data.ignored"
        )
    return value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
