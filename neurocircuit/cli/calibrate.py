"""neurocircuit calibrate: the circuit's deviations at a network's operating points, as a noise table."""

from pathlib import Path

import click

from neurocircuit.cli.common import PATH, data_option, deliver, jobs_option, json_option, seed_option, split_option
from neurocircuit.errors import InputError


@click.command("calibrate")
@click.argument("network_path", metavar="NETWORK", type=PATH)
@click.option("--level", default="edge", show_default=True, help="Level of the neuron: edge, averaged, bsource.")
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="File of the noise table (.nc); with --mode transfer: of the jitters.",
)
@click.option("--images", "count", default=30, show_default=True, type=click.IntRange(min=1), help="Images to run.")
@split_option("train")
@click.option("--chips", default=100, show_default=True, type=click.IntRange(min=2), help="Chips.")
@click.option("--points", default=400, show_default=True, type=click.IntRange(min=40), help="Neurons of each layer.")
@click.option(
    "--headroom",
    type=click.FloatRange(0, 2, min_open=True),
    help="Only neurons within this share of the XOR's range; others lie outside the table.",
)
@click.option("--latest", type=click.FloatRange(0, min_open=True), help="Only neurons that fire by then, tau.")
@click.option("--budget", is_flag=True, help="Also simulate each cause alone and draw the noise budget.")
@click.option(
    "--mode",
    type=click.Choice(("calibrated", "transfer")),
    default="calibrated",
    show_default=True,
    help="transfer: the paper's simpler reading, each layer's jitter by the curve of --curve.",
)
@click.option("--curve", type=PATH, help="Transfer table of a sweep over jitter (.nc).")
@click.option("--input-jitter", default=0.01, show_default=True, help="Relative jitter of the image, with --curve.")
@seed_option
@jobs_option
@data_option
@json_option
def command(
    network_path: Path,
    level: str,
    out: Path,
    count: int,
    split: str,
    chips: int,
    points: int,
    headroom: float | None,
    latest: float | None,
    budget: bool,
    mode: str,
    curve: Path | None,
    input_jitter: float,
    seed: int,
    jobs: int,
    data: Path | None,
    as_json: bool,
) -> None:
    """Simulate the operating points of NETWORK (a mapped network, .toml) on many chips; write a noise table.

    Beside it OUT.calibration.json and a report. With --mode transfer nothing is simulated: layer by layer the output
    jitter that the curve gives for the layer before it, for verify --transfer to compare.
    """
    from neurocircuit.core.files import check_output
    from neurocircuit.core.pool import shown
    from neurocircuit.snn.mapping import NetworkOnCircuit

    if (mode == "transfer") != (curve is not None):
        raise InputError(f"--curve must be given with --mode transfer and only there, got mode {mode}")
    if curve is not None:
        from neurocircuit.network.verify.transfer import transfer_jitter

        check_output(out, ".json")
        deliver(transfer_jitter(NetworkOnCircuit.load(network_path), curve, input_jitter), as_json, out, report=False)
        return

    from neurocircuit.network.calibrate import calibrate

    check_output(out, ".nc")
    network = NetworkOnCircuit.load(network_path)
    with shown() as progress:
        table = calibrate(
            network,
            network.images(split, data).first(count),
            chips=chips,
            level=level,
            points=points,
            headroom=headroom,
            latest_over_tau=latest,
            seed=seed,
            jobs=jobs,
            progress=progress,
        )
    deliver(table.result(with_budget=budget), as_json, out)
