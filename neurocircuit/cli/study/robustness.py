"""neurocircuit study robustness: weight bits, weight noise and spike-time jitter against accuracy (paper §4.2)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import (
    PATH,
    data_option,
    deliver,
    jobs_option,
    json_option,
    options,
    progress,
    scheduler_option,
    threads_option,
)

_study_options: Callable[[Any], Any] = options(
    click.option("--weights", required=True, type=PATH, help="Trained weights to start from."),
    click.option("--recipe", required=True, help="How to fine-tune them: a file, or the name of one that ships."),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the recipe."),
    click.option("--retrain/--no-retraining", default=True, help="Or measure the network as it is, train nothing."),
    click.option("--out", required=True, type=PATH, help="Folder of the result; networks stay in OUT/runs."),
    click.option("--images", "first", type=click.IntRange(min=1), help="Only the first so many test images."),
    click.option("--draws", default=3, show_default=True, type=click.IntRange(min=2), help="Draws of each noise."),
    jobs_option,
    scheduler_option,
    data_option,
    threads_option,
    json_option,
)


@click.group("robustness")
def command() -> None:
    """Accuracy of a trained network against what hardware does to it."""


@command.command("table4")
@_study_options
def table4_command(out: Path, as_json: bool, **options: Any) -> None:
    """Accuracy at 32, 8, 4, 2 bit of the weights, only rounded and retrained: Table 4."""
    from neurocircuit.studies.robustness import table4

    with progress() as on_progress:
        result = table4(out=out, progress=on_progress, **options)
    deliver(result, as_json, out)


@command.command("fig2")
@_study_options
def fig2_command(out: Path, as_json: bool, **options: Any) -> None:
    """Accuracy over weight bits and over noise on the weights: Fig. 2."""
    from neurocircuit.studies.robustness import fig2

    with progress() as on_progress:
        result = fig2(out=out, progress=on_progress, **options)
    deliver(result, as_json, out)


@command.command("jitter")
@_study_options
def jitter_command(out: Path, as_json: bool, **options: Any) -> None:
    """Accuracy over relative jitter of every spike time."""
    from neurocircuit.studies.robustness import jitter

    with progress() as on_progress:
        result = jitter(out=out, progress=on_progress, **options)
    deliver(result, as_json, out)
