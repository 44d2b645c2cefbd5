"""neurocircuit verify: whole images and single neurons on the circuit, against eq. (4) and the noise model."""

import csv
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurocircuit.cli.common import data_option, echo_json, json_option
from neurocircuit.cli.network import images, part_option, record, seed_option, write_json
from neurocircuit.core.files import make_directory, write_atomically
from neurocircuit.core.pool import shown
from neurocircuit.errors import InputError

if TYPE_CHECKING:
    from neurocircuit.network.verify.images import Rows

SINGLE_IMAGES = 100  # single neurons come from the first images: each of them runs on a chip first
TRANSFER_IMAGES = 300  # the paper's reading says little: fewer images do


@click.command("verify")
@click.argument("network_path", metavar="NETWORK", type=click.Path(path_type=Path))
@click.option("--table", "table_path", type=click.Path(path_type=Path), help="Noise table to hold against the circuit.")
@click.option("--level", default="edge", show_default=True, help="Level of the neuron on the circuit's side.")
@click.option("--images", "count", default=20, show_default=True, type=click.IntRange(min=1), help="Images.")
@click.option("--chips", default=3, show_default=True, type=click.IntRange(min=1), help="Chips for whole images.")
@click.option(
    "--runs",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Single neurons of each layer, each on one of 40 other chips; needs --table.",
)
@click.option("--layers", "layer_text", help="Layers of the single neurons, by name: 0,1. Default: all.")
@click.option("--no-images", is_flag=True, help="Single neurons only.")
@click.option(
    "--transfer",
    "transfer_path",
    type=click.Path(path_type=Path),
    help="File of calibrate --mode transfer: also what the paper's simpler reading says.",
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Processes; changes no number.")
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the result; default: only print.")
@part_option
@seed_option
@data_option
@json_option
def command(
    network_path: Path,
    table_path: Path | None,
    level: str,
    count: int,
    chips: int,
    runs: int,
    layer_text: str | None,
    no_images: bool,
    transfer_path: Path | None,
    jobs: int,
    out: Path | None,
    part: str,
    seed: int,
    data: Path | None,
    as_json: bool,
) -> None:
    """Run NETWORK (a mapped network, .toml) on the circuit: whole images, and with --runs single neurons.

    Chips are the network's variation, drawn by number; with --table the noise model says what the same chips do.
    """
    started = time.process_time()
    if runs and table_path is None:
        raise InputError("--runs must come with --table: single neurons are held against a noise table")

    from neurocircuit.network.run import Circuit
    from neurocircuit.network.verify import images as whole
    from neurocircuit.network.verify import transfer
    from neurocircuit.neuron import levels
    from neurocircuit.noise.table import NoiseTable
    from neurocircuit.snn.unroll import load_mapped

    if level not in levels.LEVELS:
        raise InputError(f"--level must be among {', '.join(levels.LEVELS)}, got {level!r}")
    if level == "transistor" and not no_images:
        raise InputError("--level transistor must come with --no-images: whole images would take days")
    mapped, unrolled = load_mapped(network_path)
    table = None if table_path is None else NoiseTable.load(table_path)
    if table is not None:
        table.check_network(mapped, str(table_path))
    if transfer_path is not None:
        transfer.load(transfer_path, mapped)  # refused before hours of work
    circuit = Circuit.of(mapped, unrolled.physical)
    spikes, labels = images(unrolled, part, data, count)
    names = tuple(layer.name for layer in mapped.layers)
    chosen = _chosen(layer_text, names)
    numbers: dict[str, Any] = {
        "kind": "replay",
        "schema": 1,
        "name": mapped.name,
        "level": level,
        "part": part,
        "seed": seed,
    }
    rows = None
    if not no_images:
        with shown() as progress:
            rows = whole.run(
                circuit,
                spikes,
                labels,
                chips=chips,
                level=level,
                seed=seed,
                table=table,
                jobs=jobs,
                progress=progress,
            )
        numbers["images"] = whole.summary(rows, names)
    if transfer_path is not None:
        said = transfer.load(transfer_path, mapped)
        numbers["transfer"] = said | transfer.transfer_mode(
            circuit, spikes[:TRANSFER_IMAGES], labels[:TRANSFER_IMAGES], said["jitter_by_layer"], chips, seed
        )
    if runs and table is not None:
        from neurocircuit.network.verify.single import in_transistors, single_neurons

        single = in_transistors if level == "transistor" else single_neurons
        numbers["neurons"] = single(
            circuit,
            table,
            spikes[:SINGLE_IMAGES],
            level=level,
            runs=runs,
            seed=seed,
            layers=chosen,
            report=lambda text: None if as_json else click.echo(text, err=True),
        )
    numbers["run"] = record(started)
    if out is not None:
        _write(out, numbers, rows)
    if as_json:
        echo_json(numbers)
    else:
        click.echo(summary(numbers))


def _chosen(text: str | None, names: tuple[str, ...]) -> tuple[int, ...]:
    if text is None:
        return tuple(range(len(names)))
    given = [name.strip() for name in text.split(",")]
    for name in given:
        if name not in names:
            raise InputError(f"--layers must be among {', '.join(names)}, got {name!r}")
    return tuple(names.index(name) for name in given)


def _write(out: Path, numbers: dict[str, Any], rows: "Rows | None") -> None:
    from neurocircuit.report import write_report

    make_directory(out)
    write_json(out / "result.json", numbers)
    if rows is not None:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        columns = ("image", "chip", "label", "software", "rounded", "decided", "predicted")
        writer.writerow([*columns, "decision_over_tau"])
        values = zip(*(getattr(rows, name) for name in (*columns, "decision_over_tau")), strict=True)
        writer.writerows([[int(v) for v in row[:-1]] + [f"{row[-1]:.6g}"] for row in values])
        write_atomically(out / "images.csv", stream.getvalue())
    write_report(out / "result.json")


def summary(numbers: dict[str, Any]) -> str:
    """The result in lines."""
    lines = []
    if "images" in numbers:
        found = numbers["images"]
        lines.append(f"{found['images']} images on {found['chips']} chips at level {numbers['level']}")
        for kind in ("accuracy", "agreement"):
            lines += [f"  {kind} {name}: {_interval(value, 2)}" for name, value in found[kind].items()]
        for layer in found["layers"]:
            lines.append(
                f"  layer {layer['name']}: latency {layer['latency'][0]:.4f}, deviation {layer['deviation'][0]:.4f} "
                f"tau, missed {layer['missed'][0]:.2%}, false {layer['false'][0]:.2%}, "
                f"wrapped {layer['wrapped'][0]:.3%}"
            )
        if not found["valid"]:
            lines.append(f"  INVALID prediction: {found['outside_share']:.2%} of operating points beyond the table")
    if "transfer" in numbers:
        lines.append(f"  paper's reading (Table 3's curve): accuracy {_interval(numbers['transfer']['accuracy'], 2)}")
    for layer in numbers.get("neurons", {}).get("layers", ()):
        lines.append(layer["sentence"])
    return "\n".join(lines)


def _interval(value: list[float], digits: int) -> str:
    return f"{value[0]:.{digits}%} ({value[1]:.{digits}%} to {value[2]:.{digits}%})"
