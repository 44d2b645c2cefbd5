"""neurocircuit schema: the JSON Schema of a TOML file, for an editor's completion and checks."""

import click

from neurocircuit import kinds
from neurocircuit.cli.common import echo_json


@click.command("schema")
@click.argument("file", type=click.Choice(tuple(kinds.TOML_FILES)))
def command(file: str) -> None:
    """Print the JSON Schema of a kind of TOML file.

    An editor that reads schemas (with Taplo, for instance) completes and explains fields once the file's first line
    names one: #:schema ./circuit.schema.json
    """
    echo_json(kinds.schema(file))
