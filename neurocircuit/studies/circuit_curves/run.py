"""Accuracy of whole images against circuit quantities: groups of networks, each mapped again at each value.

A task is one network on one circuit: it chooses the scales of each layer for that circuit from trajectories under
eq. (4), which no circuit enters, then every neuron of every image runs at a level. All tasks see the same images, chip
numbers and events, so groups and values differ by what is asked about. The chips are dealt to the networks of a group
in turn: their spread holds that of chips and that of training seeds. Finished tasks lie in a store.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neurocircuit.core import taskstore
from neurocircuit.core.arrays import Bools
from neurocircuit.core.files import file_sha256
from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.core.taskstore import TaskStore, key_of, run_tasks
from neurocircuit.errors import InputError, SpecError
from neurocircuit.network import limits, mapping
from neurocircuit.network.limits import Choice, Recorded
from neurocircuit.network.physical import PhysicalNetwork
from neurocircuit.network.run import Circuit, EncodedImages, decide, spikes_of
from neurocircuit.snn import unroll
from neurocircuit.snn.unroll import Unrolled
from neurocircuit.spec import LayerMapping, MappedNetwork, Variation
from neurocircuit.spec.neuron import NeuronSpec
from neurocircuit.studies.circuit_curves.quantities import Setting

_IDEAL = NeuronSpec()  # for looks at eq. (4), where nothing of it but the window enters: 10 τ until that is known


@dataclass
class Network:
    """A trained network, and what mapping must know of it: read when a task first needs it."""

    group: str
    number: int
    path: Path
    training: EncodedImages

    @cached_property
    def sha256(self) -> str:
        """Of the file."""
        return file_sha256(self.path)

    @cached_property
    def unrolled(self) -> Unrolled:
        """Every neuron on its own, and what the weights are for."""
        return unroll.load(self.path)

    @property
    def physical(self) -> PhysicalNetwork:
        """Every neuron on its own."""
        return self.unrolled.physical

    @cached_property
    def window_over_tau(self) -> float:
        """2 τ after the latest decision on the training images, as `map` has it."""
        circuit = self._unscaled(_IDEAL)
        return mapping.window_of([circuit.ideal(image, exact_weights=True) for image in self.training.spikes])

    @cached_property
    def recorded(self) -> tuple[Recorded, ...]:
        """Trajectories of each layer under eq. (4) within the window."""
        circuit = self._within_window
        runs = [circuit.ideal(image, exact_weights=True) for image in self.training.spikes]
        return tuple(Recorded.of([points[k] for points in runs]) for k in range(len(self.physical.layers)))

    def mapped(self, setting: Setting) -> tuple[MappedNetwork, list[str]]:
        """The network on a circuit, and the limits that it breaks. Raises SpecError where there is no such circuit."""
        neuron = setting.neuron.replace(window_s=self.window_over_tau * setting.neuron.tau_s)
        choice = Choice(use=min(setting.use, 1.0))
        layers = tuple(
            _stretched(limits.choose_layer(layer.name, neuron, layer.kernel, recorded, choice), max(setting.use, 1.0))
            for layer, recorded in zip(self.physical.layers, self.recorded, strict=True)
        )
        mapped = self._network(neuron, setting.variation, layers, choice.use)
        broken = [
            f"{limit.layer}: {limit.name}, {limit.value / limit.bound:.2f} of the bound"
            for layer_mapping, recorded in zip(layers, self.recorded, strict=True)
            for limit in limits.limits_of(layer_mapping, neuron, recorded, choice)
            if not limit.met
        ]
        return mapping.with_delays(mapped, self.physical, self.training.spikes[: mapping.LATENCY_IMAGES]), broken

    def software(self, images: EncodedImages) -> Bools:
        """Right under eq. (4) with the weights as trained, [image]."""
        circuit = self._within_window
        decided = [decide(spikes_of(circuit.ideal(image, exact_weights=True)[-1])) for image in images.spikes]
        return np.asarray(np.array(decided) == images.labels)

    @property
    def _within_window(self) -> Circuit:
        return self._unscaled(_IDEAL.replace(window_s=self.window_over_tau * _IDEAL.tau_s))

    def _unscaled(self, neuron: NeuronSpec) -> Circuit:
        nothing = Recorded(np.zeros(1), np.zeros(1))
        layers = tuple(
            limits.choose_layer(layer.name, neuron, layer.kernel, nothing, Choice(), keep_scale=True)
            for layer in self.physical.layers
        )
        return Circuit.of(self._network(neuron, Variation(), layers, Choice().use), self.physical)

    def _network(
        self, neuron: NeuronSpec, variation: Variation, layers: tuple[LayerMapping, ...], use: float
    ) -> MappedNetwork:
        return MappedNetwork(
            name=f"{self.group}{self.number}",
            checkpoint=self.path.name,
            checkpoint_sha256=self.sha256,
            neuron=neuron,
            variation=variation,
            layers=layers,
            use=use,
        )


def _stretched(layer: LayerMapping, factor: float) -> LayerMapping:
    """Lead and phase per weight beyond what the limits allow.

    The swing stays, and with it the threshold in weights and the ripple in rad, π·vco4_swing/(4·f0).
    """
    if factor == 1.0:
        return layer
    return layer.replace(phase_per_weight_rad=factor * layer.phase_per_weight_rad, lead_rad=factor * layer.lead_rad)


@dataclass(frozen=True)
class Point:
    """A circuit by name, with one quantity changed to a value; both None: as it is. failed: why there is none."""

    circuit: str
    quantity: str | None
    value: float | None
    setting: Setting
    failed: str = ""

    @property
    def label(self) -> str:
        """For files and messages."""
        return self.circuit if self.quantity is None else f"{self.circuit}-{self.quantity}-{self.value:g}"


@dataclass
class Task:
    """One network at one point, on its chips."""

    network: Network
    point: Point
    chips: tuple[int, ...]
    images: EncodedImages
    level: str
    seed: int

    @property
    def name(self) -> str:
        """In the store."""
        return f"{self.point.label}-{self.network.group}{self.network.number}"

    @property
    def identity(self) -> dict[str, Any]:
        """What its result depends on."""
        setting, training = self.point.setting, self.network.training
        return {
            "weights_sha256": self.network.sha256,
            "neuron": setting.neuron.to_dict(),
            "variation": setting.variation.to_dict(),
            "use": setting.use,
            "chips": list(self.chips),
            "level": self.level,
            "seed": self.seed,
            "images_sha256": self.images.sha256,
            "mapping_images_sha256": training.sha256,
        }

    @property
    def stored(self) -> taskstore.Task:
        """As a task of the store."""
        return taskstore.Task(self.name, key_of(self.identity), self.run, float(len(self.chips)))

    def run(self) -> dict[str, Any]:
        """Right decisions [chip][image] as 0 and 1, latency in τ (window where undecided), scales, limits broken."""
        began = time.process_time()
        if self.point.failed:
            return {"failed": self.point.failed, "cpu_s": 0.0}
        try:
            mapped, broken = self.network.mapped(self.point.setting)
        except SpecError as error:
            return {"failed": f"no such circuit: {error}", "cpu_s": time.process_time() - began}
        circuit = Circuit.of(mapped, self.network.physical)
        right, latency, undecided = [], [], 0
        for number in self.chips:
            chip = circuit.chip(self.seed, number)
            for image, spikes in enumerate(self.images.spikes):
                last = chip.run(spikes, image, self.level)[-1].t_over_tau
                right.append(int(decide(last) == self.images.labels[image]))
                undecided += decide(last) < 0
                latency.append(float(min(last.min(), circuit.window)))
        return {
            "failed": "",
            "broken": broken,
            "right": np.reshape(right, (len(self.chips), -1)).tolist(),
            "undecided": undecided / len(right),
            "latency_over_tau": float(np.mean(latency)),
            "tau_s": mapped.neuron.tau_s,
            "window_over_tau": circuit.window,
            "lead_rad": [layer.lead_rad for layer in mapped.layers],
            "phase_per_weight_rad": [layer.phase_per_weight_rad for layer in mapped.layers],
            # Once for each network: that no circuit enters it is why only the unchanged circuit's task has it.
            "software": self.network.software(self.images).tolist() if self.point.quantity is None else None,
            "cpu_s": time.process_time() - began,
        }


def dealt(networks: Sequence[Path], chips: int) -> list[tuple[int, ...]]:
    """Chips of each network: every chip has one. Raises InputError where a network would have none."""
    if len(networks) > chips:
        raise InputError(f"--chips must give each of {len(networks)} networks of a group one, got {chips}")
    return [tuple(range(first, chips, len(networks))) for first in range(len(networks))]


def run(
    tasks: Sequence[Task], folder: Path, jobs: int = 1, scheduler: str | None = None, progress: Progress = silent
) -> dict[str, dict[str, Any]]:
    """Return results by the tasks' names; those that a store in `folder` has are not run again.

    Raise InputError for a task of another run in the store and for an unusable scheduler, FileFormatError for a damaged
    task, WorkerLost.
    """
    store, stored = TaskStore(folder), [task.stored for task in tasks]
    finished = store.finished(stored)
    for task in tasks:
        if task.name not in finished and not task.point.failed:
            _ = task.network.recorded  # once here, not in every process
    with open_pool(jobs, scheduler) as pool:
        return run_tasks(stored, store, pool, progress, describe=_in_words)


def _in_words(result: dict[str, Any]) -> str:
    return result["failed"] or f"{np.mean(result['right']):.1%}"
