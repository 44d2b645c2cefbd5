"""neurocircuit study robustness: weight bits, weight noise and spike-time jitter against accuracy (paper §4.2)."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import (
    PATH,
    data_option,
    deliver,
    jobs_option,
    json_option,
    progress,
    scheduler_option,
    threads_option,
)


@click.command("robustness")
@click.argument("study", type=click.Choice(("table4", "fig2", "jitter", "spikes")))
@click.option("--weights", required=True, type=PATH, help="Trained weights to start from.")
@click.option(
    "--beside",
    multiple=True,
    type=(str, PATH),
    metavar="NAME WEIGHTS",
    help="Of studies jitter and spikes: another network of the same data, in the same figure; may be repeated.",
)
@click.option("--recipe", required=True, help="How to fine-tune them: a file, or the name of one that ships.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the recipe.")
@click.option(
    "--retrain/--no-retraining", default=True, help="Fine-tune at each value, or only measure the network as it is."
)
@click.option("--out", required=True, type=PATH, help="Folder of the result; networks stay in OUT/runs.")
@click.option("--images", "first", type=click.IntRange(min=1), help="Use only the first N test images.")
@click.option("--draws", default=3, show_default=True, type=click.IntRange(min=2), help="Draws of each noise.")
@jobs_option
@scheduler_option
@data_option
@threads_option
@json_option
def command(out: Path, as_json: bool, beside: tuple[tuple[str, Path], ...], **options: Any) -> None:
    """Accuracy of a trained network against what hardware does to it.

    STUDY is table4: at 32, 8, 4, 2 bit of the weights, only rounded and retrained (Table 4); fig2: over weight bits and
    over noise on the weights (Fig. 2); jitter: over relative jitter of every spike time (windowed networks: in units of
    tau); or spikes: over jitter in units of tau, missed spikes and errors of the neurons' thresholds, free and windowed
    networks alike, nothing retrained.
    """
    from neurocircuit.studies.robustness import robustness

    with progress() as on_progress:
        result = robustness(out=out, beside=dict(beside), progress=on_progress, **options)
    deliver(result, as_json, out)
