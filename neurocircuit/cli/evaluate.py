"""neurocircuit evaluate: accuracy, sparsity, energy and latency of trained weights."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import (
    PATH,
    data_option,
    deliver,
    device_option,
    first_passage_option,
    folder_of,
    json_option,
    progress,
    spec_option,
    threads_option,
)


@click.command("evaluate")
@click.argument("checkpoint", metavar="CHECKPOINT", type=PATH)
@click.option(
    "--split",
    type=click.Choice(("test", "held_out", "official")),
    default="test",
    show_default=True,
    help="Images that training never saw: the recipe's test set, those kept to choose by, or the published test set.",
)
@click.option(
    "--energy-per-spike",
    default="10 pJ",
    show_default=True,
    help="Energy of one output spike, or a condition's folder of characterize, for the one measured there.",
)
@click.option("--bits", type=click.IntRange(1, 32), help="Round weights to the circuit's bank of N bits for each sign.")
@click.option(
    "--full-scale",
    type=click.Choice(("layer", "neuron")),
    help="Of the bank, one for each layer or neuron; default: as in training, layer where it did not round.",
)
@click.option("--noise", type=PATH, help="On chips of a circuit: noise table of calibrate.")
@click.option("--chips", type=click.IntRange(min=1), help="Chips; each image runs on each of them. Default: 10.")
@click.option(
    "--repeats", type=click.IntRange(min=1), help="Runs of each image on each chip, with new events. Default: 1."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of chips and events. Default: 0.")
@click.option("--images", "first", type=click.IntRange(min=1), help="Use only the first N images.")
@click.option(
    "--outside",
    type=click.Choice(("ideal", "nearest", "error")),
    help="Spikes beyond the table: as eq. (4) has them, as its nearest cell does, or stop. Default: ideal, counted.",
)
@click.option(
    "--tables", type=click.IntRange(min=0), help="Tables redrawn within the error of the calibration. Default: 5."
)
@first_passage_option
@click.option("--out", type=PATH, help="Folder of result and report. Default: reports/KIND-HASH, with --json none.")
@spec_option
@data_option
@device_option
@threads_option
@json_option
def command(checkpoint: Path, split: str, out: Path | None, as_json: bool, **options: Any) -> None:
    """Evaluate the weights in CHECKPOINT: accuracy with its 95 % interval, sparsity, energy, latency.

    tau comes from the neuron spec. --data may be a folder or one data file. With --noise on chips of the circuit that
    the table was calibrated for, weights rounded to its bank, tau its own; the interval is over images, chips, events
    and tables like these. The result is marked INVALID when more than 0.1 % of the neurons lie beyond the table.
    """
    from neurocircuit.studies.evaluation import evaluate

    with progress() as on_progress:
        result = evaluate(checkpoint, split, progress=on_progress, **options)
    deliver(result, as_json, out or folder_of(result, as_json))
