"""The end of `train --recalibrate`: the new weights mapped onto the same circuit, and its noise table anew."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.core.files import file_sha256, write_atomically
from neurocircuit.errors import InputError

IMAGES = 30  # whose neurons the table is made from
POINTS, SEED = 240, 2  # of a layer; another seed than that of `calibrate`, so that other points are met


def check(chips: int | None, noise: str, mode: str) -> None:
    """Raises InputError where there is nothing to recalibrate."""
    if chips is not None and (not noise or mode != "calibrated"):
        raise InputError("--recalibrate needs the noise table of a mapped network: give --noise TABLE")


def recalibrate(weights: Path, noise: Path, data: Path | None, chips: int, mapped_images: int) -> dict[str, Any]:
    """Write network.toml and table.nc beside `weights`; what was found.

    Scales are chosen anew from the same base circuit within the same window: weights that grew cost lead.
    """
    from neurocircuit.cli.network import images as read_images
    from neurocircuit.network import calibrate
    from neurocircuit.network.limits import Choice
    from neurocircuit.network.mapping import build
    from neurocircuit.network.run import Circuit
    from neurocircuit.noise import NoiseTable
    from neurocircuit.snn import unroll
    from neurocircuit.spec import MappedNetwork

    before = MappedNetwork.from_dict(NoiseTable.load(noise).provenance["network"])
    unrolled = unroll.load(weights)
    physical = unrolled.physical
    spikes, labels = read_images(unrolled, "train", data, max(mapped_images, IMAGES))
    mapping = build(
        physical,
        before.neuron,
        before.variation,
        spikes[:mapped_images],
        labels[:mapped_images],
        Choice(use=before.use),
        name=before.name,
        checkpoint=weights.name,
        checkpoint_sha256=file_sha256(weights),
        window_over_tau=before.neuron.window_over_tau,
    )
    mapped = mapping.mapped
    write_atomically(weights.with_name("network.toml"), mapped.to_toml())
    table, _, _ = calibrate.calibrate(
        Circuit.of(mapped, physical),
        spikes[:IMAGES],
        seed=SEED,
        chip_count=chips,
        points_per_layer=POINTS,
        report=lambda line: click.echo(line, err=True),
    )
    table.save(weights.with_name("table.nc"))
    leads = [[own.lead_rad, old.lead_rad] for own, old in zip(mapped.layers, before.layers, strict=True)]
    return {
        "network": str(weights.with_name("network.toml")),
        "table": str(weights.with_name("table.nc")),
        "lead_rad_and_before": leads,
        "limits_met": mapping.met,
    }
