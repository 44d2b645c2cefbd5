"""neurocircuit new: a project's folder to start from."""

from pathlib import Path
from typing import Literal

import click

from neurocircuit.cli.common import PATH, deliver, json_option, spec_option
from neurocircuit.spec import NeuronSpec


@click.command("new")
@click.argument("folder", metavar="DIR", type=PATH)
@click.option(
    "--dataset",
    type=click.Choice(("digits", "mnist", "fashion_mnist")),
    default="digits",
    show_default=True,
    help="Images: digits needs no files and takes minutes, the others NEUROCIRCUIT_DATA and half an hour.",
)
@click.option("--windowed", is_flag=True, help="A ReLU network, converted into neurons that spike in windows.")
@spec_option
@json_option
def command(
    folder: Path,
    dataset: Literal["digits", "mnist", "fashion_mnist"],
    windowed: bool,
    spec: NeuronSpec | None,
    as_json: bool,
) -> None:
    """Start a project in DIR: circuit.toml, recipes and loop.toml with a comment at each field, loop.py, README.md.

    --spec is the circuit to start from, as `characterize` writes one. Nothing is overwritten. `neurocircuit run` then
    goes from the circuit to the accuracy of the network on it.
    """
    from neurocircuit.studies.loop.project import new_project

    result = new_project(folder, spec, dataset=dataset, windowed=windowed)
    deliver(result, as_json)
