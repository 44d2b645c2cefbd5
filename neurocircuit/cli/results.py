"""neurocircuit results: the README's table of published results, from their files."""

from pathlib import Path

import click


@click.command("results")
@click.argument("published", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--into", "readme", type=click.Path(path_type=Path), help="README whose table is replaced.")
def command(published: Path, readme: Path | None) -> None:
    """Print the table of the results in FOLDER (reports/published), or put it into a README between its two marks."""
    from neurocircuit.report import results

    if readme is None:
        click.echo(results.table(published), nl=False)
    else:
        results.into(readme, published)
