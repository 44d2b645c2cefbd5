"""The rows of a study of conditions: each condition three times, each row a task that is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.core.taskstore import Task, TaskStore, arrays_sha256, key_of, run_tasks
from neurocircuit.errors import SpecError
from neurocircuit.network.physical import PhysicalNetwork
from neurocircuit.network.run import Circuit
from neurocircuit.network.windowed import WindowedNetwork
from neurocircuit.process.request import slug
from neurocircuit.results.pvt import TRIMS, FailedRow, MappedLayer, Row, Trim
from neurocircuit.spec import MappedNetwork
from neurocircuit.studies import inference
from neurocircuit.studies.pvt.circuit import at_condition, with_new_scales
from neurocircuit.studies.pvt.conditions import Characterised

_ROW: TypeAdapter[Row | FailedRow] = TypeAdapter(Row | FailedRow)


def run(
    mapped: MappedNetwork,
    physical: PhysicalNetwork | WindowedNetwork,
    nominal: Characterised,
    conditions: Sequence[Characterised],
    training: list[Floats],
    spikes: list[Floats],
    labels: NDArray[np.int64],
    *,
    chips: int,
    level: str,
    seed: int,
    weights: int,
    folder: Path | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> list[Row | FailedRow]:
    """Return a row for each condition and trim.

    training: input spikes [number] of images on which mappings are chosen, units of tau; spikes, labels: of those that
    are decided. weights: of the network, for the paper's energy. folder: of a store of finished rows, None: none is
    kept.

    Raise InputError for an unusable scheduler, FileFormatError for a damaged row, WorkerLost.
    """
    shared = _Shared(mapped, physical, nominal, training, spikes, labels, chips, level, seed, weights)
    tasks = [shared.task(condition, trim) for condition in conditions for trim in TRIMS]
    with open_pool(jobs, scheduler, preload=(__name__,)) as pool:
        rows = run_tasks(tasks, None if folder is None else TaskStore(folder), pool, progress, describe=_in_words)
    return [_ROW.validate_python(row) for row in rows.values()]


def _in_words(row: dict[str, Any]) -> str:
    return row["failed"] or f"accuracy {row['accuracy']:.1%}"


@dataclass(frozen=True)
class _Shared:
    """What the rows of a run share; arguments of `run`."""

    mapped: MappedNetwork
    physical: PhysicalNetwork | WindowedNetwork
    nominal: Characterised
    training: list[Floats]
    spikes: list[Floats]
    labels: NDArray[np.int64]
    chips: int
    level: str
    seed: int
    weights: int

    def task(self, condition: Characterised, trim: Trim) -> Task:
        """Return the row of a condition and trim as a task."""
        network = {name: value for name, value in self.mapped.to_dict().items() if name != "checkpoint"}
        inputs = {
            "network": network,
            "nominal": self.nominal.spec.to_dict(),
            "condition": condition.spec.to_dict(),
            "power": condition.power.model_dump(mode="json"),
            "trim": trim,
            "training_sha256": arrays_sha256(self.training),
            "images_sha256": arrays_sha256([*self.spikes, self.labels]),
            "chips": self.chips,
            "level": self.level,
            "seed": self.seed,
            "weights": self.weights,
        }
        return Task(f"{slug(condition.condition)}-{trim}", key_of(inputs), partial(_row, self, condition, trim))


def _row(shared: _Shared, condition: Characterised, trim: Trim) -> dict[str, Any]:
    """Return the row of a condition and trim, as it is stored."""
    return _evaluated(shared, condition, trim).model_dump(mode="json")


def _evaluated(shared: _Shared, condition: Characterised, trim: Trim) -> Row | FailedRow:
    mapped = shared.mapped
    try:
        circuit, sign = at_condition(mapped, shared.nominal, condition, "nominal" if trim == "nominal" else "again")
        clock, physical = mapped.neuron.tau_s / circuit.neuron.tau_s, shared.physical
        if trim == "mapped":
            circuit = with_new_scales(mapped, circuit, physical, shared.nominal, condition, shared.training)
        if isinstance(physical, WindowedNetwork):
            clock = 1.0 if trim == "mapped" else clock  # mapped there, windows and input follow τ
            physical = physical.with_clock(clock)
    except SpecError as error:
        return FailedRow(
            label=condition.label, condition=condition.condition, trim=trim, failed=f"no such circuit: {error}"
        )
    codes = tuple(np.where(layer < 0, sign * layer, layer) for layer in Circuit.of(mapped, shared.physical).weights)
    neuron = circuit.neuron
    inferences = inference.on_circuit(
        Circuit(circuit, physical, codes),
        [clock * image for image in shared.spikes],
        shared.labels,
        range(shared.chips),
        shared.level,
        shared.seed,
    )
    figures = inference.figures(inferences, condition.power, neuron.tau_s, shared.weights, physical.neurons)
    return Row(
        label=condition.label,
        condition=condition.condition,
        trim=trim,
        **dict(figures),
        tau_s=neuron.tau_s,
        errors=neuron.frequency_error.after_trim,
        layers=tuple(
            MappedLayer(
                lead_rad=layer.lead_rad,
                phase_per_weight_rad=layer.phase_per_weight_rad,
                threshold=circuit.neuron_of(k).threshold_weight,
            )
            for k, layer in enumerate(circuit.layers)
        ),
    )
