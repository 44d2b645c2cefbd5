"""neurocircuit recovered: what noise-aware training wins back of the accuracy that a circuit costs."""

import time
from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import data_option, echo_json, json_option, threads_option
from neurocircuit.cli.network import record, write_json
from neurocircuit.errors import InputError

_PATH = click.Path(path_type=Path)


@click.command("recovered")
@click.option("--clean", required=True, nargs=2, type=_PATH, metavar="WEIGHTS TABLE", help="The network as it was.")
@click.option(
    "--trained", required=True, multiple=True, nargs=2, type=_PATH, metavar="WEIGHTS TABLE",
    help="Trained under the noise, with its own recalibrated table; once for each training seed.",
)  # fmt: skip
@click.option("--chips", default=10, show_default=True, type=click.IntRange(min=2), help="Chips each image meets.")
@click.option("--images", type=click.IntRange(min=2), help="Only the first so many test images.")
@click.option("--tables", default=4, show_default=True, type=click.IntRange(min=0), help="Redrawn tables of each.")
@click.option("--out", required=True, type=_PATH, help="Directory of result.json and report.")
@data_option
@threads_option
@json_option
def command(
    clean: tuple[Path, Path],
    trained: tuple[tuple[Path, Path], ...],
    chips: int,
    images: int | None,
    tables: int,
    out: Path,
    data: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Compare networks on chips of a circuit in pairs: the same images, chip numbers and events for all.

    The share of the loss that is won back is (trained - clean)/(software - clean), with a 95 % interval over images,
    chips, training seeds and calibrations.
    """
    started = time.process_time()

    import torch

    from neurocircuit.report.recovered import write_recovered_report
    from neurocircuit.snn.recovered import recovered

    if threads is not None:
        torch.set_num_threads(threads)
    found = [_evaluated(weights, table, chips, images, tables, data) for weights, table in (clean, *trained)]
    summary = recovered(found[0][0], [one for one, _ in found[1:]])
    values: dict[str, Any] = {
        "summary": vars(summary),
        "networks": [{"name": "clean" if k == 0 else f"trained {k}", **one} for k, (_, one) in enumerate(found)],
        "valid": all(one.valid for one, _ in found),
        "run": record(started),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write in {out}: {error.strerror}") from None
    write_json(out / "result.json", values)
    write_recovered_report(out / "result.json")
    if as_json:
        echo_json(values)
    else:
        share, low, high = summary.share
        click.echo(
            f"clean {summary.clean[0]:.2%}, trained {summary.trained[0]:.2%}, software {summary.software:.2%}: "
            f"{share:.0%} of the loss won back ({low:.0%} to {high:.0%}); report: {out / 'report.html'}"
        )
        if not values["valid"]:
            click.echo("INVALID: more than 0.1 % of the neurons lay beyond a noise table (see the report)")


def _evaluated(
    weights: Path, table_path: Path, chips: int, images: int | None, tables: int, data: Path | None
) -> tuple[Any, dict[str, Any]]:
    """One network on chips: the result and its numbers. Raises InputError where the table is of other weights."""
    from neurocircuit.cli._on_chips import to_dict
    from neurocircuit.noise import NoiseTable
    from neurocircuit.snn import checkpoint
    from neurocircuit.snn.conditions import sha256_of
    from neurocircuit.snn.data import library
    from neurocircuit.snn.data.images import Part
    from neurocircuit.snn.hardware import evaluate_on_chips
    from neurocircuit.spec import MappedNetwork

    subject, network = checkpoint.load_network(weights)
    table = NoiseTable.load(table_path)
    mapped = MappedNetwork.from_dict(table.provenance["network"])
    if mapped.checkpoint_sha256 != sha256_of(weights):
        raise InputError(f"{table_path} must be calibrated for {weights}: its network has other weights")
    source = library.load(subject.data, "test", data)
    if images is not None and images > len(source):
        raise InputError(f"--images must be <= {len(source)}, got {images}")
    part = source if images is None else Part(source, 0, images)
    found = evaluate_on_chips(network, part, subject, table, chips, 1, outside="nearest", tables=tables)
    leads = [own.lead_rad for own in mapped.layers]
    files = {"weights": str(weights), "table": str(table_path), "noise_sha256": sha256_of(table_path)}
    return found, to_dict(found, 10e-12, mapped.neuron.tau_s) | files | {"lead_rad": leads}
