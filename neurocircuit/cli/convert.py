"""neurocircuit convert: a trained ReLU network into windowed neurons."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurocircuit.cli.common import PATH, data_option, deliver, json_option, progress, split_option

if TYPE_CHECKING:
    from neurocircuit.spec.windowed import Form


@click.command("convert")
@click.argument("checkpoint", metavar="CHECKPOINT", type=PATH)
@click.option("--out", required=True, type=PATH, help="File of the windowed network (.pt).")
@click.option("--window", default=0.5, show_default=True, help="Window of every layer and of the pixels, units of tau.")
@click.option(
    "--form",
    type=click.Choice(("ramp", "forced")),
    default="ramp",
    show_default=True,
    help="ramp: for the circuit, wants fine-tuning (train windowed_finetune --initial OUT); "
    "forced: reproduces the ReLU network exactly, up to X.",
)
@click.option("--slope", type=float, help="Of every neuron's membrane, 1/tau; default: as one bias spike makes it.")
@click.option("--quantile", default=1.0, show_default=True, help="X of a layer is this quantile of its activations.")
@click.option(
    "--largest-fan-in",
    type=click.IntRange(min=4),
    help="Synapses that a neuron carries (process fan-in): wider layers become partial sums and their sum.",
)
@click.option(
    "--relay-after",
    default=1.5,
    show_default=True,
    help="Windows that end longer than this before the arming of a layer that reads them come again from relay "
    "neurons, units of tau; inf: none do.",
)
@click.option(
    "--images",
    "count",
    type=click.IntRange(min=1),
    help="Images that choose X. Default: 500, or all where there are fewer.",
)
@click.option(
    "--architecture",
    type=click.Choice(("vgg16", "vgg16_bn", "googlenet")),
    help="CHECKPOINT is a state dict of torchvision's layout, and --data a folder of ImageNet's pictures.",
)
@click.option("--data-set", help="What an ONNX file (.onnx) in CHECKPOINT is for, such as digits or image_folder.")
@click.option(
    "--test",
    type=click.IntRange(min=1),
    help="Test images on which the accuracy of both networks is compared.",
)
@split_option("train")
@data_option
@json_option
def command(
    checkpoint: Path,
    out: Path,
    window: float,
    form: "Form",
    slope: float | None,
    quantile: float,
    largest_fan_in: int | None,
    relay_after: float,
    count: int | None,
    architecture: str | None,
    data_set: str | None,
    test: int | None,
    split: str,
    data: Path | None,
    as_json: bool,
) -> None:
    """Convert the ReLU network in CHECKPOINT, of a recipe such as mnist_windowed, into neurons that spike in windows.

    Writes the windowed network, which `evaluate`, `map` and `train --initial` take, and beside it OUT.conversion.json
    with the share of images decided as before and what became of each layer, and a report. Networks of one's own: an
    ONNX file (.onnx) with --data-set, or nc.snn.convert in Python. A windowed network in CHECKPOINT gets another
    --window, weights and X as they are. What is to be typed next stands in the last line.

    Of a network for ImageNet: convert --architecture googlenet WEIGHTS --data IMAGENET --images 50 --test 5000, where
    IMAGENET has train/ and val/, each with one folder of pictures per class.
    """
    from neurocircuit.core.files import check_output
    from neurocircuit.snn.conversion import convert_file

    check_output(out, ".pt")
    with progress() as on_progress:
        network = convert_file(
            checkpoint,
            architecture=architecture,
            data_set=data_set,
            images=count,
            split=split,
            test=test,
            data=data,
            out=out,
            window=window,
            form=form,
            slope=slope,
            quantile=quantile,
            largest_fan_in=largest_fan_in,
            relay_after=relay_after,
            progress=on_progress,
        )
    deliver(network, as_json, out, report=network.conversion is not None)
