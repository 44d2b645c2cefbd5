"""neurocircuit study compare-networks: what noise-aware training wins back of the accuracy that a circuit costs."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import (
    PATH,
    data_option,
    deliver,
    first_passage_option,
    json_option,
    progress,
    threads_option,
)


@click.command("compare-networks")
@click.option("--clean", required=True, nargs=2, type=PATH, metavar="WEIGHTS TABLE", help="The network as it was.")
@click.option(
    "--trained",
    required=True,
    multiple=True,
    nargs=2,
    type=PATH,
    metavar="WEIGHTS TABLE",
    help="Trained under the noise, with its own recalibrated table; once for each training seed.",
)
@click.option(
    "--control",
    multiple=True,
    nargs=2,
    type=PATH,
    metavar="WEIGHTS TABLE",
    help="Trained as long without the noise, with its own table; once for each seed, in the order of --trained.",
)
@click.option(
    "--replay",
    "replays",
    multiple=True,
    type=PATH,
    metavar="FOLDER",
    help="Of `verify`, whole images at a level: clean, each --trained, then each --control, in their order.",
)
@click.option("--chips", default=10, show_default=True, type=click.IntRange(min=2), help="Chips each image meets.")
@click.option("--images", "first", type=click.IntRange(min=2), help="Use only the first N test images.")
@click.option(
    "--tables",
    default=4,
    show_default=True,
    type=click.IntRange(min=0),
    help="Tables of each network, redrawn within the error of the calibration.",
)
@first_passage_option
@click.option(
    "--rounded",
    is_flag=True,
    help="Count the loss from the clean network with the weights of its bank: for networks trained at its bits.",
)
@click.option("--out", required=True, type=PATH, help="Folder of result.json and report.")
@data_option
@threads_option
@json_option
def command(out: Path, as_json: bool, **options: Any) -> None:
    """Compare networks on chips of a circuit in pairs: the same images, chip numbers and events for all.

    The share of the loss that is won back is (trained - clean)/(software - clean), with a 95 % interval over images,
    chips, training seeds and calibrations. --control: networks that had as many steps without the noise. --replay: the
    same in the circuit itself, of its own images and chips.
    """
    from neurocircuit.studies.compare_networks import compare_networks

    with progress() as report_progress:
        result = compare_networks(progress=report_progress, **options)
    deliver(result, as_json, out)
