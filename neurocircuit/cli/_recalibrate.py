"""The end of `train --recalibrate`: the new weights mapped onto the same circuit, and its noise table anew."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.errors import InputError
from neurocircuit.files import write_atomically

POINTS, SEED = 240, 2  # of a layer; another seed than that of `calibrate`, so that other points are met


def check(chips: int | None, noise: str, mode: str) -> None:
    """Raises InputError where there is nothing to recalibrate."""
    if chips is not None and (not noise or mode != "calibrated"):
        raise InputError("--recalibrate needs the noise table of a mapped network: give --noise TABLE")


def recalibrate(weights: Path, noise: Path, data: Path | None, chips: int, images: int) -> dict[str, Any]:
    """Write network.toml and table.nc beside `weights`; what was found."""
    from neurocircuit import calibrate
    from neurocircuit.cli.network import images as read_images
    from neurocircuit.mapping import physical as unrolled
    from neurocircuit.mapping.again import map_again
    from neurocircuit.mapping.replay import Circuit
    from neurocircuit.noise import NoiseTable
    from neurocircuit.spec import MappedNetwork

    before = MappedNetwork.from_dict(NoiseTable.load(noise).provenance["network"])
    physical = unrolled.load(weights)
    spikes, _ = read_images(physical, "train", data, images)
    mapped, limits = map_again(before, physical, spikes, weights.name, unrolled.file_sha256(weights))
    write_atomically(weights.with_name("network.toml"), mapped.to_toml())
    table, _, _ = calibrate.calibrate(
        Circuit.of(mapped, physical), spikes, seed=SEED, chip_count=chips, points_per_layer=POINTS,
        report=lambda line: click.echo(line, err=True),
    )  # fmt: skip
    table.save(weights.with_name("table.nc"))
    return {
        "network": str(weights.with_name("network.toml")),
        "table": str(weights.with_name("table.nc")),
        "limits": limits,
        "limits_met": all(limit["met"] for limit in limits),
    }
