"""neurocircuit import-weights: published numpy weights into a checkpoint."""

from pathlib import Path

import click

from neurocircuit.cli.common import echo_json, json_option
from neurocircuit.errors import InputError


@click.command("import-weights")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--network", required=True, help="Architecture, such as mnist_scnn.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--alpha", default=3.0, show_default=True, help="Latest input spike of t = alpha (1 - p), units of tau.")
@json_option
def command(directory: Path, network: str, out: Path, alpha: float, as_json: bool) -> None:
    """Read one .npy file per layer from DIR, ordered by the number that ends its name, and write a checkpoint.

    Rows are the inputs of a neuron in (row, column, channel) order, the last row is the bias spike at z = 1.
    """
    if not out.parent.is_dir():
        raise InputError(f"--out must lie in an existing directory, got {str(out)!r}")

    from neurocircuit.snn import checkpoint
    from neurocircuit.snn.importer import import_directory
    from neurocircuit.snn.models import count_weights

    subject, imported = import_directory(directory, network, alpha)
    checkpoint.save(out, subject, imported.state_dict())
    if as_json:
        echo_json({"out": str(out), "network": network, "weights": count_weights(imported)})
    else:
        click.echo(f"{count_weights(imported)} weights of {network}: {out}")
