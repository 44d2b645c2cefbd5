"""Operating points on chips: what a level makes of them, one chip or many, in any number of processes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.core.pool import Pool, Progress, silent
from neurocircuit.network.calibrate.points import Points
from neurocircuit.network.run import Circuit
from neurocircuit.neuron import chip as chips
from neurocircuit.neuron import flicker, levels, supply
from neurocircuit.neuron.sensitivity import COMPONENTS, membrane_terms, synapse_term
from neurocircuit.noise.causes import Cause, threshold_errors, total
from neurocircuit.spec import StartPhases, Variation

_EVENT = 10**6  # events of the calibration: beyond the numbers of images
_PER_TASK = 5  # runs


class Simulated(NamedTuple):
    """Points on a chip: circuit times [point], membrane terms [component, point], wraps [point].

    offsets: relative frequency offsets of VCO1 … VCO4 by flicker, [4, point]; None without it.
    supply_rad: phases of the supply's tones at arming, [tone, point]; None without ripple.
    """

    t_over_tau: Floats
    terms: Floats
    wrapped: Bools
    offsets: Floats | None
    supply_rad: Floats | None


@dataclass(frozen=True)
class ChipRun:
    """Points on one chip in one event, as `simulate_points` takes them; variation None: the network's.

    cause: of one's own that acts too.
    """

    points: Points
    chip: int
    level: str
    event: int | None = 0
    variation: Variation | None = None
    cause: Cause | None = None


@dataclass(frozen=True)
class _Task:
    number: int
    circuit: Circuit
    runs: tuple[ChipRun, ...]
    seed: int


def simulate_chips(
    circuit: Circuit, runs: Sequence[ChipRun], seed: int, pool: Pool, progress: Progress = silent, label: str = ""
) -> list[Simulated]:
    """Return what `simulate_points` gives for each run, in their order.

    progress hears how many runs are done, with `label` and how many there are.
    """
    tasks = [
        _Task(k, circuit, tuple(_to_send(run) for run in runs[k : k + _PER_TASK]), seed)
        for k in range(0, len(runs), _PER_TASK)
    ]
    simulated: dict[int, list[Simulated]] = {}
    done = 0
    for task, values in pool.run(_simulate, tasks):
        simulated[task.number] = values
        done += len(values)
        progress(done, len(runs), f"{label}, {done} of {len(runs)} runs")
    return [values for number in sorted(simulated) for values in simulated[number]]


def _to_send(run: ChipRun) -> ChipRun:
    """Return the run without what belongs to all images, which would be large in another process."""
    return replace(run, points=replace(run.points, all_coordinates=run.points.all_coordinates[:, :0]))


def _simulate(task: _Task) -> list[Simulated]:
    ours = task.circuit.mapped.variation
    return [
        simulate_points(
            task.circuit,
            run.points,
            ours if run.variation is None else run.variation,
            task.seed,
            run.chip,
            run.level,
            run.event,
            run.cause,
        )
        for run in task.runs
    ]


def simulate_points(
    circuit: Circuit,
    points: Points,
    variation: Variation,
    seed: int,
    chip: int,
    level: str,
    event: int | None = 0,
    cause: Cause | None = None,
) -> Simulated:
    """Return what one chip makes of points.

    event: its number; None: all oscillators start at 0 and have no noise. cause: of one's own that acts too, in event 0
    without a number.

    Terms are first order at the ideal operating point, that of the synapses exact in each weight's error.
    """
    k, spec, layer = points.layer, points.spec, circuit.layers[points.layer]
    drawn = circuit.draw_layer(k, variation, seed, chip)
    rows = layer.row[points.neuron] if circuit.mapped.synapses == "shared" else points.neuron
    synapse: Floats = drawn.synapse[rows].astype(np.float64) if len(drawn.synapse) > 1 else np.zeros((1, 1))
    if event is None:
        spec = spec.without_noise().replace(start_phases=StartPhases())
    start, seeds = chips.draw_event(spec, seed, chip, _EVENT + (event or 0), k, len(points.neuron))
    chip_layer = replace(drawn, neuron_errors=drawn.neuron_errors.take(points.neuron))
    weights = chip_layer.weights(points.weights, synapse)
    errors = chip_layer.neurons
    if cause is not None:
        taken = total((cause,), chip, circuit.layer_of_causes(k), event or 0)[points.neuron]
        errors = replace(errors, threshold=errors.threshold + threshold_errors(spec, taken))
    record = levels.evaluate(level, spec, points.times, weights, start_rad=start, noise_seed=seeds, errors=errors)
    term = synapse_term(spec, points.point, points.times, points.weights, synapse)
    terms = membrane_terms(spec, points.point, chip_layer, term)
    offsets = None if spec.flicker is None else flicker.draw(spec, seeds)
    by_component = np.stack([terms.of(name) for name in COMPONENTS])
    supply_rad = None if spec.ripple is None else supply.phases(spec, seeds)
    return Simulated(record.by_itself_over_tau, by_component, record.false_fire, offsets, supply_rad)
