"""The sweep as one call: from spec, rows and draws to a transfer table, or to a folder of files for each condition."""

import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurocircuit.core.pool import Progress, WorkerLost, default_jobs, silent
from neurocircuit.errors import InputError
from neurocircuit.process.conditions import neuron_at
from neurocircuit.process.monte_carlo import chips as trimmed_chips
from neurocircuit.process.monte_carlo import drawn
from neurocircuit.process.request import conditions as combined
from neurocircuit.process.request import slug
from neurocircuit.spec import Condition, NeuronSpec, Testbench, Uniform
from neurocircuit.spice.process import load, models_of
from neurocircuit.studies.sweep import estimate as estimates
from neurocircuit.studies.sweep import ledger as ledgers
from neurocircuit.studies.sweep import rundir
from neurocircuit.studies.sweep.options import SweepOptions, build_request
from neurocircuit.studies.sweep.plan import SweepRequest
from neurocircuit.studies.sweep.result import SweepEstimate, SweepRun, Sweeps
from neurocircuit.studies.sweep.run import Outcome, Settings, run_sweep
from neurocircuit.tables import TransferTable


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

    Args:
        spec: default the embedded circuit; at level transistor generic65 as characterised.
        jitter: amplitudes relative to each input time (default 0.01, 0.03 … 0.09); () leaves this half out.
        bits: of the weight bank (default 4, 8, 16, 24, 32; none at level transistor); () leaves this half out.
        level: of the neuron; default that of the testbench.
        testbench: a `Testbench`, or the name or file of one; default "paper", at level transistor "transistor".
        cross_check: a second level for a few draws (default bsource), or "none"; ideal and averaged always run.
        trials: draws of each row; default the testbench's, and 12 where `level` sets transistor.
        cross_trials: draws of each row at the cross-check, in transistors of those repeated at half the time step;
            default the testbench's, and 3 in transistors.
        seed: seed of all draws; default 1.
        jobs: processes; changes no number.
        scheduler: "local" or the address of a Dask scheduler, to run there.
        progress: hears how far it is, and of a minute and more first how long it takes.

    Nothing is written; the command `neurocircuit sweep` keeps a folder of files, resumes it, and reuses finished
    batches.

    Raise InputError naming what a level cannot do, SimulatorMissing without ngspice where a level needs it.

    >>> table = sweep(jitter=[0.01, 0.05], bits=(), trials=20, cross_check="none")
    >>> table.levels
    ('edge', 'ideal', 'averaged')
    """
    options = SweepOptions(spec, testbench, jitter, bits, level, cross_check, trials, cross_trials, seed)
    with tempfile.TemporaryDirectory(prefix="neurocircuit-sweep-") as folder:
        settings = Settings(Path(folder) / "run", Path(folder) / "ledger", jobs, scheduler)
        return run_sweep(build_request(options), settings, progress).table


def sweep_runs(
    *,
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
    **options: Any,
) -> Sweeps:
    """Run sweeps into folders, one for each condition of a process; `options` are those of `SweepOptions`.

    process: trim and fit its neuron first, at each corner, temperature (degC) and supply over the nominal one. mc:
    chips with mismatch; draws take those that trim in turn. out: default reports/sweep-HASH. resume: continue the run
    in `out`. ledger: folder of finished batches; default that of the user. dry_run: only estimate.

    Raise InputError where the arguments do not go together.
    """
    chosen = SweepOptions(**options)
    circuit_is_chosen = any(value is not None for value in (process, corner, temp, vdd, mc))
    if resume and circuit_is_chosen:
        raise InputError("--resume takes process, condition and chips from the run: do not give them again")
    if process is not None and chosen.spec is not None:
        raise InputError("--process and --spec must not stand together: the process gives its own neuron")
    if process is None and any(value is not None for value in (corner, temp, vdd)):
        raise InputError("--corner, --temp and --vdd need --process")
    ledger_path = ledgers.default_path() if ledger is None else Path(ledger)
    jobs = jobs or default_jobs()
    runs: list[SweepRun | SweepEstimate] = []
    for neuron, folder in _neurons(process, corner, temp, vdd, None if out is None else Path(out)):
        condition_options = chosen if neuron is None else replace(chosen, spec=neuron)
        request, where = _checked_request(condition_options, folder, resume)
        if mc is not None:  # what else was asked for is known to be right: a trim takes minutes
            chips, lost = _chips(request, mc, dry_run, progress)
            request, where = _checked_request(replace(condition_options, chips=chips, lost=lost), folder, resume)
        ledgers.check(ledger_path)
        if dry_run:
            runs.append(SweepEstimate(estimates.estimate(request, ledger_path, jobs)))
            continue
        resume_command = _resume_command(where, ledger, scheduler, report)
        outcome = _run(request, Settings(where, ledger_path, jobs, scheduler), resume_command, progress)
        runs.append(SweepRun.of(outcome.record, where, _report(where) if report else None))
    return Sweeps(tuple(runs))


def _neurons(
    process: str | None,
    corner: Sequence[str] | None,
    temp: Sequence[float] | None,
    vdd: Sequence[float] | None,
    out: Path | None,
) -> Iterator[tuple[NeuronSpec | None, Path | None]]:
    """Yield the trimmed and fitted neuron of each condition with its folder; without a process None.

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
    """Return the chips that can be trimmed, or all untrimmed for an estimate; and why not, by name, told too."""
    if dry_run:
        return drawn(request.spec, count, request.sweep.seed), {}
    weights = [
        (weight.low + weight.high) / 2 if isinstance(weight, Uniform) else weight
        for weight in request.testbench.weights
    ]
    chips = trimmed_chips(request.spec, count, request.sweep.seed, weights)
    for number, (name, reason) in enumerate(chips.lost.items(), 1):
        progress(number, count, f"{name} cannot be trimmed and is left out: {reason}")
    return chips.trimmed, chips.lost


def _checked_request(options: SweepOptions, out: Path | None, resume: bool) -> tuple[SweepRequest, Path]:
    if not resume:
        request = build_request(options)
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
