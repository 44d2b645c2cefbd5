"""What a training run leaves beside weights: one line an epoch in log.csv, its identity in run.json."""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import PrivateAttr

from neurocircuit.core.files import write_atomically
from neurocircuit.core.result import FolderResult
from neurocircuit.errors import FileFormatError
from neurocircuit.noise.model import LARGEST_OUTSIDE
from neurocircuit.results.evaluation import HeldOut

if TYPE_CHECKING:
    from neurocircuit.snn.model import Model
    from neurocircuit.snn.training.recalibrate import Recalibrated

LOG, FINAL = "log.csv", "weights.pt"


class Trained(FolderResult):
    """A training run: its network, what determines it, and what it reached.

    recipe: as in its file. data_canonical: whether the files are the published ones; None: of a set without.
    data_summary: what was read. resumed: what differs from how an interrupted run began. held_out: the
    trained weights on the held-out images, without noise. leads: False in a process that another one leads.
    """

    kind: ClassVar[str] = "training"

    recipe: dict[str, Any]
    recipe_sha256: str
    noise_sha256: str | None = None
    initial_sha256: str | None = None
    data_sha256: dict[str, str]
    data_summary: str = ""
    data_canonical: bool | None
    threads: int
    processes: int
    device: str
    images: int
    held_out_images: int
    weights: int
    steps: int
    resumed: tuple[dict[str, Any], ...] = ()
    cpu_capability: str
    finished: bool | None = None
    layer: str | None = None
    steps_done: int | None = None
    held_out_accuracy: float | None = None
    held_out: HeldOut | None = None
    share_outside_noise_table: float | None = None
    _leads: bool = PrivateAttr(True)
    _recalibrated: "Recalibrated | None" = PrivateAttr(None)

    @property
    def leads(self) -> bool:
        """Whether this process leads the run."""
        return self._leads

    @property
    def checkpoint(self) -> Path:
        """The file of the trained weights."""
        return self.out / FINAL

    @property
    def model(self) -> "Model":
        """The trained network."""
        from neurocircuit.snn.model import load  # torch: the record is read without

        return load(self.checkpoint)

    def with_recalibrated(self, recalibrated: "Recalibrated") -> Self:
        """Return this run with mapping and noise table of its weights."""
        result = self.model_copy()
        result._recalibrated = recalibrated
        return result

    def beside_record(self) -> dict[str, Any]:
        """Return the files, and what the recalibration gave."""
        again = self._recalibrated
        files = {"out": str(self.out), "checkpoint": str(self.checkpoint)}
        if again is None:
            return files
        return files | {
            "network": str(again.network),
            "table": str(again.table),
            "lead_rad_and_before": again.lead_rad_and_before,
            "limits_met": again.limits_met,
        }

    def summary(self) -> str:
        """Return steps, held-out accuracy and files; nothing in a process that another one leads."""
        if not self.leads:
            return ""
        reached, outside = self.held_out_accuracy, self.share_outside_noise_table
        chosen = "" if reached is None else f"; {reached:.2%} of {self.held_out_images} held-out images right"
        steps = self.steps if self.steps_done is None else self.steps_done
        lines = [f"trained {steps} steps{chosen}: {self.checkpoint}"]
        if self.finished is False:
            lines.append("not finished: go on with --resume")
        if self.resumed:
            changes = (f"{name} {was[0]} -> {was[1]}" for name, was in self.resumed[-1].items() if name != "step")
            lines.append(f"resumed with {', '.join(changes)}: the weights can differ in their last bits")
        if outside is not None and outside > LARGEST_OUTSIDE:
            lines.append(f"{outside:.2%} of the neurons lay beyond the noise table: recalibrate before you believe it")
        if self._recalibrated is not None:
            leads = ", ".join(f"{now:g} (before {old:g})" for now, old in self._recalibrated.lead_rad_and_before)
            lines.append(f"mapped again, leads {leads} rad: {self._recalibrated.network}")
            lines.append(f"noise table: {self._recalibrated.table}")
        return "\n".join(lines)


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
    """Return the lines of log.csv as text; none when there is no file. Raises FileFormatError for other columns."""
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


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
