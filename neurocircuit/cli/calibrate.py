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
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File of the noise table (.nc).")
@click.option("--images", "count", default=30, show_default=True, type=click.IntRange(min=1), help="Images to look at.")
@click.option("--chips", default=100, show_default=True, type=click.IntRange(min=2), help="Chips.")
@click.option("--points", default=400, show_default=True, type=click.IntRange(min=40), help="Neurons of each layer.")
@click.option("--budget", is_flag=True, help="Also simulate each cause alone and draw the noise budget.")
@click.option(
    "--mode", type=click.Choice(("calibrated", "transfer")), default="calibrated", show_default=True,
    help="transfer: the paper's reading instead, jitter by Table 3's curve (see verify); writes no table.",
)  # fmt: skip
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
    budget: bool,
    mode: str,
    part: str,
    seed: int,
    data: Path | None,
    as_json: bool,
) -> None:
    """Simulate the operating points of NETWORK (a mapped network, .toml) on many chips; write a noise table.

    Beside it OUT.calibration.json and a report.
    """
    started = time.process_time()
    if mode == "transfer":
        raise InputError("--mode transfer needs no calibration: give it to verify, with --transfer TABLE")
    if out.suffix != ".nc" or not out.parent.is_dir():
        raise InputError(f"--out must be a .nc file in an existing directory, got {str(out)!r}")

    from neurocircuit import calibrate, simulate
    from neurocircuit.mapping.physical import load_mapped
    from neurocircuit.mapping.replay import Circuit
    from neurocircuit.report.network import write_calibration_report

    if level not in simulate.LEVELS:
        raise InputError(f"--level must be among {', '.join(simulate.LEVELS)}, got {level!r}")
    mapped, network = load_mapped(network_path)
    circuit = Circuit.of(mapped, network)
    spikes, _ = images(network, part, data, count)
    table, found, samples = calibrate.calibrate(
        circuit, spikes, level=level, seed=seed, chip_count=chips, points_per_layer=points,
        report=lambda text: None if as_json else click.echo(text, err=True),
    )  # fmt: skip
    numbers: dict[str, Any] = {
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
    write_calibration_report(out.with_suffix(".calibration.json"))
    if as_json:
        echo_json(numbers)
        return
    for own in numbers["layers"]:
        kappa = ", ".join(f"{name} {value:.2f}" for name, value in own["kappa"].items())
        click.echo(
            f"layer {own['name']}: axes {', '.join(own['axes']) or 'none'}; median event spread "
            f"{own['event_spread']:.3g} thresholds; kappa {kappa}; {own['samples']} samples"
        )
    click.echo(f"noise table: {out}")
