"""neurocircuit train: one recipe, from random weights to a file of trained ones."""

from typing import Any

import click

from neurocircuit.cli.common import (
    PATH,
    data_option,
    deliver,
    device_option,
    json_option,
    progress,
    threads_option,
)


@click.command("train")
@click.argument("recipe", metavar="RECIPE")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the recipe: --set lr=1e-3.")
@click.option("--out", type=PATH, help="Directory of the run. Default: reports/NAME-<hash>.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of the same recipe in --out.")
@click.option(
    "--noise", metavar="TABLE", help="Train under a noise table (of calibrate; for --mode transfer: of sweep)."
)
@click.option("--mode", type=click.Choice(("calibrated", "transfer")), help="How --noise is read. Default: calibrated.")
@click.option(
    "--chips", type=click.Choice(("fresh", "fixed")), help="Another chip at each step, or one. Default: fresh."
)
@click.option("--bits", type=click.IntRange(1, 32), help="Round weights to N bits, with straight-through gradients.")
@click.option(
    "--recalibrate",
    "recalibrate_chips",
    type=click.IntRange(min=2),
    metavar="CHIPS",
    help="After training map the weights onto the table's circuit and calibrate it on N chips.",
)
@click.option(
    "--mapped-images",
    default=300,
    show_default=True,
    type=click.IntRange(min=2),
    help="Training images on which --recalibrate chooses scales; the deepest membrane of all sets the lead.",
)
@click.option(
    "--allow-code",
    is_flag=True,
    help='Run the code that the recipe names: network = "package.module:function". Only if you trust it.',
)
@click.option("--initial", metavar="WEIGHTS", help="Start from the weights of this file instead of random ones.")
@data_option
@device_option
@threads_option
@json_option
def command(recipe: str, as_json: bool, **options: Any) -> None:
    """Train the network of RECIPE (a TOML file, or the name of one that ships); write weights.pt, log.csv, run.json.

    An interrupted run goes on with --resume to the same weights, at the same number of threads. For several processes:
    torchrun --nproc-per-node 2 -m neurocircuit train RECIPE --out DIR.

    --noise, --mode, --chips, --bits and --initial are the recipe's [hardware] section and `initial`; gradients pass
    through eq. (4) with the noise held constant. Files are named from the current directory.
    """
    from neurocircuit.snn.training.train import train_run

    with progress() as on_progress:
        result = train_run(recipe, progress=on_progress, **options)
    deliver(result, as_json, result.out if result.leads else None)
