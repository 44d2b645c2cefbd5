"""neurocircuit import-weights: published numpy weights into a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurocircuit.cli.common import echo_json, json_option
from neurocircuit.errors import InputError

if TYPE_CHECKING:
    from neurocircuit.snn.encode import EncodingName


@click.command("import-weights")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--network", required=True, help="Architecture, such as mnist_scnn.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--alpha", default=3.0, show_default=True, help="Latest input spike, units of tau.")
@click.option(
    "--encoding",
    type=click.Choice(("bright_first", "dark_first")),
    help="bright_first: t = alpha (1 - p); dark_first: t = alpha p. Default: the paper's for the network's data set.",
)
@json_option
def command(
    directory: Path, network: str, out: Path, alpha: float, encoding: "EncodingName | None", as_json: bool
) -> None:
    """Read one .npy file per layer from DIR, ordered by the number that ends its name, and write a checkpoint.

    Rows are the inputs of a neuron in (row, column, channel) order, the last row is the bias spike at z = 1. MNIST's
    networks are fed t = alpha (1 - p), those of CIFAR-10 and ImageNet t = alpha p.
    """
    if not out.parent.is_dir():
        raise InputError(f"--out must lie in an existing directory, got {str(out)!r}")

    from neurocircuit.snn.importer import import_weights

    model = import_weights(directory, network, alpha=alpha, encoding=encoding).save(out)
    if as_json:
        echo_json({"out": str(out), "network": network, "weights": model.weights, "subject": model.subject.to_dict()})
    else:
        fed = f"{model.subject.data.name} fed as {model.subject.encoding.formula}"
        click.echo(f"{model.weights} weights of {network}, {fed}: {out}")
