"""neurocircuit study compare: what noise-aware training wins back of the accuracy that a circuit costs."""

import csv
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from neurocircuit.cli._on_chips import passages_option
from neurocircuit.cli.common import data_option, echo_json, json_option, threads_option
from neurocircuit.cli.network import write_json
from neurocircuit.core.files import make_directory, read_json
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import FileFormatError, InputError

_PATH = click.Path(path_type=Path)


@click.command("compare")
@click.option("--clean", required=True, nargs=2, type=_PATH, metavar="WEIGHTS TABLE", help="The network as it was.")
@click.option(
    "--trained",
    required=True,
    multiple=True,
    nargs=2,
    type=_PATH,
    metavar="WEIGHTS TABLE",
    help="Trained under the noise, with its own recalibrated table; once for each training seed.",
)
@click.option(
    "--control",
    multiple=True,
    nargs=2,
    type=_PATH,
    metavar="WEIGHTS TABLE",
    help="Trained as long without the noise, with its own table; once for each seed, in the order of --trained.",
)
@click.option(
    "--replay",
    "replays",
    multiple=True,
    type=_PATH,
    metavar="FOLDER",
    help="Of `verify`, whole images at a level: clean, each --trained, then each --control, in their order.",
)
@click.option("--chips", default=10, show_default=True, type=click.IntRange(min=2), help="Chips each image meets.")
@click.option("--images", type=click.IntRange(min=2), help="Only the first so many test images.")
@click.option("--tables", default=4, show_default=True, type=click.IntRange(min=0), help="Redrawn tables of each.")
@passages_option
@click.option("--out", required=True, type=_PATH, help="Directory of result.json and report.")
@data_option
@threads_option
@json_option
def command(
    clean: tuple[Path, Path],
    trained: tuple[tuple[Path, Path], ...],
    control: tuple[tuple[Path, Path], ...],
    replays: tuple[Path, ...],
    chips: int,
    images: int | None,
    tables: int,
    first_passage_neurons: int | None,
    out: Path,
    data: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Compare networks on chips of a circuit in pairs: the same images, chip numbers and events for all.

    The share of the loss that is won back is (trained - clean)/(software - clean), with a 95 % interval over images,
    chips, training seeds and calibrations. --control: networks that had as many steps without the noise. --replay: the
    same in the circuit itself, of its own images and chips.
    """
    clock = RunClock()

    import torch

    from neurocircuit.report import write_report
    from neurocircuit.studies.compare import Network, recovered

    names = ["clean"] + [f"trained {k + 1}" for k in range(len(trained))]
    names += [f"control {k + 1}" for k in range(len(control))]
    in_circuit = _in_circuit(replays, names, len(trained))
    if threads is not None:
        torch.set_num_threads(threads)
    on_chips = partial(
        _evaluated, chips=chips, images=images, tables=tables, first_passage_neurons=first_passage_neurons, data=data
    )
    every = [on_chips(*pair) for pair in (clean, *trained, *control)]
    found = [Network(one.right.mean(axis=1), one.components.table) for one, _ in every]
    split = 1 + len(trained)
    summary = recovered(found[0], found[1:split], every[0][0].software.astype(float), found[split:])
    values: dict[str, Any] = {
        "kind": "compare",
        "schema": 1,
        "summary": vars(summary),
        "networks": [{"name": name, **one} for name, (_, one) in zip(names, every, strict=True)],
        "in_circuit": in_circuit,
        "valid": all(one.valid for one, _ in every),
        "run": clock.record().model_dump(),
    }
    make_directory(out)
    write_json(out / "result.json", values)
    write_report(out / "result.json")
    if as_json:
        echo_json(values)
    else:
        click.echo(f"{_sentence(values['summary'])}; report: {out / 'report.html'}")
        if in_circuit is not None:
            click.echo(f"in the circuit ({in_circuit['level']}): {_sentence(in_circuit['summary'])}")
        if not values["valid"]:
            click.echo("INVALID: more than 0.1 % of the neurons lay beyond a noise table (see the report)")


def _sentence(found: dict[str, Any]) -> str:
    share, low, high = found["share"]
    won = f"{share:.0%} of the loss won back ({low:.0%} to {high:.0%})"
    if not np.isfinite([share, low, high]).all():
        won = "a loss too small for a share of it"
    return f"clean {found['clean'][0]:.2%}, trained {found['trained'][0]:.2%}, software {found['software']:.2%}: {won}"


def _in_circuit(folders: tuple[Path, ...], names: list[str], trained: int) -> dict[str, Any] | None:
    """The comparison by whole images in the circuit. Raises InputError where folders are too few or do not fit."""
    if not folders:
        return None
    if len(folders) not in (1 + trained, len(names)):
        either = " or ".join(str(n) for n in sorted({1 + trained, len(names)}))
        raise InputError(f"--replay must be given {either} times, got {len(folders)}")
    from neurocircuit.studies.compare import Network, recovered

    levels = {read_json(folder / "result.json")["level"] for folder in folders}
    if len(levels) != 1:
        raise InputError(f"--replay folders must be of one level, got {', '.join(sorted(levels))}")
    rows = [_replayed(folder) for folder in folders]
    common = set(rows[0]).intersection(*rows[1:])
    images, chips = sorted({image for image, _ in common}), sorted({chip for _, chip in common})
    if len(common) != len(images) * len(chips) or len(images) < 2:
        raise InputError("--replay folders must have at least two images in common, each on the same chips")
    rights = [np.array([[own[image, chip][0] for image in images] for chip in chips], dtype=float) for own in rows]
    software = np.array([rows[0][image, chips[0]][1] for image in images], dtype=float)
    found = [Network(right) for right in rights]
    summary = recovered(found[0], found[1 : 1 + trained], software, found[1 + trained :])
    return {
        "level": levels.pop(),
        "images": len(images),
        "chips": len(chips),
        "summary": vars(summary),
        "networks": [
            {
                "name": name,
                "replay": str(folder),
                "accuracy": float(right.mean()),
                "by_chip": right.mean(axis=1).tolist(),
            }
            for name, folder, right in zip(names, folders, rights, strict=False)
        ],
    }


def _replayed(folder: Path) -> dict[tuple[int, int], tuple[bool, bool]]:
    """By image and chip, whether the circuit and eq. (4) with exact weights are right."""
    path = folder / "images.csv"
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {
            (int(row["image"]), int(row["chip"])): (row["decided"] == row["label"], row["software"] == row["label"])
            for row in rows
        }
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, ValueError) as error:
        raise FileFormatError(f"{path} is no table of replayed images: {error}") from None


def _evaluated(
    weights: Path,
    table_path: Path,
    *,
    chips: int,
    images: int | None,
    tables: int,
    first_passage_neurons: int | None,
    data: Path | None,
) -> tuple[Any, dict[str, Any]]:
    """One network on chips: the result and its numbers. Raises InputError where the table is of other weights."""
    from neurocircuit.cli._on_chips import to_dict
    from neurocircuit.core.files import file_sha256
    from neurocircuit.noise import NoiseTable
    from neurocircuit.snn import checkpoint
    from neurocircuit.snn.data import library
    from neurocircuit.snn.data.images import Section
    from neurocircuit.snn.hardware.evaluate import FIRST_PASSAGE_NEURONS, evaluate_on_chips
    from neurocircuit.spec import MappedNetwork

    subject, network = checkpoint.load_network(weights)
    table = NoiseTable.load(table_path)
    mapped = MappedNetwork.from_dict(table.provenance["network"])
    if mapped.checkpoint_sha256 != file_sha256(weights):
        raise InputError(f"{table_path} must be calibrated for {weights}: its network has other weights")
    source = library.load(subject.data, "test", data)
    if images is not None and images > len(source):
        raise InputError(f"--images must be <= {len(source)}, got {images}")
    part = source if images is None else Section(source, 0, images)
    found = evaluate_on_chips(
        network,
        part,
        subject,
        table,
        chips,
        1,
        outside="nearest",
        tables=tables,
        first_passage_neurons=FIRST_PASSAGE_NEURONS if first_passage_neurons is None else first_passage_neurons,
    )
    leads = [own.lead_rad for own in mapped.layers]
    files = {"weights": str(weights), "table": str(table_path), "noise_sha256": file_sha256(table_path)}
    return found, to_dict(found, 10e-12, mapped.neuron.tau_s) | files | {"lead_rad": leads}
