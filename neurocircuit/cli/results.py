"""neurocircuit results: the README's table of published results, from their files."""

from pathlib import Path

import click

from neurocircuit.cli.common import echo_json, json_option


@click.command("results")
@click.argument("published", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--into", "readme", type=click.Path(path_type=Path), help="README whose table is replaced.")
@json_option
def command(published: Path, readme: Path | None, as_json: bool) -> None:
    """Print the table of the results in FOLDER (reports/published), or put it into a README between its two marks."""
    from neurocircuit.report import results

    if readme is not None:
        results.into(readme, published)
    if as_json:
        echo_json({"header": results.HEADER, "rows": results.rows(published)})
    elif readme is None:
        click.echo(results.table(published), nl=False)
