"""neurocircuit report: write the reports of finished runs of any kind."""

from pathlib import Path

import click

from neurocircuit.cli.common import echo_json, json_option
from neurocircuit.report import runs_below, write_reports


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--recursive", is_flag=True, help="Also every run in the folders below RUN.")
@json_option
def command(runs: tuple[Path, ...], recursive: bool, as_json: bool) -> None:
    """Write the HTML and Markdown report of each RUN from its files; print the paths of the HTML pages.

    RUN is the folder of a finished run of any kind, or one result file (.json) in it.
    """
    folders = [folder for run in runs for folder in runs_below(run)] if recursive else runs
    pages = []
    for folder in folders:
        written = write_reports(folder)
        pages += written
        if not as_json:
            click.echo("\n".join(map(str, written)))
    if as_json:
        echo_json({"reports": [{"report": str(page), "markdown": str(page.with_suffix(".md"))} for page in pages]})
