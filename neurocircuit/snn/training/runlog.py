"""What a training run leaves beside weights: one line an epoch in log.csv, its identity in run.json."""

import csv
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from neurocircuit.core.files import write_atomically
from neurocircuit.errors import FileFormatError

LOG, RUN = "log.csv", "run.json"


@dataclass(frozen=True)
class LogRow:
    """One epoch. Accuracies are fractions; an empty field was not measured."""

    epoch: int
    step: int
    lr: float
    loss: float
    train_accuracy: float  # running, of the augmented images as they were trained on
    held_out_accuracy: float | None
    fraction_spiked: float  # of all neurons, last batch
    largest_gradient: float  # of |G| over layers, mean over the epoch
    seconds: float


@dataclass
class Totals:
    """Sums over the steps of one epoch, of this process's share of the images."""

    steps: int = 0
    images: int = 0
    loss: float = 0.0
    right: int = 0
    largest_gradient: float = 0.0
    seconds: float = 0.0


def append_row(directory: Path, row: LogRow) -> None:
    """Add a line to log.csv."""
    write_rows(directory, [*read_rows(directory), {name: _text(value) for name, value in asdict(row).items()}])


def keep_rows_until(directory: Path, epoch: int) -> None:
    """Drop the lines of epochs that a resumed run trains again."""
    write_rows(directory, [row for row in read_rows(directory) if int(row["epoch"]) <= epoch])


def read_rows(directory: Path) -> list[dict[str, str]]:
    """The lines of log.csv as text; none when there is no file. Raises FileFormatError for other columns."""
    path = directory / LOG
    if not path.exists():
        return []
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    names = [field.name for field in fields(LogRow)]
    if any(list(row) != names or not str(row["epoch"]).isdigit() for row in rows):
        raise FileFormatError(f"{path} must have the columns {', '.join(names)}")
    return rows


def write_rows(directory: Path, rows: list[dict[str, str]]) -> None:
    """Replace log.csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(LogRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(directory / LOG, text.getvalue())


def write_run(directory: Path, record: dict[str, Any]) -> None:
    """Replace run.json."""
    write_atomically(
        directory / RUN, json.dumps({"kind": "training", "schema": 1} | record, indent=1, allow_nan=False) + "\n"
    )


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
