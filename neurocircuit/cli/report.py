"""neurocircuit report: write the report of a finished run of any kind."""

from pathlib import Path

import click

from neurocircuit.cli.common import echo_json, json_option
from neurocircuit.report import write_report


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@json_option
def command(run: Path, as_json: bool) -> None:
    """Write the HTML and Markdown report of RUN from its files; print the path of the HTML page.

    RUN is the folder of a finished run, or one result file (.json) in it.
    """
    page = write_report(run)
    if as_json:
        echo_json({"report": str(page), "markdown": str(page.with_suffix(".md"))})
    else:
        click.echo(page)
