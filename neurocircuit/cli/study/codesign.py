"""neurocircuit study codesign: circuit parameters against accuracy, energy and latency."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurocircuit.cli.common import data_option, deliver, json_option
from neurocircuit.core.pool import shown
from neurocircuit.core.provenance import RunClock

if TYPE_CHECKING:
    from neurocircuit.studies.codesign.study import Files, StudySpec
    from neurocircuit.studies.codesign.trial import Evaluator


@click.command("codesign")
@click.argument("study_path", metavar="STUDY", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the study. Default: reports/codesign-NAME.")
@click.option("--trials", type=click.IntRange(min=1), help="Designs at the first fidelity, instead of the study's.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Processes on this machine.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Minutes after which no further trial begins.")
@click.option("--no-verify", is_flag=True, help="Stop before the recommended designs are replayed.")
@data_option
@json_option
def command(
    study_path: Path,
    out: Path | None,
    trials: int | None,
    workers: int,
    timeout: float | None,
    no_verify: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Search the circuit parameters of STUDY (.toml) for accuracy, energy and latency; recommend and replay designs.

    The same command again continues a study that was stopped or killed; several at once share its trials.
    Exit code 4: the time was up before all designs were seen.
    """
    clock = RunClock()

    import optuna  # noqa: F401  # a missing one is told before anything is done
    import torch

    from neurocircuit.studies.codesign import run
    from neurocircuit.studies.codesign.retrain import check_recipe
    from neurocircuit.studies.codesign.study import StudySpec, files_of
    from neurocircuit.studies.codesign.trial import Problem

    study = StudySpec.from_toml(study_path)
    if trials is not None:
        study = study.replace(trials=trials)
    files = files_of(study_path, study)
    torch.set_num_threads(1)  # the workers share the machine
    problem = Problem.load(study, files, data)
    problem.images(study.split, 1)  # missing data is told before anything is written
    if study.retraining is not None:
        check_recipe(problem)
    out = out or Path("reports") / f"codesign-{study.name}"
    definition = run.Definition(study, problem.base, problem.variation, problem.checkpoint_sha256)
    deadline = None if timeout is None else time.monotonic() + 60.0 * timeout
    with shown() as progress:
        done = run.run(definition, out, partial(prepare, study, files, data), run.Options(workers, deadline), progress)
    if not done:
        click.echo(f"stopped after {timeout:g} minutes; the same command continues: {out}", err=True)
        click.get_current_context().exit(4)
    if no_verify:
        click.echo(f"all designs are seen: {out}")
        return
    from neurocircuit.studies.codesign.finish import finish
    from neurocircuit.studies.codesign.result import Codesign

    with shown() as progress:
        numbers = finish(problem, out, workers, progress)
    trials_s = sum(row["details"]["cpu_s"] for one in numbers["fidelities"] for row in one["trials"])
    numbers |= {"workers": workers, "cpu_s_of_all_trials": round(trials_s, 1)}
    deliver(Codesign(**numbers, run=clock.record()), as_json, out)


def prepare(study: "StudySpec", files: "Files", data: Path | None) -> "Evaluator":
    """What evaluates designs, made in each worker."""
    import torch

    from neurocircuit.studies.codesign.trial import Evaluator, Problem

    torch.set_num_threads(1)
    return Evaluator(Problem.load(study, files, data))
