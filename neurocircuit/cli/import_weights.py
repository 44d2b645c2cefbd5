"""neurocircuit import-weights: published numpy weights, or a NIR graph, into a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurocircuit.cli.common import PATH, echo_json, json_option

if TYPE_CHECKING:
    from neurocircuit.snn.encode import EncodingName


@click.command("import-weights")
@click.argument("source", metavar="SOURCE", type=PATH)
@click.option("--network", help="Architecture of a directory's weights, such as mnist_scnn.")
@click.option("--data-set", help="What the network of another writer's NIR graph is for, such as digits.")
@click.option("--out", required=True, type=PATH, help="File to write.")
@click.option("--circuit", type=PATH, help="Also write the mapped network of a NIR graph that has one (.toml).")
@click.option("--alpha", type=float, help="Latest input spike, units of tau. Default: 3.")
@click.option(
    "--encoding",
    type=click.Choice(("bright_first", "dark_first")),
    help="bright_first: t = alpha (1 - p); dark_first: t = alpha p. Default: the paper's for the network's data set.",
)
@json_option
def command(
    source: Path,
    network: str | None,
    data_set: str | None,
    out: Path,
    circuit: Path | None,
    alpha: float | None,
    encoding: "EncodingName | None",
    as_json: bool,
) -> None:
    """Write a checkpoint from SOURCE: a directory with one .npy file per layer, or a NIR graph (.nir).

    Files of a directory are ordered by the number that ends their names. Rows are the inputs of a neuron in (row,
    column, channel) order, the last row is the bias spike at z = 1. MNIST's networks are fed t = alpha (1 - p), those
    of CIFAR-10 and ImageNet t = alpha p.

    A graph that `export` wrote comes back to the bit. Of another writer's, LI and IF behind weights are n-LIF neurons
    (give --encoding and --data-set), IF behind weights is a ReLU by its spike rate, to be converted (--data-set);
    other nodes are named.
    """
    from neurocircuit.snn.import_file import import_file

    model = import_file(
        source, out, network=network, data_set=data_set, circuit=circuit, alpha=alpha, encoding=encoding
    )
    name = model.subject.network.name
    if as_json:
        echo_json({"out": str(out), "network": name, "weights": model.weights, "subject": model.subject.to_dict()})
    else:
        fed = f"{model.subject.data.name} fed as {model.subject.encoding.formula}"
        click.echo(f"{model.weights} weights of {name}, {fed}: {out}")
