"""neurocircuit spec: print the embedded circuit or check a file; with the noise of devices, or without."""

from pathlib import Path
from typing import Literal

import click

from neurocircuit.cli.common import PATH, echo_json, json_option, spec_option
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.derived import annotated_toml
from neurocircuit.spec.reasons import reason_table


@click.command("spec")
@spec_option
@click.option(
    "--device-noise",
    type=PATH,
    help="Give the rings the phase noise of a condition that `characterize` measured: its folder.",
)
@click.option(
    "--noise-kind",
    type=click.Choice(("both", "white", "flicker")),
    default="both",
    show_default=True,
    help="Of --device-noise: white noise, flicker, or both.",
)
@click.option("--without-noise", is_flag=True, help="Take phase noise, flicker, ripple out, as for level transistor.")
@click.option(
    "--ripple",
    type=(str, str),
    multiple=True,
    metavar="FREQUENCY AMPLITUDE",
    help='A tone of supply ripple, "10 MHz" "1 mV", amplitude is its peak; may be repeated.',
)
@click.option("--table", "as_table", is_flag=True, help="Print each field with its default and the reason (Markdown).")
@json_option
def command(
    spec: NeuronSpec | None,
    device_noise: Path | None,
    noise_kind: Literal["both", "white", "flicker"],
    without_noise: bool,
    ripple: tuple[tuple[str, str], ...],
    as_table: bool,
    as_json: bool,
) -> None:
    """Print the embedded circuit as TOML to start from, or check and print the spec of --spec FILE.

    Below it, as comments, what follows from its fields: threshold, cycles per tau, loop ratio, and what keeps each.
    """
    from neurocircuit.process.device_noise import with_chosen_noise

    chosen = with_chosen_noise(spec or NeuronSpec(), device_noise, noise_kind, without_noise, ripple)
    if as_json:
        echo_json(chosen.to_dict())
    elif as_table:
        click.echo(reason_table())
    else:
        click.echo(annotated_toml(chosen), nl=False)
