"""neurocircuit study codesign: circuit parameters against accuracy, energy and latency."""

from typing import Any

import click

from neurocircuit.cli.common import PATH, data_option, deliver, json_option, progress


@click.command("codesign")
@click.argument("study", metavar="STUDY")
@click.option("--out", type=PATH, help="Folder of the study. Default: reports/codesign-NAME.")
@click.option("--trials", type=click.IntRange(min=1), help="Designs at the first fidelity, instead of the study's.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Processes on this machine.")
@click.option(
    "--timeout", "timeout_min", type=click.FloatRange(min=0), help="Minutes after which no further trial begins."
)
@click.option(
    "--verify/--no-verify", default=True, help="Replay the recommended designs on the circuit, or stop before that."
)
@data_option
@json_option
def command(as_json: bool, **options: Any) -> None:
    """Search the circuit parameters of STUDY for accuracy, energy and latency; recommend and replay designs.

    STUDY is a TOML file, or the name of one that ships. The same command again continues a study that was stopped or
    killed; several processes started at once share its trials, on one machine: the file of trials and its locks are not
    safe between machines, so there is no --scheduler. Exit code 4: the time limit was reached before all designs were
    evaluated.
    """
    from neurocircuit.studies.codesign.api import codesign

    with progress() as report_progress:
        result = codesign(progress=report_progress, **options)
    deliver(result, as_json, result.out if options["verify"] else None)
