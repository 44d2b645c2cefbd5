"""Accuracy of whole images against circuit quantities: groups of networks, each mapped again at each value.

A task is one network on one circuit: it chooses the scales of each layer for that circuit from trajectories under
eq. (4), which no circuit enters. Then every neuron of every image runs at a level, or more images run as a torch
network under the noise table that is made there. All tasks see the same images, chip numbers and events, so groups and
values differ by the networks and the circuit alone. Each chip of a group carries one of its networks: the spread over
chips holds that of training seeds too. Finished tasks lie in a store.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from neurocircuit.core import taskstore
from neurocircuit.core.arrays import Bools
from neurocircuit.core.files import file_sha256
from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.core.result import Values
from neurocircuit.core.taskstore import TaskStore, key_of, run_tasks
from neurocircuit.errors import InputError, SpecError
from neurocircuit.network import limits, mapping
from neurocircuit.network.calibrate import fit_table
from neurocircuit.network.limits import Choice, Recorded
from neurocircuit.network.physical import Layer, PhysicalNetwork
from neurocircuit.network.run import Circuit, EncodedImages, decide, spikes_of
from neurocircuit.network.windowed import WindowedLayer, WindowedNetwork
from neurocircuit.snn import checkpoint, unroll
from neurocircuit.snn.encode import first_spike
from neurocircuit.snn.unroll import Unrolled
from neurocircuit.spec import LayerMapping, MappedNetwork, Variation
from neurocircuit.spec.neuron import NeuronSpec
from neurocircuit.studies import inference
from neurocircuit.studies.circuit_curves.quantities import Setting

Method = Literal["circuit", "table"]
TABLE = {"images": 6, "chips": 12, "points": 80}  # of a noise table; points: neurons of each layer
_BATCH = 100
_IDEAL = NeuronSpec()  # for eq. (4), where nothing of it but the window enters: 10 τ until the window is known


@dataclass
class Network:
    """A trained network, and what its mapping needs: read when a task first needs it.

    number: within its group, from 1; training: images on which the mapping is chosen.
    """

    group: str
    number: int
    path: Path
    training: EncodedImages

    @property
    def name(self) -> str:
        """Its name in files."""
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{self.group}-{self.number}")

    @cached_property
    def sha256(self) -> str:
        """Hash of the file."""
        return file_sha256(self.path)

    @cached_property
    def unrolled(self) -> Unrolled:
        """The network neuron by neuron, and the data set that it reads."""
        return unroll.load(self.path)

    @property
    def physical(self) -> PhysicalNetwork | WindowedNetwork:
        """The network neuron by neuron."""
        return self.unrolled.physical

    @cached_property
    def window_over_tau(self) -> float:
        """Observation window, units of τ, as for `map`: 2 τ after the latest decision on the training images.

        Of a windowed network the longest of its layers.
        """
        windows = [layer.readout_window(1.0) for layer in self.physical.layers if isinstance(layer, WindowedLayer)]
        if windows:
            return max(window.closes_s for window in windows)
        circuit = self._unscaled(_IDEAL)
        return mapping.window_of([circuit.ideal(image, exact_weights=True) for image in self.training.spikes])

    @cached_property
    def recorded(self) -> tuple[Recorded, ...]:
        """Trajectories of each layer under eq. (4) within the window."""
        circuit = self._within_window
        runs = [circuit.ideal(image, exact_weights=True) for image in self.training.spikes]
        return tuple(Recorded.of([points[k] for points in runs]) for k in range(len(self.physical.layers)))

    def mapped(self, setting: Setting) -> tuple[MappedNetwork, list[str]]:
        """Return the network on a circuit, and the limits that it breaks. Raise SpecError for an impossible circuit."""
        neuron = setting.neuron.replace(window_s=self.window_over_tau * setting.neuron.tau_s)
        choice = Choice(use=min(setting.use, 1.0))
        stages: tuple[Layer | WindowedLayer, ...] = self.physical.layers
        layers = tuple(
            _stretched(mapping.choose(layer, neuron, recorded, choice), max(setting.use, 1.0))
            for layer, recorded in zip(stages, self.recorded, strict=True)
        )
        mapped = self._network(neuron, setting.variation, layers, choice.use)
        broken = [
            f"{limit.layer}: {limit.name}, {limit.value / limit.bound:.2f} of the bound"
            for layer_mapping, recorded in zip(layers, self.recorded, strict=True)
            for limit in limits.limits_of(layer_mapping, neuron, recorded, choice)
            if not limit.met
        ]
        if isinstance(self.physical, PhysicalNetwork):
            mapped = mapping.with_delays(mapped, self.physical, self.training.spikes[: mapping.LATENCY_IMAGES])
        return mapped, broken

    @cached_property
    def torch_network(self) -> nn.Module:
        """The network that runs under noise tables."""
        return inference.network_for_tables(*checkpoint.load_network(self.path))

    def z(self, images: EncodedImages) -> Tensor:
        """Return images [image, channel, row, column] as a torch network receives them."""
        z = np.exp(np.stack(images.spikes)).reshape(-1, *self.unrolled.subject.data.shape)
        return torch.from_numpy(z).float()

    @torch.no_grad()
    def software(self, images: EncodedImages, method: Method = "circuit") -> Bools:
        """Return whether each image is right under eq. (4) with the weights as trained, [image].

        method: table runs the torch network, which has the same spikes but for rounding, and takes less time.
        """
        if method == "table":
            _, network = checkpoint.load_network(self.path)
            network.eval()
            z = self.z(images)
            z_out = torch.cat([network(z[first : first + _BATCH]) for first in range(0, len(z), _BATCH)])
            decision, is_decided = first_spike(z_out)
            return np.asarray(is_decided.numpy() & (decision.numpy() == images.labels))
        circuit = self._within_window
        decided = [decide(spikes_of(circuit.ideal(image, exact_weights=True)[-1])) for image in images.spikes]
        return np.asarray(np.array(decided) == images.labels)

    @property
    def _within_window(self) -> Circuit:
        return self._unscaled(_IDEAL.replace(window_s=self.window_over_tau * _IDEAL.tau_s))

    def _unscaled(self, neuron: NeuronSpec) -> Circuit:
        nothing = Recorded(np.zeros(1), np.zeros(1))
        layers = tuple(
            mapping.choose(layer, neuron, nothing, Choice(), keep_scale=True) for layer in self.physical.layers
        )
        return Circuit.of(self._network(neuron, Variation(), layers, Choice().use), self.physical)

    def _network(
        self, neuron: NeuronSpec, variation: Variation, layers: tuple[LayerMapping, ...], use: float
    ) -> MappedNetwork:
        return MappedNetwork(
            name=self.name,
            checkpoint=self.path.name,
            checkpoint_sha256=self.sha256,
            neuron=neuron,
            variation=variation,
            layers=layers,
            use=use,
        )


def _stretched(layer: LayerMapping, factor: float) -> LayerMapping:
    """Return the layer with lead and phase per weight beyond what the limits allow.

    The swing stays, and with it the threshold in weights and the ripple in rad, π·vco4_swing/(4·f0).
    """
    if factor == 1.0:
        return layer
    return layer.replace(phase_per_weight_rad=factor * layer.phase_per_weight_rad, lead_rad=factor * layer.lead_rad)


@dataclass(frozen=True)
class Point:
    """A circuit by name, with one quantity changed to a value; both None: as it is.

    failed: why there is no such circuit; empty where there is one.
    """

    circuit: str
    quantity: str | None
    value: float | None
    setting: Setting
    failed: str = ""

    @property
    def named(self) -> dict[str, Any]:
        """Circuit, quantity and value, the fields of a result's `AtPoint`."""
        return {"circuit": self.circuit, "quantity": self.quantity, "value": self.value}

    @property
    def label(self) -> str:
        """Its name in files and messages."""
        return self.circuit if self.quantity is None else f"{self.circuit}-{self.quantity}-{self.value:g}"


class NoCircuit(Values):
    """A task whose point has no circuit; failed: the reason."""

    failed: str
    cpu_s: float


class Replayed(Values):
    """A task that ran; right: decisions [chip][image] as 0 and 1; software: the same under eq. (4), [image].

    broken: limits that the mapping breaks; undecided: share of chips x images; latency_over_tau: mean until the first
    output spike, the window where none came; lead_rad, phase_per_weight_rad: of each layer. software is None but at
    the unchanged circuit: once for each network, as no circuit enters it.
    """

    failed: Literal[""] = ""
    broken: tuple[str, ...]
    right: tuple[tuple[int, ...], ...]
    undecided: float
    latency_over_tau: float
    tau_s: float
    window_over_tau: float
    lead_rad: tuple[float, ...]
    phase_per_weight_rad: tuple[float, ...]
    software: tuple[bool, ...] | None
    cpu_s: float


_OUTCOME: TypeAdapter[Replayed | NoCircuit] = TypeAdapter(Replayed | NoCircuit)


@dataclass
class Task:
    """One network at one point, on its chips."""

    network: Network
    point: Point
    chips: tuple[int, ...]
    images: EncodedImages
    level: str
    seed: int
    method: Method = "circuit"

    @property
    def name(self) -> str:
        """Its name in the store."""
        return f"{self.point.label}-{self.network.name}"

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that its outcome depends on."""
        setting, training = self.point.setting, self.network.training
        return {
            "weights_sha256": self.network.sha256,
            "neuron": setting.neuron.to_dict(),
            "variation": setting.variation.to_dict(),
            "use": setting.use,
            "chips": list(self.chips),
            "level": self.level,
            "seed": self.seed,
            "method": self.method if self.method == "circuit" else TABLE,
            "images_sha256": self.images.sha256,
            "mapping_images_sha256": training.sha256,
        }

    @property
    def stored(self) -> taskstore.Task:
        """The task as the store runs it."""
        return taskstore.Task(self.name, key_of(self.identity), self.outcome, float(len(self.chips)))

    def outcome(self) -> dict[str, Any]:
        """Return the outcome as it is stored."""
        return self.run().model_dump(mode="json")

    def run(self) -> Replayed | NoCircuit:
        """Map the network and run all images on its chips."""
        began = time.process_time()
        if self.point.failed:
            return NoCircuit(failed=self.point.failed, cpu_s=0.0)
        try:
            mapped, broken = self.network.mapped(self.point.setting)
        except SpecError as error:
            return NoCircuit(failed=f"no such circuit: {error}", cpu_s=time.process_time() - began)
        circuit = Circuit.of(mapped, self.network.physical)
        try:
            inferences = self._inferences(circuit)
        except InputError as error:
            return NoCircuit(failed=f"no noise table: {error}", cpu_s=time.process_time() - began)
        return Replayed(
            broken=broken,
            right=inferences.right.astype(int).reshape(len(self.chips), -1).tolist(),
            undecided=float(1.0 - inferences.decided.mean()),
            latency_over_tau=float(inferences.on.latency.mean()),
            tau_s=mapped.neuron.tau_s,
            window_over_tau=circuit.window,
            lead_rad=tuple(layer.lead_rad for layer in mapped.layers),
            phase_per_weight_rad=tuple(layer.phase_per_weight_rad for layer in mapped.layers),
            software=self.network.software(self.images, self.method).tolist() if self.point.quantity is None else None,
            cpu_s=time.process_time() - began,
        )

    def _inferences(self, circuit: Circuit) -> inference.Inferences:
        """Return what the images do on the chips. Raise InputError where too few neurons fire for a noise table."""
        network, images = self.network, self.images
        if self.method == "circuit":
            return inference.on_circuit(circuit, images.spikes, images.labels, self.chips, self.level, self.seed)
        table, _, _ = fit_table(
            circuit,
            network.training.spikes[: TABLE["images"]],
            level=self.level,
            seed=self.seed,
            chip_count=TABLE["chips"],
            points_per_layer=TABLE["points"],
        )
        labels = torch.from_numpy(np.asarray(images.labels))
        return inference.under_table(
            circuit, network.torch_network, table, network.z(images), labels, self.chips, self.seed
        )


def chips_of_networks(networks: Sequence[Path], chips: int) -> list[tuple[int, ...]]:
    """Return the numbers of the chips that carry each network: chip k carries network k modulo their number.

    Raise InputError where there are fewer chips than networks.
    """
    if len(networks) > chips:
        raise InputError(f"--chips must give each of {len(networks)} networks of a group one, got {chips}")
    return [tuple(range(first, chips, len(networks))) for first in range(len(networks))]


def run(
    tasks: Sequence[Task], folder: Path, jobs: int = 1, scheduler: str | None = None, progress: Progress = silent
) -> dict[str, Replayed | NoCircuit]:
    """Return outcomes by the tasks' names; those that a store in `folder` has are not run again.

    Raise InputError for an unusable scheduler, FileFormatError for a damaged task, WorkerLost.
    """
    store, stored = TaskStore(folder), [task.stored for task in tasks]
    finished = store.finished(stored)
    for task in tasks:
        if task.name not in finished and not task.point.failed:
            _ = task.network.recorded  # once here, not in every process
    with open_pool(jobs, scheduler, preload=(__name__,)) as pool:
        values = run_tasks(stored, store, pool, progress, describe=_in_words)
    return {name: _OUTCOME.validate_python(value) for name, value in values.items()}


def _in_words(outcome: dict[str, Any]) -> str:
    return outcome["failed"] or f"{np.mean(outcome['right']):.1%}"
