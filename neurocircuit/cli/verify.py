"""neurocircuit verify: whole images and single neurons on the circuit, against eq. (4) and the noise model."""

from pathlib import Path
from typing import Literal

import click

from neurocircuit.cli.common import (
    NAMES,
    PATH,
    data_option,
    deliver,
    jobs_option,
    json_option,
    scheduler_option,
    seed_option,
    split_option,
)


@click.command("verify")
@click.argument("network_path", metavar="NETWORK", type=PATH)
@click.option("--table", "table_path", type=PATH, help="Noise table to compare with the circuit.")
@click.option("--level", default="edge", show_default=True, help="Level at which the circuit runs.")
@click.option("--images", "count", default=20, show_default=True, type=click.IntRange(min=1), help="Images.")
@split_option("test")
@click.option("--chips", default=3, show_default=True, type=click.IntRange(min=1), help="Chips for whole images.")
@click.option(
    "--runs",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Single neurons of each layer, each on one of 40 other chips; needs --table.",
)
@click.option(
    "--inputs",
    default="chips",
    show_default=True,
    type=click.Choice(("chips", "ideal")),
    help="What reaches single neurons: spikes of whole images on chips, or, for many images, those of eq. (4).",
)
@click.option("--layers", type=NAMES, help="Layers of the single neurons, by name: conv1,fc1. Default: all.")
@click.option(
    "--without",
    type=NAMES,
    help="Causes without which whole images run again, one after another, on the same chips with the same events: "
    "white, flicker, lock, supply, die, neuron, synapse, mismatch (these three), noise (all of these), overlap, "
    "rounding.",
)
@click.option("--without-images", type=click.IntRange(min=1), help="Images that run without each cause. Default: all.")
@click.option("--no-images", is_flag=True, help="Single neurons only.")
@click.option(
    "--transfer",
    "transfer_path",
    type=PATH,
    help="File of calibrate --mode transfer: compare the paper's simpler model too.",
)
@click.option(
    "--power",
    type=PATH,
    help="Condition's folder of characterize, whose measured power counts in the energy. Default: the package's own.",
)
@click.option("--out", type=PATH, help="Directory of the result; default: only print.")
@seed_option
@jobs_option
@scheduler_option
@data_option
@json_option
def command(
    network_path: Path,
    table_path: Path | None,
    level: str,
    count: int,
    split: str,
    chips: int,
    runs: int,
    inputs: Literal["chips", "ideal"],
    layers: tuple[str, ...] | None,
    without: tuple[str, ...] | None,
    without_images: int | None,
    no_images: bool,
    transfer_path: Path | None,
    power: Path | None,
    out: Path | None,
    seed: int,
    jobs: int,
    scheduler: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Run NETWORK (a mapped network, .toml) on the circuit: whole images, and with --runs single neurons.

    Chips are the network's variation, drawn by number; with --table the noise model says what the same chips do.
    """
    from neurocircuit.core.pool import shown
    from neurocircuit.network.verify import check_options, verify
    from neurocircuit.network.verify.transfer import TransferJitter
    from neurocircuit.noise import NoiseTable
    from neurocircuit.snn.mapping import NetworkOnCircuit

    check_options(level, runs, table_path is not None, not no_images, without or ())  # before files are read
    network = NetworkOnCircuit.load(network_path)
    with shown() as progress:
        result = verify(
            network,
            network.images(split, data).first(count),
            level=level,
            chips=chips,
            table=None if table_path is None else NoiseTable.load(table_path),
            runs=runs,
            inputs=inputs,
            layers=layers,
            whole=not no_images,
            without=without or (),
            without_images=without_images,
            transfer=None if transfer_path is None else TransferJitter.load(transfer_path),
            power=power,
            seed=seed,
            jobs=jobs,
            scheduler=scheduler,
            progress=progress,
        )
    deliver(result, as_json, out)
