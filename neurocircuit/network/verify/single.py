"""Single trained neurons of every layer against a noise table, or level against level where causes differ."""

from typing import Any

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import Progress, silent
from neurocircuit.errors import InputError
from neurocircuit.network.calibrate import Points
from neurocircuit.network.run import Circuit
from neurocircuit.network.verify import correlation, level_agreement, neurons, transistors
from neurocircuit.neuron import levels
from neurocircuit.noise.model import LARGEST_OUTSIDE, NoiseModel
from neurocircuit.noise.table import NoiseTable

CHIPS = 40
CORRELATION_CHIPS = 60
FAST = ("edge", "averaged")  # levels at which every point can meet every chip


def single_neurons(
    circuit: Circuit,
    table: NoiseTable,
    images: list[Floats],
    *,
    level: str,
    runs: int,
    seed: int,
    layers: tuple[int, ...],
    progress: Progress = silent,
) -> dict[str, Any]:
    """About `runs` neurons of each of `layers`, from images given by their input spikes [number]."""
    spec = circuit.mapped.neuron_of(0)
    calibrated = str(table.provenance["level"])
    differing = level_agreement.differing_causes(
        levels.not_modelled(level, spec), levels.not_modelled(calibrated, spec), level, calibrated
    )
    points_of_layer = neurons.points_of(circuit, images, runs, seed)
    if differing:
        checks = [
            level_agreement.level_discrepancy(
                circuit, points_of_layer[layer], level, calibrated, chip_count=CHIPS, seed=seed
            )
            for layer in layers
        ]
    else:
        checks = [
            _layer(circuit, table, points_of_layer[layer], level, seed, _part(progress, k, len(layers)))
            for k, layer in enumerate(layers)
        ]
    return {"level": level, "table_level": calibrated, "differing_causes": differing, "layers": checks}


def in_transistors(
    circuit: Circuit,
    table: NoiseTable,
    images: list[Floats],
    *,
    level: str,
    runs: int,
    seed: int,
    layers: tuple[int, ...],
    progress: Progress = silent,
) -> dict[str, Any]:
    """`runs` neurons of the first layer at level transistor; wider layers are named with their limit.

    Raises InputError when `layers` does not hold the first one.
    """
    if 0 not in layers:
        raise InputError(
            f"--layers must hold {circuit.mapped.layers[0].name} at level transistor, the only layer that is run there"
        )
    progress(0, 1, f"layer {circuit.mapped.layers[0].name}: {runs} neurons in transistors, some 20 s each")
    checks = transistors.replay(circuit, NoiseModel(table, outside="ideal"), images, runs, seed)
    calibrated = str(table.provenance["level"])
    return {"level": level, "table_level": calibrated, "differing_causes": [], "layers": [checks]}


def _part(progress: Progress, k: int, parts: int) -> Progress:
    """Return the progress of part k of `parts` equal ones."""

    def of_part(done: float, total: float, label: str = "") -> None:
        progress(k + done / total, parts, label)

    return of_part


def _layer(
    circuit: Circuit, table: NoiseTable, points: Points, level: str, seed: int, progress: Progress
) -> dict[str, Any]:
    model = NoiseModel(table, outside="ideal")
    answered, known = model.reach(points.layer, points.all_coordinates)
    reached, _ = model.reach(points.layer, points.coordinates)
    inside = np.flatnonzero(reached | ~points.point.fired)
    left_out = len(reached) - len(inside)
    points = points.take(inside)
    runs = neurons.replay(
        circuit,
        model,
        points,
        level=level,
        chips=min(CHIPS, len(inside)),
        seed=seed,
        progress=progress,
    )
    row = neurons.summary(circuit, runs)
    share = float(np.mean(~answered))
    row |= {
        "points_of_all_images": len(answered),
        "outside_share": share,
        "tail_share": float(np.mean(answered & ~known)),
        "left_out": left_out,
        "valid": share <= LARGEST_OUTSIDE,
        "worst": level_agreement.worst(circuit, runs, level, seed),
    }
    if not row["valid"]:
        row["sentence"] += f" Marked INVALID: {share:.2%} of the layer's firing neurons lie beyond the table."
    if level in FAST:
        pair = correlation.scores(circuit, model, points, level=level, chips=CORRELATION_CHIPS, seed=seed)
        row["correlation"] = correlation.summary(pair)
    else:
        row["correlation"] = correlation.of_runs(circuit, model, runs, seed)
    return row
