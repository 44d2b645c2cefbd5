"""neurocircuit spec: print the embedded circuit, or check a file."""

import click

from neurocircuit.cli.common import echo_json, json_option, spec_option
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.reasons import reason_table


@click.command("spec")
@spec_option
@click.option("--table", "as_table", is_flag=True, help="Print each field with its default and the reason (Markdown).")
@json_option
def command(spec: NeuronSpec | None, as_table: bool, as_json: bool) -> None:
    """Print the embedded circuit as TOML to start from, or check and print the spec of --spec FILE."""
    spec = spec or NeuronSpec()
    if as_json:
        echo_json(spec.to_dict())
    elif as_table:
        click.echo(reason_table())
    else:
        click.echo(spec.to_toml(), nl=False)
