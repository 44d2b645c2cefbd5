"""A whole sweep: from a request to the files of its run directory."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurocircuit.core.files import make_directory, write_atomically
from neurocircuit.core.netcdf import dataset_bytes
from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.taskstore import Task, run_tasks
from neurocircuit.neuron import levels
from neurocircuit.spice import deck, ngspice
from neurocircuit.studies.sweep import assemble, control, interpretations, rundir
from neurocircuit.studies.sweep.identity import Environment
from neurocircuit.studies.sweep.ledger import name_of, store_at
from neurocircuit.studies.sweep.plan import COSTLY_LEVEL, Batch, SweepRequest
from neurocircuit.studies.sweep.worker import BatchResult, prepare, task_of
from neurocircuit.tables import TransferTable, transistor_rows

_TOLD_FROM_s = 60.0  # a sweep that takes so long says first how much it has to do
_PRELOAD = ("neurocircuit.studies.sweep.worker", *levels.MODULES.values())


@dataclass
class Work:
    """All batches of a sweep and its interpretations by key, and what became of them."""

    batches: dict[str, Batch]
    interpretation: dict[
        str, str
    ]  # for the batches that the table itself does not need: which interpretation asks for them
    results: dict[str, BatchResult] = field(default_factory=dict)
    reused: frozenset[str] = frozenset()

    @classmethod
    def plan(cls, main: SweepRequest, variants: Mapping[str, SweepRequest], environment: Environment) -> "Work":
        """Return the batches of the sweep and of its interpretations, each once."""
        work = cls({batch.key(environment): batch for batch in main.batches()}, {})
        for name, variant in variants.items():
            for batch in variant.batches():
                key = batch.key(environment)
                if key not in work.batches:
                    work.batches[key], work.interpretation[key] = batch, name
        return work

    @property
    def tasks(self) -> list[Task]:
        """The batches as tasks of the ledger, the long ones first, so that no slot is left with one at the end."""
        longest_first = sorted(self.batches.items(), key=lambda item: -item[1].cost)
        return [task_of(key, batch) for key, batch in longest_first]

    def in_words(self, progress: Progress) -> Progress:
        """Return a progress that hears level and row of a batch in place of its name."""
        words = {name_of(key): batch.in_words for key, batch in self.batches.items()}

        def in_words(done: float, total: float, label: str = "") -> None:
            progress(done, total, words.get(label, label))

        return in_words

    def take(self, values: Mapping[str, dict[str, Any]]) -> None:
        """Take what tasks returned, by their names."""
        for key in self.batches:
            if (value := values.get(name_of(key))) is not None:
                self.results[key] = BatchResult.from_dict(value)

    @property
    def retries(self) -> list[dict[str, Any]]:
        """Failed attempts that another one followed, of what was computed now."""
        return [
            {"level": batch.level, "row": batch.row.name, "trial": trial, "attempt": attempt, "reason": reason}
            for key, batch in self.batches.items()
            if key not in self.reused
            for trial, attempt, reason in self.results[key].retries
        ]

    @property
    def seconds_per_evaluation(self) -> dict[str, float]:
        """Mean time of an evaluation by level, of the attempts that gave these results; SPICE levels only."""
        spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for key, batch in self.batches.items():
            if batch.level in levels.SPICE_LEVELS:
                spent[batch.level][0] += self.results[key].duration_s
                spent[batch.level][1] += batch.count
        return {level: round(seconds / count, 4) for level, (seconds, count) in spent.items()}

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Failed draws by level, row, reason, and interpretation where the table itself does not hold them."""
        groups: dict[tuple[str, str, str, str | None], set[int]] = defaultdict(set)
        for key, batch in self.batches.items():
            for trial, reason in self.results[key].failures.items():
                groups[batch.level, batch.row.name, reason, self.interpretation.get(key)].add(trial)
        return [
            {"level": level, "row": row, "trials": sorted(trials), "reason": reason}
            | ({"interpretation": interpretation} if interpretation else {})
            for (level, row, reason, interpretation), trials in groups.items()
        ]


@dataclass(frozen=True)
class Settings:
    """How a sweep runs, which does not change its result."""

    out: Path
    ledger: Path
    jobs: int
    scheduler: str | None = None


@dataclass(frozen=True)
class Outcome:
    """A finished sweep: its table and its run record."""

    table: TransferTable
    record: dict[str, Any]


def run_sweep(request: SweepRequest, settings: Settings, progress: Progress = silent) -> Outcome:
    """Evaluate what the ledger lacks and write the data files of the run, run.json last.

    The caller has checked `settings.out` (rundir.check_free). Raise InputError for an unusable ledger or scheduler,
    SimulatorMissing, WorkerLost; finished batches then stay in the ledger. A failed draw raises nothing: it is
    recorded, and the record's exit_code is 3.
    """
    clock = RunClock()
    environment = Environment.here(tuple(dict.fromkeys([*request.levels, interpretations.LEVEL, "ideal"])))
    variants, left_out = interpretations.requests(request)
    work = Work.plan(request, variants, environment)
    _compute(work, settings, request, progress)
    table, failed = _write_data(request, variants, work, environment, settings.out)
    failed += work.failed
    record = {
        "kind": "sweep",
        "schema": 1,
        "run": clock.record().model_dump(),
        "status": "partial" if failed else "complete",
        "exit_code": 3 if failed else 0,
        "request_hash": request.sha256,
        "jobs": settings.jobs,
        "scheduler": settings.scheduler,
        "reused_batches": len(work.reused),
        "computed_batches": len(work.batches) - len(work.reused),
        "retries": work.retries,
        "failed": failed,
        "interpretations_left_out": left_out,
        "engines": environment.engines,
        "ngspice": _ngspice() if "bsource" in request.levels else None,
        "seconds_per_evaluation": work.seconds_per_evaluation,
    }
    rundir.finish(settings.out, record)
    return Outcome(table, record)


def _compute(work: Work, settings: Settings, request: SweepRequest, progress: Progress) -> None:
    """Run the missing batches; nothing is written before all that the user gave has proved usable."""
    store, tasks = store_at(settings.ledger), work.tasks
    work.take(store.finished(tasks))
    work.reused = frozenset(work.results)
    missing = [batch for key, batch in work.batches.items() if key not in work.results]
    if not missing:
        rundir.begin(settings.out, request)
        return
    with open_pool(min(settings.jobs, len(missing)), settings.scheduler, _PRELOAD) as pool:
        # Each level with each neuron, by a disturbed draw, which has all that it may refuse: it refuses here.
        disturbed_last = sorted(missing, key=lambda batch: batch.row.is_disturbed)
        for _ in pool.run(prepare, {(batch.level, batch.spec): batch for batch in disturbed_last}.values()):
            pass
        rundir.begin(settings.out, request)
        make_directory(settings.ledger)
        cost_s = sum(batch.cost for batch in missing)
        if cost_s / pool.slots >= _TOLD_FROM_s:
            progress(0.0, cost_s, f"{_sizes(request, missing)}: about {cost_s / pool.slots / 60.0:.0f} min")
        work.take(run_tasks(tasks, store, pool, work.in_words(progress), is_final=_is_final))


def _sizes(request: SweepRequest, missing: list[Batch]) -> str:
    """Return in words how many draws each level has, and how many evaluations are to compute."""
    draws = ", ".join(f"{count} draws of each row at level {level}" for level, count in request.levels.items())
    if COSTLY_LEVEL in request.levels:
        refined = min(request.levels[COSTLY_LEVEL], request.testbench.cross_check_trials)
        draws += f", {refined} of them again at half the time step"
    return f"{draws}; {sum(batch.count for batch in missing)} evaluations to compute"


def _is_final(value: dict[str, Any]) -> bool:
    """Return whether a batch is kept: a failure may be the load's fault, so that the next sweep tries again."""
    return not BatchResult.from_dict(value).to_retry


def _ngspice() -> dict[str, Any]:
    """Return the version and options of the ngspice in use; asked already, so this starts no process."""
    return {"version": ngspice.version().number, "options": deck.options()}


def _write_data(
    request: SweepRequest,
    variants: Mapping[str, SweepRequest],
    work: Work,
    environment: Environment,
    out: Path,
) -> tuple[TransferTable, list[dict[str, Any]]]:
    """Write table, draws, sensitivity and waveforms; return the table, and the waveforms that failed."""
    fires = assemble.Fires(request, work.results, environment)
    controlled = control.controlled_rows(fires) if COSTLY_LEVEL in request.levels else []
    table = assemble.transfer_table(fires, environment, controlled)
    table.save(out / "table.nc")
    write_atomically(out / "table.csv", table.to_csv())
    write_atomically(out / "draws.nc", dataset_bytes(assemble.draws_dataset(fires)))
    small = {name: assemble.Fires(variant, work.results, environment) for name, variant in variants.items()}
    write_atomically(out / "sensitivity.csv", assemble.sensitivity_csv(small))
    if controlled:
        write_atomically(out / "transistor.csv", transistor_rows.to_csv(controlled))
    waveforms, failed = assemble.waveforms_dataset(fires)
    write_atomically(out / "waveforms.nc", dataset_bytes(waveforms))
    return table, failed
