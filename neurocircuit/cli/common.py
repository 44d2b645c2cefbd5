"""What the commands share: reading a spec, and printing JSON."""

import json
import math
from pathlib import Path
from typing import Any

import click

from neurocircuit.spec import NeuronSpec

spec_option = click.option(
    "--spec",
    "spec_path",
    type=click.Path(path_type=Path),
    help="Neuron spec (TOML); default: the embedded circuit.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")

data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: NEUROCIRCUIT_DATA."
)
device_option = click.option(
    "--device", type=click.Choice(("cpu", "cuda")), default="cpu", show_default=True, help="Where torch computes."
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Threads of torch; part of what determines the last bits."
)


def load_spec(path: Path | None) -> NeuronSpec:
    """The neuron spec of a file, or the embedded circuit."""
    return NeuronSpec() if path is None else NeuronSpec.from_toml(path)


def echo_json(values: dict[str, Any]) -> None:
    """One strict JSON object on stdout; a number that is not finite becomes null."""
    click.echo(json.dumps(finite_or_null(values), allow_nan=False))


def finite_or_null(value: Any) -> Any:
    """The same structure with null in place of inf and nan, which JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite_or_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_null(item) for item in value]
    return value
