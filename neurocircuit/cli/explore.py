"""neurocircuit explore: a local page with dials for the circuit, and a network under its noise table."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import PATH, data_option, json_option


@click.command("explore")
@click.argument("subject", metavar="[CIRCUIT.toml | NETWORK.toml | FOLDER]", required=False, type=PATH)
@click.option("--weights", type=PATH, help="Trained weights of the network's tab; default: a mapped network's own.")
@click.option("--noise", type=PATH, help="Noise table of calibrate; default: table.nc beside the mapped network.")
@click.option("--port", default=8123, show_default=True, type=click.IntRange(1024, 65535), help="Port on 127.0.0.1.")
@click.option("--browser/--no-browser", "show", default=True, help="Open a browser on the page.")
@data_option
@json_option
def command(subject: Path | None, as_json: bool, **options: Any) -> None:
    """Open a page on this machine: sliders for the circuit that redraw waveforms, Table 3's curve and what follows.

    FOLDER is of a project, of its run, of a sweep, or of a mapped network. Save writes a circuit.toml. A second tab
    shows the accuracy of a mapped network while causes of its noise table grow or shrink. Needs the extra explore.
    Ctrl-C ends it.
    """
    from neurocircuit.explore import explore

    explore(subject, as_json=as_json, announce=click.echo, **options)
