"""neurocircuit report: write the reports of finished runs of any kind."""

from pathlib import Path

import click

from neurocircuit.cli.common import PATH, deliver, json_option
from neurocircuit.rendering import write_all


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=PATH)
@click.option("--recursive", is_flag=True, help="Also every run in the folders below RUN.")
@json_option
def command(runs: tuple[Path, ...], recursive: bool, as_json: bool) -> None:
    """Write the HTML and Markdown report of each RUN from its files; print the paths of the HTML pages.

    RUN is the folder of a finished run of any kind, or one result file (.json) in it.
    """
    result = write_all(runs, recursive)
    deliver(result, as_json)
