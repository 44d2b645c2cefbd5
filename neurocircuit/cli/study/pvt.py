"""neurocircuit study pvt: a mapped network at characterised corners, temperatures and supplies."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import data_option, echo_json, jobs_option, json_option, scheduler_option
from neurocircuit.cli.network import seed_option, write_json
from neurocircuit.core.files import make_directory
from neurocircuit.core.pool import shown
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError
from neurocircuit.units import parse_numbers

WAYS = {"mapped": "trimmed and mapped there", "again": "trimmed there", "nominal": "trimmed at nominal only"}


def condition_options(command: Any) -> Any:
    """--corner, --temp and --vdd."""
    for option in (
        click.option("--vdd", help="Supplies over the nominal one: 0.95,1.0,1.05. Default: all."),
        click.option("--temp", help="Temperatures in degC: 0,27,85. Default: all."),
        click.option("--corner", help="Corners: tt,ss,ff. Default: all that were characterised."),
    ):
        command = option(command)
    return command


@click.command("pvt")
@click.argument("network_path", metavar="NETWORK", type=click.Path(path_type=Path))
@click.argument("datasheet", metavar="DATASHEET", type=click.Path(path_type=Path))
@condition_options
@click.option(
    "--level", type=click.Choice(("edge", "averaged")), default="edge", show_default=True, help="Level of the neuron."
)
@click.option("--images", "count", default=40, show_default=True, type=click.IntRange(min=1), help="Images.")
@click.option(
    "--map-images",
    default=40,
    show_default=True,
    type=click.IntRange(min=1),
    help="Training images that a mapping at a condition sees.",
)
@click.option("--chips", default=2, show_default=True, type=click.IntRange(min=1), help="Chips.")
@click.option(
    "--split",
    type=click.Choice(("train", "held_out", "test", "official")),
    default="test",
    show_default=True,
    help="Which images.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the result; default: only print.")
@jobs_option
@scheduler_option
@seed_option
@data_option
@json_option
def command(**options: Any) -> None:
    """Run NETWORK (a mapped network, .toml) at the conditions in DATASHEET, a directory of neurocircuit characterize.

    Each condition three times: trimmed and mapped there, trimmed there and mapped at nominal, trimmed at nominal only.
    Finished rows stay in OUT/tasks.
    """
    run(**options)


def run(
    network_path: Path,
    datasheet: Path,
    corner: str | None,
    temp: str | None,
    vdd: str | None,
    level: str,
    count: int,
    map_images: int,
    chips: int,
    split: str,
    out: Path | None,
    seed: int,
    data: Path | None,
    as_json: bool,
    jobs: int = 1,
    scheduler: str | None = None,
) -> None:
    """What the command does. Raises InputError and FileFormatError naming what is wrong."""
    clock = RunClock()

    from neurocircuit.report import write_report
    from neurocircuit.snn.unroll import load_mapped
    from neurocircuit.studies import pvt

    mapped, unrolled = load_mapped(network_path)
    nominal, every = pvt.read(datasheet)
    conditions = pvt.chosen(
        every,
        nominal,
        corner.split(",") if corner else None,
        parse_numbers(temp, "--temp") if temp else None,
        parse_numbers(vdd, "--vdd") if vdd else None,
    )
    if not conditions:
        raise InputError("--corner, --temp and --vdd must leave a condition that was characterised, none has all three")
    training = unrolled.images("train", data, map_images)
    decided = unrolled.images(split, data, count)
    if out is not None:
        make_directory(out)  # before minutes of work
    with shown() as progress:
        rows = pvt.run(
            mapped,
            unrolled.physical,
            nominal,
            conditions,
            training.spikes,
            decided.spikes,
            decided.labels,
            chips=chips,
            level=level,
            seed=seed,
            weights=sum(layer.kernel.size for layer in unrolled.physical.layers),
            folder=None if out is None else out / "tasks",
            jobs=jobs,
            scheduler=scheduler,
            progress=progress,
        )
    numbers: dict[str, Any] = {
        "kind": "pvt",
        "schema": 1,
        "name": mapped.name,
        "level": level,
        "split": split,
        "images": count,
        "map_images": map_images,
        "chips": chips,
        "seed": seed,
        "datasheet": str(datasheet),
        "nominal": nominal.label,
        "rows": rows,
        "run": clock.record().model_dump(),
    }
    if out is not None:
        write_json(out / "result.json", numbers)
        write_report(out / "result.json")
    if as_json:
        echo_json(numbers)
    else:
        click.echo(summary(numbers))


def summary(numbers: dict[str, Any]) -> str:
    """A line for each condition and trim."""
    lines = [f"{numbers['images']} images on {numbers['chips']} chips at level {numbers['level']}"]
    for row in numbers["rows"]:
        what = f"{row['label']}, {WAYS[row['trim']]}"
        if row["failed"]:
            lines.append(f"{what}: {row['failed']}")
            continue
        energy = "" if row["energy_J"] != row["energy_J"] else f", {1e9 * row['energy_J']:.3g} nJ"
        lines.append(
            f"{what}: {row['accuracy']:.1%} ({row['accuracy_low']:.1%} to {row['accuracy_high']:.1%}), "
            f"{1e9 * row['latency_s']:.3g} ns{energy}, undecided {row['undecided']:.1%}"
        )
    return "\n".join(lines)
