"""What a sweep gives back: the run of one neuron or the estimate of one, and those of several conditions."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from neurocircuit.core.result import FolderResult
from neurocircuit.spec.derived import derived_line
from neurocircuit.studies.sweep import rundir
from neurocircuit.tables import TransferTable
from neurocircuit.tables.render import run_rows


class SweepRun(FolderResult):
    """A finished sweep of one neuron: its transfer table, and how it ran (fields of run.json).

    failed: draws by level, row and reason. retries: failed attempts that another one followed.
    interpretations_left_out: those that do not fit this neuron, with the reason.
    """

    kind: ClassVar[str] = "sweep"

    status: str
    request_hash: str
    jobs: int
    scheduler: str | None
    reused_batches: int
    computed_batches: int
    retries: tuple[dict[str, Any], ...]
    failed: tuple[dict[str, Any], ...]
    interpretations_left_out: dict[str, str]
    engines: dict[str, str]
    ngspice: dict[str, Any] | None
    seconds_per_evaluation: dict[str, float]

    @cached_property
    def table(self) -> TransferTable:
        """The transfer table. Raise InputError or FileFormatError where the folder lacks it."""
        return TransferTable.load(self.out / "table.nc")

    @property
    def lost(self) -> dict[str, str]:
        """Chips that cannot be trimmed, and why."""
        return rundir.read_request(self.out).lost

    @property
    def exit_code(self) -> int:
        """3 where draws failed."""
        return 3 if self.failed else 0

    def beside_record(self) -> dict[str, Any]:
        """Return the rows of the table, and the files."""
        rows = [{"half": half, "level": level, "row": value, **row} for half, level, value, row in run_rows(self.table)]
        return super().beside_record() | {"rows": rows}

    def summary(self) -> str:
        """Return the table, batches and time, and what is missing."""
        batches = self.reused_batches + self.computed_batches
        wall_s = self.run.wall_s if self.run is not None else None
        time = "" if wall_s is None else f"; {wall_s:.1f} s"
        request = rundir.read_request(self.out)
        lines = [
            self.table.to_text() + "\n",
            f"neuron {request.spec.name}: {derived_line(request.spec)}",
            f"{batches} batches, {self.reused_batches} of them from the ledger{time}",
            f"table:  {self.out / 'table.csv'}",
        ]
        if self.report is not None:
            lines.append(f"report: {self.report}")
        lines += [f"{name} cannot be trimmed and is left out: {why}" for name, why in request.lost.items()]
        failed = sum(len(group["trials"]) for group in self.failed)
        if failed:
            lines.append(f"{failed} evaluations failed; reasons in {self.out / rundir.RUN}")
        return "\n".join(lines)


@dataclass(frozen=True)
class SweepEstimate:
    """How much a sweep has to do: evaluations by level, seconds of each and where that is known from, all seconds."""

    numbers: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers."""
        return self.numbers

    def __str__(self) -> str:
        lines = []
        for level, numbers in self.numbers["levels"].items():
            stored = numbers["evaluations"] - numbers["to_compute"]
            each = f"{1e6 * numbers['seconds_per_evaluation']:.3g} µs each, from {numbers['source']}"
            lines.append(f"{level:9} {numbers['evaluations']:9} evaluations, {stored} of them stored; {each}")
        total_s, jobs = self.numbers["estimate_s"], self.numbers["jobs"]
        lines.append(f"about {total_s:.1f} s with {jobs} jobs, and some seconds to start and report")
        return "\n".join(lines)


@dataclass(frozen=True)
class Sweeps:
    """One run, or estimate, for each condition of a process; one without a process."""

    runs: tuple[SweepRun | SweepEstimate, ...]

    @property
    def exit_code(self) -> int:
        """3 where draws failed."""
        return max((run.exit_code for run in self.runs if isinstance(run, SweepRun)), default=0)

    def save(self, out: Path | str) -> Path:
        """Return the folder: the files of a sweep are written while it runs."""
        return Path(out)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers of the run, of several conditions a list."""
        numbers = [
            run.to_dict() | run.beside_record() if isinstance(run, SweepRun) else run.to_dict() for run in self.runs
        ]
        return numbers[0] if len(numbers) == 1 else {"runs": numbers}

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.runs))
