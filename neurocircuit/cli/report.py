"""neurocircuit report: write the report of a finished sweep."""

from pathlib import Path

import click

from neurocircuit.cli.common import echo_json, json_option
from neurocircuit.report import write_report


@click.command("report")
@click.argument("run_dir", type=click.Path(path_type=Path))
@json_option
def command(run_dir: Path, as_json: bool) -> None:
    """Write report.html and report.md of the run in RUN_DIR from its files; print the path of report.html."""
    write_report(run_dir)
    path = run_dir / "report.html"
    if as_json:
        echo_json({"report": str(path), "markdown": str(run_dir / "report.md"), "latex": str(run_dir / "table.tex")})
    else:
        click.echo(path)
