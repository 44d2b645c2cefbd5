"""neurocircuit calibrate: the circuit's deviations at a network's operating points, as a noise table."""

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
    seed_option,
    split_option,
)


@click.command("calibrate")
@click.argument("network", metavar="NETWORK", type=PATH)
@click.option("--level", default="edge", show_default=True, help="Level of the neuron: edge, averaged, bsource.")
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="File of the noise table (.nc); with --mode transfer: of the jitters.",
)
@click.option("--images", default=30, show_default=True, type=click.IntRange(min=1), help="Images to run.")
@split_option("train")
@click.option("--chips", default=100, show_default=True, type=click.IntRange(min=2), help="Chips.")
@click.option("--points", default=400, show_default=True, type=click.IntRange(min=40), help="Neurons of each layer.")
@click.option(
    "--headroom",
    type=click.FloatRange(0, 2, min_open=True),
    help="Only neurons within this share of the XOR's range; others lie outside the table.",
)
@click.option(
    "--latest",
    "latest_over_tau",
    type=click.FloatRange(0, min_open=True),
    help="Only neurons that fire before this time, in tau.",
)
@click.option("--budget", is_flag=True, help="Also simulate each cause alone and draw the noise budget.")
@click.option(
    "--mode",
    type=click.Choice(("calibrated", "transfer")),
    default="calibrated",
    show_default=True,
    help="transfer: the paper's simpler model, each layer's jitter by the curve of --curve.",
)
@click.option("--curve", type=PATH, help="Transfer table of a sweep over jitter (.nc).")
@click.option("--input-jitter", default=0.01, show_default=True, help="Relative jitter of the image, with --curve.")
@seed_option
@jobs_option
@scheduler_option
@data_option
@json_option
def command(out: Path, as_json: bool, **options: Any) -> None:
    """Simulate the operating points of NETWORK (a mapped network, .toml) on many chips; write a noise table.

    Beside it OUT.calibration.json and a report. With --mode transfer nothing is simulated: layer by layer the output
    jitter that the curve gives for the layer before it, for verify --transfer to compare.
    """
    from neurocircuit.studies.calibration import calibration

    with progress() as report_progress:
        result = calibration(out=out, progress=report_progress, **options)
    deliver(result, as_json, out, report=options["curve"] is None)
