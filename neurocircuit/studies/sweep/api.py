"""The sweep as one call: from spec, rows and draws to a transfer table, with or without files."""

import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from neurocircuit.core.pool import Progress, WorkerLost, default_jobs, silent
from neurocircuit.core.result import FolderResult
from neurocircuit.errors import InputError
from neurocircuit.process.conditions import neuron_at
from neurocircuit.process.monte_carlo import chips as trimmed_chips
from neurocircuit.process.monte_carlo import drawn
from neurocircuit.process.request import conditions as combined
from neurocircuit.process.request import slug
from neurocircuit.spec import Condition, NeuronSpec, SweepSpec, Testbench
from neurocircuit.spice.process import default_neuron, load, models_of
from neurocircuit.studies.sweep import estimate as estimates
from neurocircuit.studies.sweep import ledger as ledgers
from neurocircuit.studies.sweep import library, rundir
from neurocircuit.studies.sweep.plan import SweepRequest
from neurocircuit.studies.sweep.run import Outcome, Settings, run_sweep
from neurocircuit.tables import TransferTable
from neurocircuit.tables.render import run_rows

DEFAULT_TESTBENCH = "paper"
DEFAULT_CROSS_CHECK = "bsource"
TRANSISTOR = "transistor"  # the level, and the testbench that is its default


@dataclass(frozen=True)
class SweepOptions:
    """What determines the result of a sweep; None: not given, so that a run to resume or the default has it.

    chips, lost: of `mc`: trimmed chips, and why others cannot be.
    """

    spec: NeuronSpec | None = None
    testbench: Testbench | str | None = None
    jitter: tuple[float, ...] | None = None
    bits: tuple[int, ...] | None = None
    level: str | None = None
    cross_check: str | None = None
    trials: int | None = None
    cross_trials: int | None = None
    seed: int | None = None
    chips: tuple[NeuronSpec, ...] = ()
    lost: dict[str, str] = field(default_factory=dict)


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
        lines = [
            self.table.to_text() + "\n",
            f"{batches} batches, {self.reused_batches} of them from the ledger{time}",
            f"table:  {self.out / 'table.csv'}",
        ]
        if self.report is not None:
            lines.append(f"report: {self.report}")
        lines += [f"{name} cannot be trimmed and is left out: {why}" for name, why in self.lost.items()]
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


def sweep(
    spec: NeuronSpec | None = None,
    *,
    jitter: Sequence[float] | None = None,
    bits: Sequence[int] | None = None,
    level: str | None = None,
    testbench: Testbench | str | None = None,
    cross_check: str | None = None,
    trials: int | None = None,
    cross_trials: int | None = None,
    seed: int | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> TransferTable:
    """Return the transfer table of a neuron: output jitter over input jitter and over bits of the weights (Table 3).

    spec: default the embedded circuit; at level transistor generic65 as characterised. jitter: amplitudes relative to
    each input time (default 0.01, 0.03 … 0.09), bits: of the weight bank (default 4, 8, 16, 24, 32; none at level
    transistor); () leaves a half out. level: default that of the testbench (edge), a `Testbench` or the name or file of
    one (default "paper"). cross_check: a second level for a few draws (default bsource), or "none"; ideal and averaged
    always run. trials, cross_trials: draws of each row. seed (1): root of all draws. Nothing is written; the command
    `neurocircuit sweep`, which calls `sweep_runs`, keeps a folder of files, resumes it, and reuses finished batches.

    Raise InputError naming what a level cannot do, SimulatorMissing without ngspice where a level needs it.

    >>> table = sweep(jitter=[0.01, 0.05], bits=(), trials=20, cross_check="none")
    >>> table.levels
    ('edge', 'ideal', 'averaged')
    """
    with tempfile.TemporaryDirectory(prefix="neurocircuit-sweep-") as folder:
        runs = sweep_runs(
            spec,
            jitter=jitter,
            bits=bits,
            level=level,
            testbench=testbench,
            cross_check=cross_check,
            trials=trials,
            cross_trials=cross_trials,
            seed=seed,
            jobs=jobs,
            scheduler=scheduler,
            progress=progress,
            out=Path(folder) / "run",
            ledger=Path(folder) / "ledger",
            report=False,
        )
        (run,) = runs.runs
        assert isinstance(run, SweepRun)  # noqa: S101
        return run.table


def sweep_runs(
    spec: NeuronSpec | None = None,
    *,
    jitter: Sequence[float] | None = None,
    bits: Sequence[int] | None = None,
    level: str | None = None,
    testbench: Testbench | str | None = None,
    cross_check: str | None = None,
    trials: int | None = None,
    cross_trials: int | None = None,
    seed: int | None = None,
    process: str | None = None,
    corner: Sequence[str] | None = None,
    temp: Sequence[float] | None = None,
    vdd: Sequence[float] | None = None,
    mc: int | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    ledger: Path | str | None = None,
    dry_run: bool = False,
    report: bool = True,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Sweeps:
    """Run sweeps into folders, one for each condition of a process; the other arguments are those of `sweep`.

    process: trim and fit its neuron first, at each corner, temperature (degC) and supply over the nominal one. mc:
    chips with mismatch; draws take those that trim in turn. out: default reports/sweep-HASH. resume: continue the run
    in `out`. ledger: folder of finished batches; default that of the user. dry_run: only estimate.

    Raise InputError where the arguments do not go together.
    """
    path = None if out is None else Path(out)
    circuit_is_asked = any(value is not None for value in (process, corner, temp, vdd, mc))
    if resume and circuit_is_asked:
        raise InputError("--resume takes process, condition and chips from the run: do not give them again")
    if process is not None and spec is not None:
        raise InputError("--process and --spec must not stand together: the process gives its own neuron")
    if process is None and any(value is not None for value in (corner, temp, vdd)):
        raise InputError("--corner, --temp and --vdd need --process")
    options = SweepOptions(
        spec,
        testbench,
        None if jitter is None else tuple(jitter),
        None if bits is None else tuple(bits),
        level,
        cross_check,
        trials,
        cross_trials,
        seed,
    )
    ledger_path = ledgers.default_path() if ledger is None else Path(ledger)
    runs: list[SweepRun | SweepEstimate] = []
    for neuron, folder in _neurons(process, corner, temp, vdd, path):
        run_options = options if neuron is None else replace(options, spec=neuron)
        request, where = _checked_request(run_options, folder, resume)
        if mc is not None:  # the rest is known to be right: a trim takes minutes
            chips, lost = _chips(request, mc, dry_run, progress)
            request, where = _checked_request(replace(run_options, chips=chips, lost=lost), folder, resume)
        ledgers.check(ledger_path)
        if dry_run:
            runs.append(SweepEstimate(estimates.estimate(request, ledger_path, jobs or default_jobs())))
            continue
        resume_command = _resume_command(where, ledger, scheduler, report)
        settings = Settings(where, ledger_path, jobs or default_jobs(), scheduler)
        outcome = _run(request, settings, resume_command, progress)
        runs.append(SweepRun.of(outcome.record, where, _report(where) if report else None))
    return Sweeps(tuple(runs))


def build_request(options: SweepOptions, base: SweepRequest | None) -> SweepRequest:
    """Return the request from what was given; the rest from `base` (a run to resume), else the defaults."""
    testbench, rows = _testbench(options, base), _rows(options, base)
    spec = options.spec or (default_neuron(testbench.level) if base is None else base.spec)
    if base is not None and options.cross_check is None:
        return SweepRequest(spec, testbench, rows, base.levels, base.chips, base.lost)
    cross_check = options.cross_check
    if cross_check is None and testbench.level not in (DEFAULT_CROSS_CHECK, TRANSISTOR):
        cross_check = DEFAULT_CROSS_CHECK
    if cross_check == testbench.level:
        raise InputError(f"--cross-check must differ from the level of the sweep, got {cross_check}")
    chips, lost = (options.chips, options.lost) if base is None else (base.chips, base.lost)
    return SweepRequest.build(spec, testbench, rows, None if cross_check == "none" else cross_check, chips, lost)


def _testbench(options: SweepOptions, base: SweepRequest | None) -> Testbench:
    changes = {"level": options.level, "trials": options.trials, "cross_check_trials": options.cross_trials}
    if base is None:
        default_testbench = TRANSISTOR if options.level == TRANSISTOR else DEFAULT_TESTBENCH
        testbench = library.load_testbench(options.testbench or default_testbench)
    elif options.testbench is None:
        testbench = base.testbench
    else:
        testbench = library.load_testbench(options.testbench)
        changes = {name: getattr(base.testbench, name) if new is None else new for name, new in changes.items()}
    changes = {name: value for name, value in changes.items() if value is not None}
    return testbench.replace(**changes) if changes else testbench


def _rows(options: SweepOptions, base: SweepRequest | None) -> SweepSpec:
    # The rows of Table 3 need more bits than a circuit has: without transistors they all run, with them none by itself.
    default_rows = SweepSpec(bits=()) if _testbench(options, base).level == TRANSISTOR else SweepSpec()
    old = default_rows if base is None else base.sweep
    return SweepSpec(
        jitter=old.jitter if options.jitter is None else options.jitter,
        bits=old.bits if options.bits is None else options.bits,
        seed=old.seed if options.seed is None else options.seed,
    )


def _neurons(
    process: str | None,
    corner: Sequence[str] | None,
    temp: Sequence[float] | None,
    vdd: Sequence[float] | None,
    out: Path | None,
) -> Iterator[tuple[NeuronSpec | None, Path | None]]:
    """The trimmed and fitted neuron of each condition with its folder; without a process None.

    Raise InputError for an unknown process or corner, and for several conditions without a folder.
    """
    if process is None:
        yield None, out
        return
    described = load(process).process
    corners = tuple(corner or (described.nominal_corner,))
    for name in corners:
        models_of(described, name)
    temperatures, supplies = tuple(temp or (27.0,)), tuple(vdd or (1.0,))
    conditions: list[Condition] = list(combined(corners, temperatures, supplies, described.supply_V))
    if len(conditions) > 1 and out is None:
        raise InputError("several conditions must come with --out: each gets a folder below it")
    for condition in conditions:
        folder = out / slug(condition) if out is not None and len(conditions) > 1 else out
        yield neuron_at(process, condition), folder


def _chips(
    request: SweepRequest, count: int, dry_run: bool, progress: Progress
) -> tuple[tuple[NeuronSpec, ...], dict[str, str]]:
    """The chips that can be trimmed, or all untrimmed for an estimate; and why not, by name, told too."""
    if dry_run:
        return drawn(request.spec, count, request.sweep.seed), {}
    chips = trimmed_chips(request.spec, count, request.sweep.seed, len(request.testbench.weights))
    for number, (name, reason) in enumerate(chips.lost.items(), 1):
        progress(number, count, f"{name} cannot be trimmed and is left out: {reason}")
    return chips.trimmed, chips.lost


def _checked_request(options: SweepOptions, out: Path | None, resume: bool) -> tuple[SweepRequest, Path]:
    if not resume:
        request = build_request(options, None)
        out = out or Path("reports") / f"sweep-{request.sha256[:8]}"
        rundir.check_free(out, request)
        return request, out
    if out is None:
        raise InputError("--resume must come with --out, the directory of the run, got none")
    base = rundir.read_request(out)
    request = build_request(options, base)
    difference = rundir.first_difference(base.to_dict(), request.to_dict())
    if difference is not None:
        raise InputError(f"--resume must ask for what {out} was begun with, but there {difference}")
    return base, out


def _run(request: SweepRequest, settings: Settings, resume_command: str, progress: Progress) -> Outcome:
    """Run a sweep; an error that leaves finished batches behind says how to go on."""
    try:
        return run_sweep(request, settings, progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; {_how_to_go_on(settings.out, resume_command)}") from None
    except WorkerLost as error:
        raise WorkerLost(f"{error}; {_how_to_go_on(settings.out, resume_command)}") from None


def _how_to_go_on(out: Path, resume_command: str) -> str:
    if not (out / rundir.REQUEST).exists():
        return "nothing was begun yet"
    return f"finished batches are kept; go on with: {resume_command}"


def _resume_command(out: Path, ledger: Path | str | None, scheduler: str | None, report: bool) -> str:
    arguments = ["neurocircuit", "sweep", "--resume", "--out", str(out)]
    arguments += ["--ledger", str(ledger)] if ledger else []
    arguments += ["--scheduler", scheduler] if scheduler else []
    arguments += [] if report else ["--no-report"]
    return shlex.join(arguments)


def _report(out: Path) -> Path:
    from neurocircuit.rendering import write_report  # jinja2 and matplotlib take a while to import

    return write_report(out)
