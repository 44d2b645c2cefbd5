"""neurocircuit table: show and compare transfer tables."""

from dataclasses import asdict
from pathlib import Path

import click

from neurocircuit.cli.common import echo_json, json_option
from neurocircuit.errors import InputError
from neurocircuit.tables import TransferTable
from neurocircuit.tables.compare import compare
from neurocircuit.tables.render import run_rows

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
    if as_json + as_latex + as_csv > 1:
        raise InputError("--json, --latex and --csv must not stand together, got more than one of them")
    table = TransferTable.load(file)
    if as_json:
        echo_json(_as_dict(table))
    elif as_latex:
        click.echo(table.to_latex(), nl=False)
    else:
        click.echo(table.to_csv() if as_csv else table.to_text() + "\n", nl=False)


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
        echo_json({"identical": comparison.identical} | asdict(comparison))
    else:
        click.echo(comparison.everything() if everything else comparison.summary())


def _as_dict(table: TransferTable) -> dict[str, object]:
    rows = [{"half": half, "level": level, "row": value, **row} for half, level, value, row in run_rows(table)]
    names = ("value", "low", "high")
    exponents = {level: dict(zip(names, table.exponent(level), strict=True)) for level in table.levels}
    return {
        "schema_version": int(table.dataset.attrs["schema_version"]),
        "content_sha256": str(table.dataset.attrs["content_sha256"]),
        "metric": table.metric,
        "interval_method": str(table.dataset.attrs["interval_method"]),
        "rows": rows,
        "exponents": exponents if "jitter" in table.halves else {},
        "provenance": table.provenance,
    }
