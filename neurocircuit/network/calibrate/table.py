"""Operating points of a mapped network → noise table: each point simulated on many chips, at one level."""

from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.core.pool import Pool, Progress, open_pool, silent
from neurocircuit.network.calibrate.points import EVERYWHERE, Points, Within, collect, simulate_points
from neurocircuit.network.run import Circuit
from neurocircuit.neuron import levels
from neurocircuit.neuron.operating_points import concatenate
from neurocircuit.noise import fit
from neurocircuit.noise.table import NoiseTable

_CHIPS_PER_TASK = 5


@dataclass(frozen=True)
class _Chips:
    """A task: the points of a layer on some chips."""

    circuit: Circuit
    points: Points
    chips: tuple[int, ...]
    level: str
    seed: int


Simulated = tuple[Floats, Floats, Bools]


def _simulate(task: _Chips) -> list[Simulated]:
    variation = task.circuit.mapped.variation
    return [simulate_points(task.circuit, task.points, variation, task.seed, chip, task.level) for chip in task.chips]


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
    jobs: int = 1,
    progress: Progress = silent,
) -> tuple[NoiseTable, list[Points], list[fit.Samples]]:
    """Return the noise table of a network at a level, its points, and what the chips made of them, by layer.

    Each chip meets every point once, so has far more than 20 events. within: if given, the table spans slope, time and
    headroom up to there, and what lies beyond is outside of it.
    """
    all_points = collect(circuit, images, points_per_layer, seed, within=within)
    axes = axes if within.all else ("slope", "time", "headroom")
    fits, samples = [], []
    numbers = range(first_chip, first_chip + chip_count)
    with open_pool(jobs) as pool:
        every_run = [
            _runs(pool, circuit, points, numbers, level, seed, len(all_points), progress) for points in all_points
        ]
    for points, runs in zip(all_points, every_run, strict=True):
        n = len(points.neuron)
        repeated = concatenate([points.point] * chip_count)
        samples.append(
            fit.Samples(
                point=repeated,
                headroom=np.tile(points.headroom, chip_count),
                u=np.concatenate([u for _, u, _ in runs], axis=1),
                t_over_tau=np.concatenate([t for t, _, _ in runs]),
                operating_point=np.tile(np.arange(n), chip_count),
                chip=np.repeat(np.arange(chip_count), n),
                wrapped=np.concatenate([wrapped for _, _, wrapped in runs]),
                membranes=points.membranes,
                common=None if points.common is None else np.tile(points.common, chip_count),
            )
        )
        fits.append(fit.fit_layer(points.spec, samples[-1], circuit.window, points.ranges, axes, points.early))
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
    return NoiseTable.from_fits(fits, provenance), all_points, samples


def _runs(
    pool: Pool, circuit: Circuit, points: Points, chips: range, level: str, seed: int, layers: int, progress: Progress
) -> list[Simulated]:
    """Return what each chip made of a layer's points, in the chips' order."""
    tasks = [
        _Chips(circuit, points, tuple(chips[k : k + _CHIPS_PER_TASK]), level, seed)
        for k in range(0, len(chips), _CHIPS_PER_TASK)
    ]
    name = circuit.mapped.layers[points.layer].name
    by_chip: dict[int, Simulated] = {}
    for task, simulated in pool.run(_simulate, tasks):
        by_chip |= dict(zip(task.chips, simulated, strict=True))
        done = points.layer * len(chips) + len(by_chip)
        progress(done, layers * len(chips), f"layer {name}: {len(points.neuron)} points x {len(chips)} chips")
    return [by_chip[chip] for chip in chips]
