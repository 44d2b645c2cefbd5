"""Operating points of a mapped network → noise table: each point simulated on many chips, at one level."""

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import IN_PROCESS, Pool, Progress, part_of, silent
from neurocircuit.network.calibrate.points import EVERYWHERE, Points, Within, collect
from neurocircuit.network.calibrate.simulate import ChipRun, simulate_chips
from neurocircuit.network.run import Circuit
from neurocircuit.neuron import levels
from neurocircuit.neuron.operating_points import concatenate
from neurocircuit.noise import fit
from neurocircuit.noise.table import NoiseTable


def fit_table(
    circuit: Circuit,
    images: list[Floats],
    *,
    level: str = "edge",
    seed: int = 1,
    chip_count: int = 100,
    points_per_layer: int = 300,
    axes: tuple[str, ...] | None = None,
    within: Within = EVERYWHERE,
    first_chip: int = 10_000,
    pool: Pool = IN_PROCESS,
    progress: Progress = silent,
) -> tuple[NoiseTable, list[Points], list[fit.Samples]]:
    """Return the noise table of a network at a level, its points, and what the chips made of them, by layer.

    Each chip meets every point once, so has far more than 20 events. within: if given, the table spans slope, time and
    headroom up to there, and what lies beyond is outside of it.
    """
    all_points = collect(circuit, images, points_per_layer, seed, within=within, pool=pool)
    axes = axes if within.all else ("slope", "time", "headroom")
    fits, samples = [], []
    numbers = range(first_chip, first_chip + chip_count)
    every_run = []
    for points in all_points:
        chip_runs = [ChipRun(points, chip, level) for chip in numbers]
        label = f"layer {circuit.mapped.layers[points.layer].name}: {len(points.neuron)} neurons"
        part = part_of(progress, points.layer, len(all_points))
        every_run.append(simulate_chips(circuit, chip_runs, seed, pool, part, label))
    for points, runs in zip(all_points, every_run, strict=True):
        n = len(points.neuron)
        repeated = concatenate([points.point] * chip_count)
        offsets = [run.offsets for run in runs if run.offsets is not None]
        supply_rad = [run.supply_rad for run in runs if run.supply_rad is not None]
        samples.append(
            fit.Samples(
                point=repeated,
                headroom=np.tile(points.headroom, chip_count),
                u=np.concatenate([run.terms for run in runs], axis=1),
                t_over_tau=np.concatenate([run.t_over_tau for run in runs]),
                operating_point=np.tile(np.arange(n), chip_count),
                chip=np.repeat(np.arange(chip_count), n),
                wrapped=np.concatenate([run.wrapped for run in runs]),
                membranes=points.membranes,
                common=None if points.common is None else np.tile(points.common, chip_count),
                offsets=np.concatenate(offsets, axis=1) if offsets else None,
                supply_rad=np.concatenate(supply_rad, axis=1) if supply_rad else None,
            )
        )
        fits.append(fit.fit_layer(points.spec, samples[-1], points.ranges, axes, points.early))
    provenance = {
        "network": circuit.mapped.to_dict(),
        "level": level,
        "engine": levels.engine(level),
        "seed": seed,
        "chips": chip_count,
        "points_per_layer": points_per_layer,
        "images": len(images),
        "not_modelled": list(levels.not_modelled(level, circuit.mapped.neuron_of(0))),
    }
    if circuit.causes:
        provenance["own_causes"] = [cause.name for cause in circuit.causes]
    return NoiseTable.from_fits(fits, provenance), all_points, samples
