"""neurocircuit compare: two circuits side by side."""

from pathlib import Path

import click

from neurocircuit.cli.common import PATH, deliver, jobs_option, json_option, progress, seed_option


@click.command("compare")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--trials",
    default=500,
    show_default=True,
    type=click.IntRange(min=2),
    help="Draws of each row, where there is no sweep of both circuits.",
)
@click.option("--out", type=PATH, help="Folder of the result, its report and the figure; default: only print.")
@seed_option
@jobs_option
@json_option
def command(a: str, b: str, trials: int, out: Path | None, seed: int, jobs: int, as_json: bool) -> None:
    """Compare two circuits: fields, rows of Table 3 that moved beyond their intervals, limits, latency, energy.

    A and B are each a spec (.toml), "embedded", or a folder: a project of `new` or its run, a sweep, a mapped network,
    a condition of `characterize`. Without a sweep of both, both are swept at level edge over the same draws. Of two
    runs of a loop the network's accuracy is compared too. (`table diff` compares transfer tables, `study
    compare-networks` networks on chips.)
    """
    from neurocircuit.studies.compare_circuits import compare_circuits

    with progress() as report_progress:
        result = compare_circuits(a, b, trials=trials, seed=seed, jobs=jobs, progress=report_progress)
    deliver(result, as_json, out)
