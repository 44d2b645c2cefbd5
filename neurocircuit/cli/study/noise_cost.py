"""neurocircuit study noise-cost: phase noise by device, power and area of neurons, from their datasheets."""

from pathlib import Path

import click

from neurocircuit.cli.common import PATH, deliver, json_option


@click.command("noise-cost")
@click.argument("datasheets", metavar="DATASHEET...", type=PATH, nargs=-1, required=True)
@click.option("--out", type=PATH, help="Folder of the result; default: only print.")
@json_option
def command(datasheets: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Compare neurons by their datasheets (folders of characterize with phase_noise): noise by device, power, area."""
    from neurocircuit.studies.noise_cost import noise_cost

    deliver(noise_cost(datasheets), as_json, out)
