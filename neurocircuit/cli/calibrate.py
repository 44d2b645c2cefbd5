"""neurocircuit calibrate: the circuit's deviations at a network's operating points, as a noise table."""

import time
from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import data_option, echo_json, json_option
from neurocircuit.cli.network import images, part_option, record, seed_option, write_json
from neurocircuit.errors import InputError


@click.command("calibrate")
@click.argument("network_path", metavar="NETWORK", type=click.Path(path_type=Path))
@click.option("--level", default="edge", show_default=True, help="Level of the neuron: edge, averaged, bsource.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="File of the noise table (.nc); with --mode transfer of the jitters (.json).",
)
@click.option("--images", "count", default=30, show_default=True, type=click.IntRange(min=1), help="Images to look at.")
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
@click.option("--curve", type=click.Path(path_type=Path), help="Transfer table of a sweep over jitter (.nc).")
@click.option("--input-jitter", default=0.01, show_default=True, help="Relative jitter of the image, with --curve.")
@part_option
@seed_option
@data_option
@json_option
def command(
    network_path: Path,
    level: str,
    out: Path,
    count: int,
    chips: int,
    points: int,
    headroom: float | None,
    latest: float | None,
    budget: bool,
    mode: str,
    curve: Path | None,
    input_jitter: float,
    part: str,
    seed: int,
    data: Path | None,
    as_json: bool,
) -> None:
    """Simulate the operating points of NETWORK (a mapped network, .toml) on many chips; write a noise table.

    Beside it OUT.calibration.json and a report. With --mode transfer nothing is simulated: layer by layer the output
    jitter that the curve gives for the layer before it, for verify --transfer to compare.
    """
    started = time.process_time()
    if (mode == "transfer") != (curve is not None):
        raise InputError(f"--curve must be given with --mode transfer and only there, got mode {mode}")
    if mode == "transfer":
        _transfer(network_path, out, Path(str(curve)), input_jitter, as_json)
        return
    if out.suffix != ".nc" or not out.parent.is_dir():
        raise InputError(f"--out must be a .nc file in an existing directory, got {str(out)!r}")

    from neurocircuit.network import calibrate
    from neurocircuit.network.run import Circuit
    from neurocircuit.neuron import levels
    from neurocircuit.report import write_report
    from neurocircuit.snn.unroll import load_mapped

    if level not in levels.LEVELS:
        raise InputError(f"--level must be among {', '.join(levels.LEVELS)}, got {level!r}")
    mapped, unrolled = load_mapped(network_path)
    circuit = Circuit.of(mapped, unrolled.physical)
    spikes, _ = images(unrolled, part, data, count)
    table, found, samples = calibrate.calibrate(
        circuit,
        spikes,
        level=level,
        seed=seed,
        chip_count=chips,
        points_per_layer=points,
        within=calibrate.Within(headroom or float("inf"), latest or float("inf")),
        report=lambda text: None if as_json else click.echo(text, err=True),
    )
    numbers: dict[str, Any] = {
        "kind": "calibration",
        "schema": 1,
        "name": mapped.name,
        "level": level,
        "layers": calibrate.describe(circuit, table, samples),
        "budget": calibrate.budget(circuit, found, level=level, seed=seed) if budget else [],
        "seed": seed,
        "chips": chips,
        "images": count,
        "part": part,
    }
    numbers["run"] = record(started)
    table.save(out)
    write_json(out.with_suffix(".calibration.json"), numbers)
    write_report(out.with_suffix(".calibration.json"))
    if as_json:
        echo_json(numbers)
        return
    for own in numbers["layers"]:
        passed = own["passage"]
        kappa = ", ".join(f"{name} {value:.2f}" for name, value in passed["kappa"].items())
        click.echo(
            f"layer {own['name']}: axes {', '.join(passed['axes']) or 'none'}; event spread "
            f"{passed['event_spread']:.3g} thresholds at {passed['at']:.2f} tau; kappa {kappa}; "
            f"{own['samples']} samples"
        )
    click.echo(f"noise table: {out}")


def _transfer(network_path: Path, out: Path, curve: Path, input_jitter: float, as_json: bool) -> None:
    started = time.process_time()
    if out.suffix != ".json" or not out.parent.is_dir():
        raise InputError(f"--out must be a .json file in an existing directory, got {str(out)!r}")

    from neurocircuit.network.verify import transfer
    from neurocircuit.snn.unroll import load_mapped

    mapped, _ = load_mapped(network_path)
    numbers = transfer.jitter_of(mapped, curve, input_jitter)
    numbers["run"] = record(started)
    write_json(out, numbers)
    if as_json:
        echo_json(numbers)
        return
    for name, value in zip(
        ("input", *(f"layer {own.name}" for own in mapped.layers)), numbers["jitter_by_layer"], strict=True
    ):
        click.echo(f"{name}: relative jitter {value:.3g}")
    click.echo(f"jitters: {out}")
