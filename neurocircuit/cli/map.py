"""neurocircuit map: a trained network onto the circuit."""

from pathlib import Path

import click

from neurocircuit.cli.common import (
    PATH,
    VARIATION,
    data_option,
    deliver,
    json_option,
    progress,
    spec_option,
    split_option,
)
from neurocircuit.spec import FullScale, NeuronSpec, Variation


@click.command("map")
@click.argument("checkpoint", metavar="CHECKPOINT", type=PATH)
@click.option("--out", required=True, type=PATH, help="File of the mapped network (.toml).")
@click.option("--images", "count", default=50, show_default=True, type=click.IntRange(min=1), help="Images to map on.")
@split_option("train")
@click.option("--variation", type=VARIATION, help="How chips differ (TOML); default: the embedded numbers.")
@click.option("--xor-quantile", default=0.999, show_default=True, help="Neurons within the XOR's range.")
@click.option("--wrap-quantile", default=1.0, show_default=True, help="Neurons that must not wrap.")
@click.option("--use", default=0.9, show_default=True, help="Share of each limit that is used, by training too.")
@click.option(
    "--largest-fan-in",
    type=click.IntRange(min=1),
    help="Synapses that a neuron carries; default: as many as that of --spec was characterised to, else any number.",
)
@click.option("--window", type=float, help="Observation window, units of tau; default: 2 after the latest decision.")
@click.option(
    "--keep-scale",
    is_flag=True,
    help="Keep the phase per weight and the lead of --spec in every layer, and the bank of a characterised circuit.",
)
@click.option(
    "--full-scale",
    type=click.Choice(("layer", "neuron")),
    help="Of the weight bank, one for each layer or neuron; default: as in training, layer where it did not round.",
)
@spec_option
@data_option
@json_option
def command(
    checkpoint: Path,
    out: Path,
    count: int,
    split: str,
    variation: Variation | None,
    xor_quantile: float,
    wrap_quantile: float,
    use: float,
    largest_fan_in: int | None,
    window: float | None,
    keep_scale: bool,
    full_scale: FullScale | None,
    spec: NeuronSpec | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Map the network in CHECKPOINT onto the circuit: phase per weight, lead, bank and bias delay of each layer.

    Writes the mapped network, and beside it OUT.mapping.json with every constraint on recorded membranes, and a report.
    Exit code 3 when a constraint is broken.
    """
    from neurocircuit.core.files import check_output
    from neurocircuit.snn.mapping import map_network
    from neurocircuit.snn.model import load

    check_output(out, ".toml")
    model = load(checkpoint)
    with progress() as report_progress:
        network = map_network(
            model,
            spec,
            images=model.images(split, data).first(count),
            variation=variation,
            xor_quantile=xor_quantile,
            wrap_quantile=wrap_quantile,
            use=use,
            largest_fan_in=largest_fan_in,
            window_over_tau=window,
            keep_scale=keep_scale,
            full_scale=full_scale,
            name=out.stem,
            progress=report_progress,
        )
    deliver(network, as_json, out)
