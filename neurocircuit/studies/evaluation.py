"""What a trained network does on images, in software or on chips of a circuit: accuracy, spikes, energy, latency."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from neurocircuit.core.arrays import Floats
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.core.stats import random_effects
from neurocircuit.errors import InputError
from neurocircuit.noise import NoiseTable
from neurocircuit.process import result as measurements
from neurocircuit.snn.data import library, sets
from neurocircuit.snn.data.sets import Dataset
from neurocircuit.snn.evaluate import PAPER_ENERGY_PER_SPIKE_J
from neurocircuit.snn.evaluate import Evaluation as Counts
from neurocircuit.snn.evaluate import evaluate as count
from neurocircuit.snn.hardware.evaluate import FIRST_PASSAGE_NEURONS, HardwareAccuracy, evaluate_on_chips
from neurocircuit.snn.model import Model
from neurocircuit.snn.model import load as load_model
from neurocircuit.snn.training.parallel import device_of_process
from neurocircuit.spec import MappedNetwork, NeuronSpec
from neurocircuit.units import format_quantity, parse_quantity

LARGEST_SHARE_OUTSIDE = 1e-3  # of the neurons beyond a noise table, above which its prediction does not count


class Images(Values):
    """Which images were decided: data set, split, their number, the hash of each file that was read.

    canonical: whether the files have their published content; None where none is known.
    """

    data: str
    split: str
    n: int
    sha256: dict[str, str]
    canonical: bool | None

    @classmethod
    def of(cls, images: Dataset) -> "Images":
        """Return the description of a data set."""
        canonical = library.is_canonical(images.name, images)
        return cls(data=images.name, split=images.split, n=len(images), sha256=images.sha256, canonical=canonical)


class Latency(Values):
    """When the first output spike comes, over the images that have one; units of tau and seconds."""

    mean_over_tau: Number
    median_over_tau: Number
    maximum_over_tau: Number
    tau_s: float

    @property
    def mean_s(self) -> float:
        """Mean in seconds."""
        return self.mean_over_tau * self.tau_s

    @property
    def maximum_s(self) -> float:
        """Largest in seconds."""
        return self.maximum_over_tau * self.tau_s

    @classmethod
    def of(cls, decision_over_tau: Floats, tau_s: float) -> "Latency":
        """Return the latency of decisions that all came; nan where there is none."""
        times = decision_over_tau if len(decision_over_tau) else np.array([np.nan])
        return cls(
            mean_over_tau=float(times.mean()),
            median_over_tau=float(np.median(times)),
            maximum_over_tau=float(times.max()),
            tau_s=tau_s,
        )


class LayerSpikes(Values):
    """Shares of a layer's neurons that spiked at any time, and no later than the decision; means over images."""

    name: str
    neurons: int
    overall: float
    before_decision: float


class Evaluation(Result):
    """A network under eq. (4). accuracy: share of right images, low and high: its 95 % interval of Wilson.

    undecided: images without an output spike. spikes: per image. energy_J: spikes x energy of one;
    paper_energy_J: weights x share of neurons that spike x 10 pJ, which reproduces the figures of paper §4.1.
    """

    kind: ClassVar[str] = "evaluation"

    name: str
    network: str
    images: Images
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    undecided: int
    weights: int
    neurons: int
    layers: tuple[LayerSpikes, ...]
    spikes: float
    spikes_before_decision: float
    energy_per_spike_J: float
    energy_J: float
    energy_before_decision_J: float
    paper_energy_J: float
    latency: Latency

    def summary(self) -> str:
        """Return accuracy, sparsity, energy and latency in a few lines."""
        latency = self.latency
        lines = [
            f"accuracy   {self.accuracy:.2%} ({self.accuracy_low:.2%} to {self.accuracy_high:.2%}), {self.images.n} "
            f"images of split {self.images.split} of {self.images.data}, {self.undecided} without an output spike",
            f"sparsity   {self.spikes / self.neurons:.3f} of {self.neurons} neurons spike, "
            f"{self.spikes_before_decision / self.neurons:.3f} before the decision",
        ]
        lines += [
            f"  layer {layer.name}: {layer.neurons} neurons, {layer.overall:.3f}, {layer.before_decision:.3f}"
            for layer in self.layers
        ]
        lines += [
            f"energy     {_joule(self.energy_J)} = {self.spikes:.0f} spikes x {_joule(self.energy_per_spike_J)}; "
            f"{_joule(self.energy_before_decision_J)} before the decision",
            f"           {_joule(self.paper_energy_J)} by the paper's formula: "
            f"{self.weights} weights x sparsity x 10 pJ",
            f"latency    {latency.mean_over_tau:.3f} tau mean, {latency.maximum_over_tau:.3f} tau at most; "
            f"{latency.mean_s * 1e9:.4g} ns mean at tau {latency.tau_s * 1e9:.4g} ns",
        ]
        return "\n".join(lines)


class LayerEvents(Values):
    """Shares of a layer's neurons, means over chips, repeats and images; ideal: spikes of eq. (4) on what came in."""

    name: str
    neurons: int
    ideal: float
    fired: float
    missed: float
    false: float


class ChipEvaluation(Result):
    """A network on chips of a circuit, by a noise table; weights rounded to the table's bank.

    accuracy: mean over chips, repeats and images; low and high: 95 % over images, events, tables like
    these and, of five on, chips.
    standard_errors: what images, chips, events and the table's calibration give. undecided: of chips x repeats x n.
    outside_share: neurons beyond the table; not `valid` above 0.1 %.
    """

    kind: ClassVar[str] = "evaluation_on_chips"

    name: str
    network: str
    images: Images
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    standard_errors: dict[str, Number]
    by_chip: tuple[float, ...]
    accuracy_software: float
    accuracy_rounded: float
    chips: int
    repeats: int
    tables: int
    seed: int
    first_passage_neurons: int
    undecided: int
    layers: tuple[LayerEvents, ...]
    spikes: float
    energy_per_spike_J: float
    energy_J: float
    latency: Latency
    outside: int
    points: int
    outside_share: float
    valid: bool
    noise_sha256: str
    mapped: str
    neuron: str
    table_is_of_these_weights: bool

    def summary(self) -> str:
        """Return accuracy with its parts, spikes, energy and latency in a few lines."""
        errors, latency = self.standard_errors, self.latency
        lines = [
            f"accuracy   {self.accuracy:.2%} ({self.accuracy_low:.2%} to {self.accuracy_high:.2%}) on "
            f"{self.chips} chips x {self.repeats} x {self.images.n} images of split {self.images.split} "
            f"({random_effects.scope(self.chips)}); {self.accuracy_software:.2%} in software, "
            f"{self.accuracy_rounded:.2%} with rounded weights",
            "           standard errors: "
            + ", ".join(f"{name} {errors[name]:.2%}" for name in ("images", "chips", "events", "table"))
            + f"; chips {min(self.by_chip):.2%} to {max(self.by_chip):.2%}",
        ]
        lines += [
            f"  layer {layer.name}: {layer.fired:.3f} of {layer.neurons} neurons spike; {layer.missed:.2%} missed, "
            f"{layer.false:.2%} false"
            for layer in self.layers
        ]
        lines.append(
            f"energy     {self.energy_J * 1e9:.4g} nJ = {self.spikes:.0f} spikes x "
            f"{self.energy_per_spike_J * 1e12:.4g} pJ; latency {latency.mean_over_tau:.3f} tau = "
            f"{latency.mean_s * 1e9:.4g} ns mean, {latency.maximum_s * 1e9:.4g} ns at most"
        )
        if not self.table_is_of_these_weights:
            lines.append("           the noise table was calibrated for other weights: recalibrate for a final number")
        if not self.valid:
            lines.append(f"INVALID: {self.outside_share:.2%} of the neurons lay beyond the noise table (bound 0.1 %)")
        return "\n".join(lines)


def evaluate(
    model: Model | Path | str,
    images: Dataset | str = "test",
    *,
    first: int | None = None,
    data: Path | str | None = None,
    noise: NoiseTable | Path | str | None = None,
    chips: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    outside: str | None = None,
    tables: int | None = None,
    first_passage_neurons: int | None = None,
    spec: NeuronSpec | None = None,
    energy_per_spike: float | str = PAPER_ENERGY_PER_SPIKE_J,
    device: str = "cpu",
    threads: int | None = None,
) -> Evaluation | ChipEvaluation:
    """Return accuracy with its 95 % interval, spikes, energy (J) and latency of a trained network on images.

    model: of `nc.snn.load` or `nc.snn.train`, or the path of a checkpoint. images: a data set, or the name of a split
    of the model's own (test: images that training never saw), read from `data`; first: only so many.
    spec: gives tau without a noise table; default the embedded circuit. energy_per_spike: J, text ("10 pJ"), or the
    folder of a condition that `characterize` measured.

    noise: a noise table of `calibrate`, or its path: each image meets `chips` (10) chips of the table's circuit,
    `repeats` (1) times with other events. seed (0): root of chips and events. outside ("ideal"): spikes beyond the
    table as eq. (4) has them, as its "nearest" cell does, or an "error". tables (5): tables redrawn for the
    calibration's share of the interval. first_passage_neurons (10000): layers of at most so many neurons follow their
    membranes, as `verify` does; others are moved by their slope, which is faster and too dark.

    Raise InputError for an option that means nothing without a table, and where model, images and table do not fit.

    >>> print(evaluate("weights.pt", noise="table.nc", chips=20))  # doctest: +SKIP
    """
    clock = RunClock()
    options = {"chips": chips, "repeats": repeats, "seed": seed, "outside": outside, "tables": tables}
    for name, value in (options | {"first_passage_neurons": first_passage_neurons}).items():
        if noise is None and value is not None:
            raise InputError(f"{name.replace('_', '-')} needs a noise table: give noise")
    energy_J = _energy_J(energy_per_spike)
    model = model if isinstance(model, Model) else load_model(model)
    if not isinstance(images, Dataset):
        images = sets.load(model.subject.data, images, data)
    elif images.name != model.subject.data.name:
        raise InputError(f"images must be of {model.subject.data.name}, as the model's, got {images.name}")
    images = images.first(first)
    network = model.network.to(device_of_process(device))
    about: dict[str, Any] = {
        "name": model.subject.name,
        "network": model.subject.network.name,
        "images": Images.of(images),
    }
    if noise is None:
        with torch_threads(threads):
            counts = count(network, images, model.subject)
        accuracy_and_energy = of_counts(counts, energy_J, (spec or NeuronSpec()).tau_s)
        return Evaluation(**about, **accuracy_and_energy, run=clock.record())
    table = noise if isinstance(noise, NoiseTable) else NoiseTable.load(Path(noise))
    mapped = MappedNetwork.from_dict(table.provenance["network"])
    neurons = FIRST_PASSAGE_NEURONS if first_passage_neurons is None else first_passage_neurons
    with torch_threads(threads):
        on_chips = evaluate_on_chips(
            network,
            images,
            model.subject,
            table,
            10 if chips is None else chips,
            1 if repeats is None else repeats,
            outside=outside or "ideal",
            seed=seed or 0,
            tables=5 if tables is None else tables,
            first_passage_neurons=neurons,
        )
    return ChipEvaluation(
        **about,
        **of_chips(on_chips, energy_J, mapped.neuron.tau_s),
        seed=seed or 0,
        first_passage_neurons=neurons,
        noise_sha256=str(table.dataset.attrs.get("content_sha256", "")),
        mapped=mapped.name,
        neuron=mapped.neuron.name,
        table_is_of_these_weights=model.sha256 == mapped.checkpoint_sha256,
        run=clock.record(),
    )


def of_counts(counts: Counts, energy_per_spike_J: float, tau_s: float) -> dict[str, Any]:
    """Return the fields of an `Evaluation` that follow from what was counted, J and s."""
    spikes, before = counts.overall * counts.neurons, counts.before_decision * counts.neurons
    return {
        "accuracy": counts.accuracy,
        "accuracy_low": counts.accuracy_low,
        "accuracy_high": counts.accuracy_high,
        "undecided": counts.undecided,
        "weights": counts.weights,
        "neurons": counts.neurons,
        "layers": tuple(LayerSpikes(**vars(layer)) for layer in counts.layers),
        "spikes": spikes,
        "spikes_before_decision": before,
        "energy_per_spike_J": energy_per_spike_J,
        "energy_J": spikes * energy_per_spike_J,
        "energy_before_decision_J": before * energy_per_spike_J,
        "paper_energy_J": counts.weights * counts.overall * PAPER_ENERGY_PER_SPIKE_J,
        "latency": Latency.of(counts.decision_over_tau, tau_s),
    }


def of_chips(on_chips: HardwareAccuracy, energy_per_spike_J: float, tau_s: float) -> dict[str, Any]:
    """Return the fields of a `ChipEvaluation` that follow from what the chips decided."""
    chips, repeats, _ = on_chips.right.shape
    decided = on_chips.decision_over_tau[np.isfinite(on_chips.decision_over_tau)].astype(float)
    low, high = on_chips.interval
    return {
        "accuracy": on_chips.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "standard_errors": {name: float(value) for name, value in vars(on_chips.components).items()},
        "by_chip": tuple(on_chips.by_chip.tolist()),
        "accuracy_software": float(on_chips.software.mean()),
        "accuracy_rounded": float(on_chips.rounded.mean()),
        "chips": chips,
        "repeats": repeats,
        "tables": on_chips.tables,
        "undecided": on_chips.right.size - len(decided),
        "layers": tuple(LayerEvents(**vars(layer)) for layer in on_chips.layers),
        "spikes": on_chips.spikes,
        "energy_per_spike_J": energy_per_spike_J,
        "energy_J": on_chips.spikes * energy_per_spike_J,
        "latency": Latency.of(decided, tau_s),
        "outside": on_chips.count.outside,
        "points": on_chips.count.points,
        "outside_share": on_chips.count.share,
        "valid": on_chips.valid,
    }


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Compute with so many threads of torch inside the block; None: as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _energy_J(energy: float | str) -> float:
    """A number in J, text with its unit, or what a condition's folder of `characterize` measured from arming to Q."""
    if isinstance(energy, str) and Path(energy).is_dir():
        return measurements.load(Path(energy) / "energy.json").value("spike")
    value = parse_quantity(energy, "J", "energy-per-spike") if isinstance(energy, str) else float(energy)
    if not 0 < value < np.inf:
        raise InputError(f"energy-per-spike must be > 0, got {energy!r}")
    return value


def _joule(energy_J: float) -> str:
    return format_quantity(float(f"{energy_J:.4g}"), "J")
