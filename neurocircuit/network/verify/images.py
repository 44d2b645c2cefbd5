"""Whole images, every neuron on the circuit, beside what the noise model says of the same chips.

A row is one image on one chip: decisions of eq. (4) (software), of the circuit and of the noise model, and by layer the
median lateness (latency), the spread of what is left (deviation), the shares of missed and false spikes. Shares and
means over rows have intervals clustered by image and by chip.
"""

import csv
import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import IN_PROCESS, Pool, Progress, silent
from neurocircuit.core.stats import random_effects, robust_spread
from neurocircuit.core.stats.clustered import clustered_interval
from neurocircuit.network.run import Chip, Circuit, decide, slices, spikes_of
from neurocircuit.neuron.membrane import Membranes, membranes
from neurocircuit.neuron.on_time import OnTimes
from neurocircuit.neuron.operating_points import Operating
from neurocircuit.neuron.sensitivity import membrane_terms, synapse_term
from neurocircuit.noise.causes import check_same
from neurocircuit.noise.model import Count, NoiseModel
from neurocircuit.noise.table import NoiseTable
from neurocircuit.results.inference import InferenceCost, NeuronPower
from neurocircuit.results.replay import ImagesReplay, Interval, LayerReplay, WithoutCause

# The fields of `results.replay.LayerReplay`, in their order.
LAYER_COLUMNS = ("latency", "deviation", "late_05", "late_95", "missed", "false", "wrapped", "beyond_xor")
_PER_TASK = 10


@dataclass(frozen=True)
class Rows:
    """One row for each image and chip. circuit, model: [row, layer, column] by LAYER_COLUMNS, model nan without one."""

    image: NDArray[np.int64]
    chip: NDArray[np.int64]
    label: NDArray[np.int64]
    software: NDArray[np.int64]
    rounded: NDArray[np.int64]
    decided: NDArray[np.int64]
    predicted: NDArray[np.int64]
    decision_over_tau: Floats
    circuit: Floats
    model: Floats
    on: OnTimes
    count: Count


@dataclass(frozen=True)
class _Task:
    circuit: Circuit
    table: NoiseTable | None
    images: list[Floats]
    labels: NDArray[np.int64]
    first: int
    chips: int
    seed: int
    level: str


def run(
    circuit: Circuit,
    images: list[Floats],
    labels: NDArray[np.int64],
    *,
    chips: int,
    level: str,
    seed: int,
    table: NoiseTable | None = None,
    pool: Pool = IN_PROCESS,
    progress: Progress = silent,
) -> Rows:
    """Return all images on all chips; what a row is does not depend on the pool."""
    if table is not None:
        check_same(table.own_causes, circuit.causes)
    tasks = [
        _Task(circuit, table, images[k : k + _PER_TASK], labels[k : k + _PER_TASK], k, chips, seed, level)
        for k in range(0, len(images), _PER_TASK)
    ]
    parts: dict[int, list[tuple[Any, ...]]] = {}
    for task, part in pool.run(_work, tasks):
        parts[task.first] = part
        progress(len(parts), len(tasks), "whole images")
    rows = [row for first in sorted(parts) for row in parts[first]]
    names = ("image", "chip", "label", "software", "rounded", "decided", "predicted", "decision_over_tau")
    columns: dict[str, Any] = {name: np.array([row[k] for row in rows]) for k, name in enumerate(names)}
    circuit_rows, model_rows = (np.array([row[k] for row in rows]) for k in (8, 9))
    on = OnTimes.joined([row[10] for row in rows])
    count = Count(
        sum(row[11].points for row in rows), sum(row[11].outside for row in rows), sum(row[11].tail for row in rows)
    )
    return Rows(**columns, circuit=circuit_rows, model=model_rows, on=on, count=count)


def _work(task: _Task) -> list[tuple[Any, ...]]:
    circuits = [task.circuit.chip(task.seed, number) for number in range(task.chips)]
    rows = []
    for k, (spikes, label) in enumerate(zip(task.images, task.labels, strict=True)):
        exact, ideal = task.circuit.ideal(spikes, exact_weights=True), task.circuit.ideal(spikes)
        software = decide(spikes_of(exact[-1]))
        rows += [_row(task, chip, task.first + k, spikes, int(label), software, ideal) for chip in circuits]
    return rows


def _row(
    task: _Task, chip: Chip, image: int, spikes: Floats, label: int, software: int, ideal: list[Operating]
) -> tuple[Any, ...]:
    runs = chip.run(spikes, image, task.level)
    records = [
        _statistics(point, run.t_over_tau, float(run.false_fire.mean()), float((run.headroom > 1).mean()))
        for point, run in zip(ideal, runs, strict=True)
    ]
    count, predicted, expected = Count(), -2, [[np.nan] * len(LAYER_COLUMNS) for _ in ideal]
    if task.table is not None:
        model = NoiseModel(task.table, outside="ideal")
        times = predict(chip, model, spikes, image)
        expected = [_statistics(point, t, np.nan, np.nan) for point, t in zip(ideal, times, strict=True)]
        count, predicted = model.count, decide(times[-1])
    last = runs[-1].t_over_tau
    return (
        image,
        chip.number,
        label,
        software,
        decide(spikes_of(ideal[-1])),
        decide(last),
        predicted,
        task.circuit.decision_over_tau(last),
        records,
        expected,
        task.circuit.on_times(runs),
        count,
    )


def predict(chip: Chip, model: NoiseModel, spikes: Floats, image: int) -> list[Floats]:
    """What the noise model says of one image on one chip, layer by layer: times [neuron], events drawn by number.

    Errors of die, neurons and synapses are that chip's own, by their first-order terms.
    """
    circuit = chip.circuit

    def step(k: int, received: Floats) -> tuple[Floats, Floats]:
        spec, layer, chip_layer = circuit.mapped.neuron_of(k), circuit.layers[k], chip.layers[k]
        point = circuit.operate(k, received)
        parts, synapse = [], np.empty(layer.neurons)
        for some in slices(layer.neurons, layer.fan_in):
            inputs, weights = circuit.received(k, received, some)
            errors = chip_layer.synapse[some] if len(chip_layer.synapse) > 1 else chip_layer.synapse
            which = np.arange(layer.neurons)[some]
            synapse[some] = synapse_term(spec, point.take(which), inputs, weights, errors.astype(np.float64))
            parts.append(membranes(spec, inputs, weights))
        terms = membrane_terms(spec, point, chip_layer, synapse)
        taken = chip.taken(k, image)
        if taken is not None:
            terms = replace(terms, neuron=terms.neuron + taken)
        event = np.random.default_rng([chip.seed, 14, chip.number, image, k])
        joined = Membranes(parts[0].grid, np.concatenate([part.v for part in parts]), parts[0].g)
        times = model.times(k, spec, point, terms, event, joined, chip.supply_rad(k, image))
        return times, times

    return circuit.propagate(spikes, step)


def _statistics(point: Operating, t: Floats, wrapped: float, beyond: float) -> list[float]:
    """Return LAYER_COLUMNS of one image."""
    both = point.fired & np.isfinite(t)
    late = t[both] - point.at[both]
    if len(late) == 0:
        late = np.zeros(1)
    latency = float(np.median(late))
    low, high = np.quantile(late, (0.05, 0.95))
    missed, false = np.mean(point.fired & ~np.isfinite(t)), np.mean(~point.fired & np.isfinite(t))
    deviation = robust_spread(late)
    return [latency, deviation, float(low), float(high), float(missed), float(false), wrapped, beyond]


def to_csv(rows: Rows) -> str:
    """Return a row for each image on each chip."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = ("image", "chip", "label", "software", "rounded", "decided", "predicted")
    writer.writerow([*columns, "decision_over_tau"])
    values = zip(*(getattr(rows, name) for name in (*columns, "decision_over_tau")), strict=True)
    writer.writerows([[int(v) for v in row[:-1]] + [f"{row[-1]:.6g}"] for row in values])
    return stream.getvalue()


def summary(
    rows: Rows, circuit: Circuit, power: NeuronPower, without: tuple[WithoutCause, ...] | None = None
) -> ImagesReplay:
    """Return accuracies, agreements and layers, each as value, low, high (95 %), clustered by image and by chip.

    power: of a neuron of the circuit, for the energy; without: the same images without a cause.
    """
    mapped = circuit.mapped
    has_model = bool((rows.predicted != -2).any())
    circuit_right, model_right = rows.decided == rows.label, rows.predicted == rows.label
    right = {
        "software": rows.software == rows.label,
        "rounded weights": rows.rounded == rows.label,
        "circuit": circuit_right,
    }
    agree = {"circuit and software": rows.decided == rows.software, "circuit and rounded": rows.decided == rows.rounded}
    if has_model:
        right["noise model"] = model_right
        agree["circuit and noise model"] = rows.decided == rows.predicted
    return ImagesReplay(
        images=len(np.unique(rows.image)),
        chips=len(np.unique(rows.chip)),
        accuracy={name: share_of(value, rows) for name, value in right.items()},
        agreement={name: share_of(value, rows) for name, value in agree.items()},
        by_chip={str(chip): float(circuit_right[rows.chip == chip].mean()) for chip in np.unique(rows.chip)},
        undecided=int((rows.decided == -1).sum()),
        decision_over_tau=_mean(rows.decision_over_tau, rows),
        cost=InferenceCost.of(rows.on, power, mapped.neuron.tau_s, circuit.physical.neurons, circuit.latest_over_tau),
        layers=tuple(_layer(rows, k, layer.name, has_model) for k, layer in enumerate(mapped.layers)),
        outside=rows.count.outside,
        points=rows.count.points,
        outside_share=rows.count.share,
        tail_share=rows.count.tail / max(rows.count.points, 1),
        valid=rows.count.valid,
        accuracy_difference=_mean(circuit_right.astype(float) - model_right, rows) if has_model else None,
        without=without,
    )


def _layer(rows: Rows, k: int, name: str, has_model: bool) -> LayerReplay:
    columns = {column: _mean(rows.circuit[:, k, j], rows) for j, column in enumerate(LAYER_COLUMNS)}
    if has_model:
        columns |= {
            f"model_{column}": _mean(rows.model[:, k, j], rows)
            for j, column in enumerate(LAYER_COLUMNS)
            if column not in ("wrapped", "beyond_xor")
        }
    return LayerReplay(name=name, **columns)


def share_of(values: NDArray[np.bool_], rows: Rows) -> Interval:
    """Return a share with its interval, over images and, of five on, chips."""
    right = random_effects.by_chip_and_image(values.astype(float), rows.chip, rows.image)
    low, high = random_effects.accuracy_interval(right, random_effects.components(right))
    return float(values.mean()), low, high


def _mean(values: Floats, rows: Rows) -> Interval:
    return clustered_interval(values, rows.image, rows.chip)
