"""The log of a training run."""

import csv
from dataclasses import dataclass
from pathlib import Path

from neurocircuit.errors import FileFormatError, InputError


@dataclass(frozen=True)
class Epoch:
    """One line of log.csv; accuracies and shares are fractions, None: not measured."""

    epoch: int
    step: int
    lr: float
    loss: float
    train_accuracy: float
    held_out_accuracy: float | None
    fraction_spiked: float
    seconds: float


def read_log(path: Path) -> list[Epoch]:
    """Return the epochs of a run; none where there is no file. Raise FileFormatError naming a damaged one."""
    if not path.exists():
        return []
    try:
        lines = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        return [
            Epoch(
                int(line["epoch"]),
                int(line["step"]),
                float(line["lr"]),
                float(line["loss"]),
                float(line["train_accuracy"]),
                float(line["held_out_accuracy"]) if line["held_out_accuracy"] else None,
                float(line["fraction_spiked"]),
                float(line["seconds"]),
            )
            for line in lines
        ]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path} is not the log of a training run: {error!r}") from None
