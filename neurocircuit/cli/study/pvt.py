"""neurocircuit study pvt: a mapped network at characterised corners, temperatures and supplies."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import NAMES, NUMBERS, PATH, deliver, progress, whole_image_options


@click.command("pvt")
@click.argument("network", metavar="NETWORK", type=PATH)
@click.option(
    "--process", default="generic65", show_default=True, help="Process whose shipped characterisation is used."
)
@click.option("--datasheet", type=PATH, help="Folder of neurocircuit characterize to use instead.")
@click.option("--corner", type=NAMES, help="Corners: tt,ss,ff. Default: all that were characterised.")
@click.option("--temp", type=NUMBERS, help="Temperatures in degC: 0,27,85. Default: all.")
@click.option("--vdd", type=NUMBERS, help="Supplies over the nominal one: 0.95,1.0,1.05. Default: all.")
@click.option("--out", type=PATH, help="Folder of the result; default: only print.")
@whole_image_options(map_images=40, chips=2, fewest=1)
def command(out: Path | None, as_json: bool, **options: Any) -> None:
    """Run NETWORK (a mapped network, .toml) at the conditions at which a process was characterised.

    Each condition three times: trimmed and mapped there, trimmed there and mapped at nominal, trimmed at nominal only.
    Finished rows stay in OUT/tasks.
    """
    from neurocircuit.studies.pvt.study import pvt

    with progress() as on_progress:
        result = pvt(out=out, progress=on_progress, **options)
    deliver(result, as_json, out)
