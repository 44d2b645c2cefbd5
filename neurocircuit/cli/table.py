"""neurocircuit table: show and compare transfer tables."""

from pathlib import Path

import click

from neurocircuit.cli.common import echo_json, json_option
from neurocircuit.tables.compare import compare
from neurocircuit.tables.show import printed

_file = click.Path(path_type=Path)


@click.group("table")
def command() -> None:
    """Show and compare transfer tables."""


@command.command()
@click.argument("file", type=_file)
@json_option
@click.option("--latex", "as_latex", is_flag=True, help="Print a booktabs table.")
@click.option("--csv", "as_csv", is_flag=True, help="Print all statistics, one line per level and row.")
def show(file: Path, as_json: bool, as_latex: bool, as_csv: bool) -> None:
    """Print the transfer table of FILE (table.nc of a run)."""
    click.echo(printed(file, as_json=as_json, as_latex=as_latex, as_csv=as_csv), nl=False)


@command.command()
@click.argument("a", type=_file)
@click.argument("b", type=_file)
@json_option
@click.option("--all", "everything", is_flag=True, help="List every row, statistic and provenance that differs.")
def diff(a: Path, b: Path, as_json: bool, everything: bool) -> None:
    """Say which rows moved beyond their intervals from A to B: runs of `sweep` (folders) or their table.nc.

    Folders hold the draws: where both runs have the same ones, the difference is paired. Exit code 0 in any case.
    """
    comparison = compare(a, b)
    if as_json:
        echo_json(comparison.to_dict())
    elif everything:
        click.echo(comparison.everything())
    else:
        click.echo(comparison.summary())
