"""neurocircuit sweep: input jitter and weight bits to output jitter, as in Table 3, with a report."""

import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurocircuit.cli import _circuits
from neurocircuit.cli.common import echo_json, json_option, load_spec, scheduler_option, spec_path_option
from neurocircuit.errors import InputError
from neurocircuit.neuron.levels import LEVELS
from neurocircuit.spec import NeuronSpec, SweepSpec, Testbench
from neurocircuit.studies.sweep import ledger, library, rundir
from neurocircuit.studies.sweep.plan import SweepRequest
from neurocircuit.units import parse_integers, parse_percentages

if TYPE_CHECKING:
    from neurocircuit.studies.sweep.run import Outcome

DEFAULT_TESTBENCH = "paper"
DEFAULT_CROSS_CHECK = "bsource"
TRANSISTOR = "transistor"  # the level, and the testbench that is its default


@dataclass(frozen=True)
class Given:
    """What the user gave of that which determines the result; None: not given.

    neuron, chips, lost: from --process and --mc in place of the file.
    """

    spec: Path | None
    testbench: str | None
    jitter: str | None
    bits: str | None
    level: str | None
    cross_check: str | None
    trials: int | None
    cross_trials: int | None
    seed: int | None
    neuron: NeuronSpec | None = None
    chips: tuple[NeuronSpec, ...] = ()
    lost: dict[str, str] = field(default_factory=dict)


@click.command("sweep")
@click.option("--jitter", help="Input jitter: 1-9% (steps of 2 %), 1-9%:1, 1,3,5%, or none. Default: 1-9%.")
@click.option("--bits", help="Bits of the weight bank: 4,8,16 or none. Default: 4,8,16,24,32.")
@spec_path_option
@click.option("--testbench", help=f"TOML file, or one of {', '.join(library.NAMES)}. Default: {DEFAULT_TESTBENCH}.")
@click.option("--level", type=click.Choice(LEVELS), help="Level of the neuron. Default: the testbench's.")
@click.option(
    "--cross-check",
    type=click.Choice([*LEVELS, "none"]),
    help=f"A second level for a few draws; ideal and averaged always run. Default: {DEFAULT_CROSS_CHECK}.",
)
@click.option("--trials", type=int, help="Draws per row. Default: the testbench's.")
@click.option("--cross-trials", type=int, help="Draws per row of the cross-check. Default: the testbench's.")
@click.option("--seed", type=int, help="Root of all random draws. Default: 1.")
@click.option("--process", help="Trim and fit the neuron of this process first: a name, or a process.toml.")
@click.option("--corner", help="Corners of the process: tt,ss; one directory each. Default: the nominal one.")
@click.option("--temp", help="Temperatures in degC. Default: 27.")
@click.option("--vdd", help="Supplies over the nominal one. Default: 1.")
@click.option("--mc", type=click.IntRange(min=1), help="Chips with mismatch; the draws take those that trim in turn.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes. Default: the processors of this machine.")
@scheduler_option
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the run. Default: reports/sweep-<hash>.")
@click.option("--resume", is_flag=True, help="Continue the run in --out DIR; what is not given comes from there.")
@click.option("--ledger", "ledger_path", type=click.Path(path_type=Path), help="Folder that keeps finished batches.")
@click.option("--dry-run", is_flag=True, help="Only say how much there is to do.")
@click.option("--no-report", is_flag=True, help="Write the data files only.")
@json_option
def command(
    jobs: int | None,
    scheduler: str | None,
    out: Path | None,
    resume: bool,
    ledger_path: Path | None,
    dry_run: bool,
    no_report: bool,
    as_json: bool,
    spec_path: Path | None,
    process: str | None,
    corner: str | None,
    temp: str | None,
    vdd: str | None,
    mc: int | None,
    **given: Any,
) -> None:
    """Sweep input jitter and weight bits; write the transfer table and a report like Table 3.

    Ctrl-C keeps what is finished. Exit code 3: some draws failed, the rest is there.
    """
    asked = _circuits.Asked(process, corner, temp, vdd, mc)
    _circuits.check(asked, spec_path, resume)
    worst = 0
    for neuron, folder in _neurons(asked, out):
        everything = Given(spec=spec_path, **given, neuron=neuron)
        request, where = _checked_request(everything, folder, resume)
        if mc is not None:  # the rest is known to be right: a trim takes minutes
            trimmed, lost = _circuits.chips(request.spec, mc, given["seed"], len(request.testbench.weights), dry_run)
            request, where = _checked_request(replace(everything, chips=trimmed, lost=lost), folder, resume)
        ledger_file = _checked_ledger(ledger_path)
        if dry_run:
            _print_estimate(request, ledger_file, jobs, as_json)
            continue
        how = _resume_command(where, ledger_path, scheduler, no_report)
        outcome = _run(request, where, ledger_file, jobs, scheduler, how)
        _print_outcome(outcome, where, None if no_report else _report(where), as_json)
        worst = max(worst, outcome.record["exit_code"])
    if worst:
        sys.exit(worst)


def _neurons(asked: _circuits.Asked, out: Path | None) -> Iterator[tuple[NeuronSpec | None, Path | None]]:
    """The neuron of each condition of the process with its directory; without a process that of --spec."""
    if asked.process is None:
        yield None, out
        return
    found = _circuits.conditions(asked)
    folders = [out if len(found) == 1 else _circuits.folder(out, condition) for condition in found]
    for condition, folder in zip(found, folders, strict=True):
        yield _circuits.neuron_at(asked, condition), folder


def build_request(given: Given, base: SweepRequest | None) -> SweepRequest:
    """The request from what was given; the rest from `base` (a run to resume), else the defaults."""
    spec = given.neuron or (load_spec(given.spec) if given.spec or base is None else base.spec)
    testbench, sweep = _testbench(given, base), _sweep(given, base)
    if base is not None and given.cross_check is None:
        return SweepRequest(spec, testbench, sweep, base.levels, base.chips, base.lost)
    cross_check = given.cross_check
    if cross_check is None and testbench.level not in (DEFAULT_CROSS_CHECK, TRANSISTOR):
        cross_check = DEFAULT_CROSS_CHECK
    if cross_check == testbench.level:
        raise InputError(f"--cross-check must differ from the level of the sweep, got {cross_check}")
    chips, lost = (given.chips, given.lost) if base is None else (base.chips, base.lost)
    return SweepRequest.build(spec, testbench, sweep, None if cross_check == "none" else cross_check, chips, lost)


def _testbench(given: Given, base: SweepRequest | None) -> Testbench:
    changes = {"level": given.level, "trials": given.trials, "cross_check_trials": given.cross_trials}
    if base is None:
        usual = TRANSISTOR if given.level == TRANSISTOR else DEFAULT_TESTBENCH
        testbench = library.load_testbench(given.testbench or usual)
    elif given.testbench is None:
        testbench = base.testbench
    else:
        testbench = library.load_testbench(given.testbench)
        changes = {name: getattr(base.testbench, name) if new is None else new for name, new in changes.items()}
    changes = {name: value for name, value in changes.items() if value is not None}
    return testbench.replace(**changes) if changes else testbench


def _sweep(given: Given, base: SweepRequest | None) -> SweepSpec:
    # The rows of Table 3 need more bits than a circuit has: without transistors they all run, with them none by itself.
    usual = SweepSpec(bits=()) if _testbench(given, base).level == TRANSISTOR else SweepSpec()
    old = usual if base is None else base.sweep
    return SweepSpec(
        jitter=old.jitter if given.jitter is None else parse_percentages(given.jitter) or (),
        bits=old.bits if given.bits is None else parse_integers(given.bits) or (),
        seed=old.seed if given.seed is None else given.seed,
    )


def _checked_request(given: Given, out: Path | None, resume: bool) -> tuple[SweepRequest, Path]:
    if not resume:
        request = build_request(given, None)
        out = out or Path("reports") / f"sweep-{request.sha256[:8]}"
        rundir.check_free(out, request)
        return request, out
    if out is None:
        raise InputError("--resume must come with --out, the directory of the run, got none")
    base = rundir.read_request(out)
    request = build_request(given, base)
    difference = rundir.first_difference(base.to_dict(), request.to_dict())
    if difference is not None:
        raise InputError(f"--resume must ask for what {out} was begun with, but there {difference}")
    return base, out


def _checked_ledger(given: Path | None) -> Path:
    path = given or ledger.default_path()
    ledger.check(path)
    return path


def _run(
    request: SweepRequest, out: Path, ledger_file: Path, jobs: int | None, scheduler: str | None, resume_command: str
) -> "Outcome":
    # Here, because xarray and scipy take a second to load and a wrong flag should be told at once.
    from neurocircuit.core.pool import WorkerLost, default_jobs, shown
    from neurocircuit.studies.sweep.run import Settings, run_sweep

    try:
        with shown() as progress:
            return run_sweep(request, Settings(out, ledger_file, jobs or default_jobs(), scheduler), progress)
    except KeyboardInterrupt:
        click.echo(f"neurocircuit: stopped; {_how_to_go_on(out, resume_command)}", err=True)
        sys.exit(130)
    except WorkerLost as error:
        raise WorkerLost(f"{error}; {_how_to_go_on(out, resume_command)}") from None


def _how_to_go_on(out: Path, resume_command: str) -> str:
    if not (out / rundir.REQUEST).exists():
        return "nothing was begun yet"
    return f"finished batches are kept; go on with: {resume_command}"


def _resume_command(out: Path, ledger_path: Path | None, scheduler: str | None, no_report: bool) -> str:
    words = ["neurocircuit", "sweep", "--resume", "--out", str(out)]
    words += ["--ledger", str(ledger_path)] if ledger_path else []
    words += ["--scheduler", scheduler] if scheduler else []
    words += ["--no-report"] if no_report else []
    return shlex.join(words)


def _report(out: Path) -> Path:
    from neurocircuit.report import write_report

    write_report(out)
    return out / "report.html"


def _print_outcome(outcome: "Outcome", out: Path, report: Path | None, as_json: bool) -> None:
    from neurocircuit.tables.render import run_rows

    record, table = outcome.record, outcome.table
    failed = sum(len(group["trials"]) for group in record["failed"])
    if as_json:
        rows = [{"half": half, "level": level, "row": value, **row} for half, level, value, row in run_rows(table)]
        where = {"out": str(out), "report": str(report) if report else None}
        echo_json({**where, "status": record["status"], "rows": rows, "failed": record["failed"]})
        return
    click.echo(table.to_text() + "\n")
    total = record["reused_batches"] + record["computed_batches"]
    click.echo(f"{total} batches, {record['reused_batches']} of them from the ledger; {record['run']['wall_s']:.1f} s")
    click.echo(f"table:  {out / 'table.csv'}")
    if report is not None:
        click.echo(f"report: {report}")
    if failed:
        click.echo(f"neurocircuit: {failed} evaluations failed; reasons in {out / rundir.RUN}", err=True)


def _print_estimate(request: SweepRequest, ledger_file: Path, jobs: int | None, as_json: bool) -> None:
    from neurocircuit.core.pool import default_jobs
    from neurocircuit.studies.sweep.estimate import estimate

    found = estimate(request, ledger_file, jobs or default_jobs())
    if as_json:
        echo_json(found)
        return
    for level, numbers in found["levels"].items():
        stored = numbers["evaluations"] - numbers["to_compute"]
        each = f"{1e6 * numbers['seconds_per_evaluation']:.3g} µs each, from {numbers['source']}"
        click.echo(f"{level:9} {numbers['evaluations']:9} evaluations, {stored} of them stored; {each}")
    click.echo(f"about {found['estimate_s']:.1f} s with {found['jobs']} jobs, and some seconds to start and report")
