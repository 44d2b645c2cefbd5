"""One trial: a design mapped and evaluated at a fidelity, and its outcome."""

import time
from dataclasses import dataclass, replace
from itertools import product
from math import nan
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import file_sha256
from neurocircuit.errors import InputError, SpecError
from neurocircuit.network import mapping
from neurocircuit.network.calibrate import fit_table
from neurocircuit.network.limits import Choice
from neurocircuit.network.physical import Layer, PhysicalNetwork
from neurocircuit.network.run import Circuit, EncodedImages, input_spikes
from neurocircuit.network.windowed import WindowedLayer, WindowedNetwork
from neurocircuit.process.power import characterised_neuron, characterised_of
from neurocircuit.results.characterised_neuron import CharacterisedNeuron
from neurocircuit.results.codesign import Evaluated, NotEvaluated, Outcome
from neurocircuit.snn import checkpoint
from neurocircuit.snn.conversion import convert
from neurocircuit.snn.data import library
from neurocircuit.snn.data.augment import for_evaluation
from neurocircuit.snn.encode import encode
from neurocircuit.snn.model import Model
from neurocircuit.snn.models import NetworkSpec, count_weights
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.relu import PixelNetwork
from neurocircuit.snn.unroll import unroll, unrolled
from neurocircuit.snn.windowed import WindowedNetwork as Windowed
from neurocircuit.snn.windowed import windowed_in
from neurocircuit.spec import NeuronSpec, Variation
from neurocircuit.spec.variation import EMBEDDED
from neurocircuit.studies import inference
from neurocircuit.studies.codesign.design import (
    Design,
    Values,
    base_values,
    check_noise,
    design_of,
    impossible,
    lead_of,
)
from neurocircuit.studies.codesign.study import Conversion, Fidelity, Files, StudySpec

# With less than this share of the spikes that eq. (4) gives a layer, there is nothing to calibrate.
LEAST_SPIKES = 0.5


class _NotCalibrated(Exception):
    """Too few neurons of a design fire for a noise table."""


@dataclass
class Images:
    """Images of one split: z [image, channel, row, column], their spikes [number] each, labels [image]."""

    z: Tensor
    spikes: list[Floats]
    labels: NDArray[np.int64]

    def first(self, count: int) -> "Images":
        """Return the first `count` images."""
        return Images(self.z[:count], self.spikes[:count], self.labels[:count])


@dataclass
class Problem:
    """A study with its inputs read: what every trial shares. network: as the checkpoint's, with weights to be set.

    base: with the input spike of the neuron whose power the designs claim, for a free network; power: of that neuron,
    and its limits.
    windowed: that of the checkpoint, or what became of its ReLU network; None for a free one; pixels
    [image, channel, row, column]: those that set the range of its read-out.
    """

    study: StudySpec
    base: NeuronSpec
    variation: Variation
    subject: Subject
    physical: PhysicalNetwork | WindowedNetwork
    network: nn.Module
    files: Files
    data: Path | None
    checkpoint_sha256: str
    power: CharacterisedNeuron
    windowed: Windowed | None = None
    pixels: Tensor | None = None

    @classmethod
    def load(cls, study: StudySpec, files: Files, data: Path | None) -> "Problem":
        """Read checkpoint and circuits.

        Raise InputError naming the file, or what a range of the study or the network has that was not characterised.
        """
        base = NeuronSpec() if files.circuit is None else NeuronSpec.from_toml(files.circuit)
        power = characterised_of(base) if files.power is None else characterised_neuron(files.power)
        _check_ranges(study, power, base)
        variation = EMBEDDED if files.variation is None else Variation.from_toml(files.variation)
        lead_of(base)
        subject, network = checkpoint.load_network(files.checkpoint)
        checkpoint_sha256 = file_sha256(files.checkpoint)
        if isinstance(network, PixelNetwork):
            model = Model(subject, network)
            return cls._of_pixels(study, base, variation, model, files, data, checkpoint_sha256, power)
        # Windows do not wait for the middle of a spike yet: that of a windowed network stays the base circuit's.
        base = base.replace(spike_width_s=power.spike_width_s)
        if study.parameters.readout_window is not None:
            raise InputError("parameters.readout_window is for windowed networks, and the checkpoint holds a free one")
        physical = unroll(subject, network)
        _check_fan_in(study, power, physical)
        return cls(
            study,
            base,
            variation,
            subject,
            physical,
            inference.network_for_tables(subject, network),
            files,
            data,
            checkpoint_sha256,
            power,
        )

    @classmethod
    def _of_pixels(
        cls,
        study: StudySpec,
        base: NeuronSpec,
        variation: Variation,
        model: Model,
        files: Files,
        data: Path | None,
        checkpoint_sha256: str,
        power: CharacterisedNeuron,
    ) -> "Problem":
        """Return the problem of a windowed network, or of a ReLU network that becomes one."""
        if study.parameters.window is not None:
            raise InputError("parameters.window is for free networks: a windowed one has readout_window")
        settings = study.conversion or Conversion()
        images = model.images("train", data).first(settings.images)
        windowed = windowed_in(model.network)
        if windowed is None:
            windowed = convert(model, images, window=settings.readout_window, quantile=settings.quantile)
        form = windowed.graph.form
        if form != "ramp" and any(fidelity.method == "table" for fidelity in study.fidelities):
            raise InputError(f"checkpoint must have windows of form ramp for fidelities of method table, got {form}")
        pixels = torch.from_numpy(for_evaluation(images.pixels, model.subject.augmentation))
        windowed.subject = model.subject.replace(network=NetworkSpec(name="windowed"))
        network = windowed.on_spikes
        physical = unrolled(model.subject, network).physical
        _check_fan_in(study, power, physical)
        problem = cls(
            study,
            base,
            variation,
            windowed.subject,
            physical,
            network,
            files,
            data,
            checkpoint_sha256,
            power,
            windowed,
            pixels,
        )
        return problem.at({})

    @property
    def readout_window(self) -> float | None:
        """T of a windowed network, units of τ; None for a free one."""
        return None if self.windowed is None else self.windowed.graph.window_over_tau

    @property
    def base_values(self) -> dict[str, float]:
        """The base circuit in the parameters of a study."""
        return base_values(self.base, self.variation, self.power.bias_A, self.readout_window)

    def at(self, values: Values) -> "Problem":
        """Return the problem with the network of a design: that of its T."""
        if self.windowed is None:
            return self
        assert self.pixels is not None  # noqa: S101
        window = values.get("readout_window", self.windowed.graph.window_over_tau)
        windowed = self.windowed.at_window(window, self.pixels)
        assert windowed.subject is not None  # noqa: S101
        network = windowed.on_spikes.eval()
        physical = unrolled(windowed.subject, network).physical
        return replace(self, subject=windowed.subject, physical=physical, network=network, windowed=windowed)

    def save_weights(self, path: Path) -> "Problem":
        """Write the network of a windowed design into a checkpoint and return the problem with it; a free one as it is.

        Raise InputError naming a path that cannot be written.
        """
        if self.windowed is None:
            return self
        self.windowed.save(path)
        return replace(self, files=replace(self.files, checkpoint=path), checkpoint_sha256=file_sha256(path))

    def images(self, split: str, count: int) -> Images:
        """Return the first `count` images of a split. Raise InputError when there are fewer."""
        return self.encoded(*self.pixels_of(split, count))

    def pixels_of(self, split: str, count: int) -> tuple[Tensor, NDArray[np.int64]]:
        """Return pixels [image, channel, row, column] and labels of images as `images`."""
        source = library.load(self.subject.data, split, self.data)
        if count > len(source):
            raise InputError(f"images must be <= {len(source)} for split {split}, got {count}")
        pixels, labels = source.batch(np.arange(count))
        return torch.from_numpy(for_evaluation(pixels, self.subject.augmentation)), labels

    def encoded(self, pixels: Tensor, labels: NDArray[np.int64]) -> Images:
        """Return images as the network receives them."""
        z = encode(pixels.double(), self.subject.encoding)
        return Images(z.float(), input_spikes(z.numpy()), labels)

    @property
    def neurons(self) -> int:
        """Number of neurons of all layers."""
        return self.physical.neurons

    def mapping(self, design: Design, images: Images) -> mapping.Mapping:
        """Return the network on the design's circuit, its scales chosen on images."""
        settings = self.study.mapping
        return mapping.build(
            self.physical,
            design.neuron,
            design.variation,
            EncodedImages(images.spikes, images.labels, self.study.mapping.split),
            Choice(settings.xor_quantile, settings.wrap_quantile, settings.use, settings.largest_fan_in),
            name=self.study.name,
            checkpoint=self.files.checkpoint.name,
            checkpoint_sha256=self.checkpoint_sha256,
            window_over_tau=design.window_over_tau,
            keep_scale=settings.scale == "kept",
        )


def _check_ranges(study: StudySpec, power: CharacterisedNeuron, base: NeuronSpec) -> None:
    """Raise InputError for a range of current, frequency or area that reaches beyond the characterised neurons."""
    bias, f0, area = study.parameters.bias, study.parameters.f0, study.parameters.bias_area
    for bias_A, f0_Hz, bias_area in product(
        (power.bias_A,) if bias is None else (bias.low, bias.high),
        (base.f0_Hz,) if f0 is None else (f0.low, f0.high),
        (1.0,) if area is None else (area.low, area.high),
    ):
        try:
            power.check(bias_A, f0_Hz / base.f0_Hz)
            check_noise(base, power, f0_Hz / base.f0_Hz, bias_area)
        except InputError as error:
            raise InputError(f"parameters.{error}") from None


def _check_fan_in(study: StudySpec, power: CharacterisedNeuron, physical: PhysicalNetwork | WindowedNetwork) -> None:
    """Raise InputError for a network with more synapses on a neuron than the characterised one carries."""
    layers: tuple[Layer | WindowedLayer, ...] = physical.layers
    widest = max(layers, key=lambda layer: layer.synapses)
    if study.mapping.largest_fan_in is None and widest.synapses > (power.largest_fan_in or np.inf):
        raise InputError(
            f"checkpoint must have at most {power.largest_fan_in} synapses on a neuron, as many as the characterised "
            f"one carries, layer {widest.name} has {widest.synapses}; mapping.largest_fan_in assumes another number"
        )


class Evaluator:
    """Evaluates designs of a problem; keeps the images of each fidelity."""

    def __init__(self, problem: Problem) -> None:
        """Read no images yet: each fidelity's are read at its first trial."""
        self.problem = problem
        self._kept: dict[str, tuple[Tensor, NDArray[np.int64]]] = {}

    def __call__(self, values: Values, fidelity: Fidelity) -> Outcome:
        """Return the outcome of a design: mapped, calibrated where the fidelity says so, run on the images.

        Raise InputError for missing data only.
        """
        began = time.process_time()
        problem, study = self.problem.at(values), self.problem.study
        kept = study.mapping.scale == "kept"
        constraints = impossible(problem.base, problem.power, values, kept)
        if max(constraints.values()) > 0:
            return _infeasible(problem, constraints, began, "no such circuit")
        training = self._images(problem, "map", study.mapping.split, self._largest)
        try:
            design = design_of(problem.base, problem.variation, problem.power, values)
            mapping = problem.mapping(design, training.first(fidelity.map_images))
        except SpecError as error:
            return _infeasible(problem, constraints | {"valid circuit": 1.0}, began, str(error))
        constraints |= mapping_constraints(mapping)
        if max(constraints.values()) > 0:
            return _infeasible(problem, constraints, began, "the mapping breaks a limit", design)
        circuit = Circuit.of(mapping.mapped, problem.physical)
        if problem.windowed is None:  # a ramp loses small activations first, and few outputs spike at all
            constraints["spikes come"] = LEAST_SPIKES - least_spikes(circuit, training.spikes[0], study.seed)
        if constraints.get("spikes come", 0.0) > 0:
            return _infeasible(problem, constraints, began, "a layer keeps silent", design)
        try:
            inferences = self._inferences(problem, circuit, training, fidelity)
        except _NotCalibrated as error:
            return _infeasible(problem, constraints | {"spikes come": LEAST_SPIKES}, began, str(error), design)
        figures = inference.figures(
            inferences, design.power, design.neuron.tau_s, count_weights(problem.network), problem.neurons
        )
        constraints["accuracy"] = study.limits.accuracy_at_least - figures.accuracy
        constraints["undecided"] = figures.undecided - study.limits.undecided_at_most
        details = Evaluated(
            **dict(figures),
            tau_s=design.neuron.tau_s,
            f0_Hz=design.neuron.f0_Hz,
            phase_noise=max(design.neuron.phase_noise),
            flicker=nan if design.neuron.flicker is None else max(design.neuron.flicker.h),
            gates_m2=design.gates_m2,
            layers=tuple((layer.phase_per_weight_rad, layer.lead_rad) for layer in mapping.mapped.layers),
            cpu_s=time.process_time() - began,
        )
        return Outcome(
            accuracy=figures.accuracy,
            energy=figures.energy[0],
            latency=figures.latency_s,
            constraints=constraints,
            details=details,
        )

    @property
    def _largest(self) -> int:
        fidelities = self.problem.study.fidelities
        return max(max(fidelity.map_images, fidelity.calibration_images) for fidelity in fidelities)

    def _images(self, problem: Problem, name: str, split: str, count: int) -> Images:
        if name not in self._kept:
            self._kept[name] = problem.pixels_of(split, count)
        return problem.encoded(*self._kept[name])

    def _inferences(
        self, problem: Problem, circuit: Circuit, training: Images, fidelity: Fidelity
    ) -> inference.Inferences:
        study, seed, chips = problem.study, problem.study.seed, range(fidelity.chips)
        images = self._images(problem, fidelity.name, study.split, fidelity.images)
        if fidelity.method == "circuit":
            return inference.on_circuit(circuit, images.spikes, images.labels, chips, fidelity.level, seed)
        try:
            table, _, _ = fit_table(
                circuit,
                training.spikes[: fidelity.calibration_images],
                level=fidelity.level,
                seed=seed,
                chip_count=fidelity.calibration_chips,
                points_per_layer=fidelity.points,
            )
        except InputError as error:
            raise _NotCalibrated(str(error)) from None
        labels = torch.from_numpy(np.asarray(images.labels))
        return inference.under_table(circuit, problem.network, table, images.z, labels, chips, seed)


def _infeasible(
    problem: Problem, constraints: dict[str, float], began: float, reason: str, design: Design | None = None
) -> Outcome:
    """Return what a chip costs that never decides: all neurons run until their windows end."""
    power = problem.power.base if design is None else design.power
    spec = problem.base if design is None else design.neuron
    physical = problem.physical
    if isinstance(physical, WindowedNetwork):
        on_over_tau = sum((layer.closes_over_tau - layer.origin_over_tau) * layer.neurons for layer in physical.layers)
        latency_s = spec.tau_s * physical.layers[-1].closes_over_tau
    else:
        on_over_tau, latency_s = spec.window_over_tau * physical.neurons, spec.window_s
    return Outcome(
        accuracy=0.0,
        energy=power.lines(on_over_tau, 0.0, spec.tau_s, physical.neurons).total_J,
        latency=latency_s,
        constraints=constraints,
        details=NotEvaluated(infeasible=reason, cpu_s=time.process_time() - began),
    )


def mapping_constraints(mapping: mapping.Mapping) -> dict[str, float]:
    """Return by limit the largest excess over the layers: value over bound, less 1."""
    excesses: dict[str, float] = {}
    for limit in mapping.limits:
        excess = limit.value / limit.bound - 1.0
        excesses[limit.name] = max(excesses.get(limit.name, -1.0), excess)
    return excesses


def least_spikes(circuit: Circuit, spikes: Floats, seed: int) -> float:
    """Return the smallest share over the layers of neurons that fire under eq. (4) and on chip 0 at edge; one image."""
    runs = circuit.chip(seed, 0).run(spikes, 0, "edge")
    shares = [
        float(np.isfinite(run.t_over_tau[point.fired]).mean()) if point.fired.any() else 0.0
        for point, run in zip(circuit.ideal(spikes), runs, strict=True)
    ]
    return min(shares)


def causes_of(fidelity: Fidelity, base: NeuronSpec, is_windowed: bool = False) -> str:
    """Return what this fidelity holds and what it leaves out, in a sentence."""
    from neurocircuit.neuron import levels

    lacking = ", ".join(levels.not_modelled(fidelity.level, base)) or "nothing that the spec can say"
    inside = (
        "die, neuron and synapse errors of each chip, phase noise, "
        + ("the lock under it, " if base.locked_under_noise else "")
        + ("flicker, " if base.flicker else "")
        + "systematic lateness, missed spikes, rounded weights"
        + ("" if is_windowed else ", bias delays")
        + (", supply ripple" if base.ripple else "")
    )
    if fidelity.level == "edge":
        inside += ", start phases, the XOR's ripple and range, sampling"
    if fidelity.method == "circuit":
        return (
            f"every neuron of {fidelity.images} images on {fidelity.chips} chips at level {fidelity.level}: {inside}; "
            f"false spikes too; not: {lacking}"
        )
    false_spikes = (
        "every membrane is moved, so missed and false spikes come of themselves"
        if is_windowed
        else "false spikes of neurons that eq. (4) leaves silent come by the table's shares and count as spikes, in "
        "decisions and energy"
    )
    return (
        f"noise table from {fidelity.points} neurons a layer on {fidelity.calibration_chips} chips at level "
        f"{fidelity.level}, then {fidelity.images} images on {fidelity.chips} chips: {inside}; chips enter by the "
        f"spread of their terms, and {false_spikes}; not: {lacking}"
    )
