"""A trained network on images, in software or on chips of a circuit: accuracy, spikes, energy, latency."""

import math
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import SerializerFunctionWrapHandler, model_serializer

from neurocircuit.core.arrays import Floats
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.core.stats import random_effects
from neurocircuit.results.inference import InferenceCost
from neurocircuit.spec import FullScale
from neurocircuit.units import format_quantity


class Images(Values):
    """Which images were decided: data set, split, their number, the hash of each file that was read.

    canonical: whether the files have their published content; None where none is known.
    """

    data: str
    split: str
    n: int
    sha256: dict[str, str]
    canonical: bool | None


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


class Confusion(Values):
    """How often an image of one class was taken for another: (class, decided class or -1 for none, times) where not 0.

    classes: their names, by number.

    >>> Confusion.of(("cat", "dog"), np.array([[3, 1, 0], [0, 2, 1]])).mistakes()
    [('cat', 'dog', 1, 4), ('dog', '', 1, 3)]
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, classes: tuple[str, ...], matrix: NDArray[np.int64]) -> Self:
        """Return the counts of a matrix [class, decided class, none last]."""
        n = len(classes)
        return cls(
            classes=classes,
            counts=tuple((int(k), -1 if m == n else int(m), int(matrix[k, m])) for k, m in np.argwhere(matrix)),
        )

    @property
    def matrix(self) -> NDArray[np.int64]:
        """Times [class, decided class, none last]."""
        matrix = np.zeros((len(self.classes), len(self.classes) + 1), dtype=np.int64)
        for k, m, times in self.counts:
            matrix[k, m] = times
        return matrix

    def mistakes(self) -> list[tuple[str, str, int, int]]:
        """Return what was taken for what ("": nothing), how often, and of how many; the most frequent first."""
        of_class = self.matrix.sum(axis=1)
        wrong = sorted((-times, k, m) for k, m, times in self.counts if k != m)
        names = (*self.classes, "")
        return [(self.classes[k], names[m], -times, int(of_class[k])) for times, k, m in wrong]


class LayerTimes(Values):
    """When the neurons of a layer spike, units of tau from the image's start; nan: none did, or not kept.

    first_over_tau: its first spike, mean over the images that have one; mean_over_tau: mean over all its spikes.
    """

    name: str
    neurons: int
    first_over_tau: Number = math.nan
    mean_over_tau: Number = math.nan

    @model_serializer(mode="wrap")
    def _without_unknown_times(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a result of before the times were kept as it was."""
        values: dict[str, Any] = handler(self)
        if math.isnan(self.first_over_tau):
            values.pop("first_over_tau", None)
            values.pop("mean_over_tau", None)
        return values


class LayerSpikes(LayerTimes):
    """Shares of a layer's neurons that spiked at any time, and no later than the decision; means over images."""

    overall: float
    before_decision: float


class Accuracy(Values):
    """Share of images that are decided right, and the ends of its 95 % interval."""

    accuracy: float
    accuracy_low: float
    accuracy_high: float

    @property
    def interval(self) -> tuple[float, float, float]:
        """Accuracy and the ends of its 95 % interval."""
        return self.accuracy, self.accuracy_low, self.accuracy_high


class HeldOut(Accuracy):
    """What a trained network does with the held-out images, in software.

    decision_over_tau: mean over those with an output spike. A ReLU network has no layers of spikes.
    """

    undecided: int
    decision_over_tau: Number
    layers: tuple[LayerSpikes, ...]
    confusion: Confusion


class ExactSpikes(Values):
    """A windowed network's dense layers against the armed rule of eq. (4): every neuron of the first images."""

    images: int
    same_decisions: int
    largest_error_over_tau: Number


class Evaluation(Result):
    """A network under eq. (4). accuracy: share of right images, low and high: its 95 % interval of Wilson.

    undecided: images without an output spike. spikes: per image. energy_J: spikes x energy of one;
    paper_energy_J: weights x share of neurons that spike x 10 pJ, which reproduces the figures of paper §4.1.
    Windowed neurons count as spiking when they do so before their window's end; exact: a check of theirs. cost: by the
    power that neurons draw while they are on. bits: of the
    circuit's bank to which the weights were rounded, full_scale: one for each layer or neuron; None: not rounded.
    confusion: None in results of before it was kept.
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
    exact: ExactSpikes | None = None
    cost: InferenceCost | None = None
    bits: int | None = None
    full_scale: FullScale = "layer"
    confusion: Confusion | None = None

    @property
    def interval(self) -> tuple[float, float, float]:
        """Accuracy and the ends of its 95 % interval."""
        return self.accuracy, self.accuracy_low, self.accuracy_high

    def summary(self) -> str:
        """Return accuracy, sparsity, energy and latency in a few lines."""
        latency = self.latency
        lines = [
            f"accuracy   {self.accuracy:.2%} ({self.accuracy_low:.2%} to {self.accuracy_high:.2%}), {self.images.n} "
            f"images of split {self.images.split} of {self.images.data}, {self.undecided} without an output spike",
            f"sparsity   {self.spikes / self.neurons:.3f} of {self.neurons} neurons spike, "
            f"{self.spikes_before_decision / self.neurons:.3f} before the decision",
        ]
        if self.bits is not None:
            lines[0] += f"; weights of {self.bits} bit, one full scale for each {self.full_scale}"
        lines += [
            f"  layer {layer.name}: {layer.neurons} neurons, {layer.overall:.3f}, {layer.before_decision:.3f}"
            for layer in self.layers
        ]
        if self.cost is not None:
            lines.append(f"energy     {self.cost.sentence()}")
        lines += [
            f"           {_joule(self.energy_J)} by count: {self.spikes:.0f} spikes x "
            f"{_joule(self.energy_per_spike_J)}; {_joule(self.energy_before_decision_J)} before the decision",
            f"           {_joule(self.paper_energy_J)} by the paper's formula: "
            f"{self.weights} weights x sparsity x 10 pJ",
            f"latency    {latency.mean_over_tau:.3f} tau mean, {latency.maximum_over_tau:.3f} tau at most; "
            f"{latency.mean_s * 1e9:.4g} ns mean at tau {latency.tau_s * 1e9:.4g} ns",
        ]
        if self.exact is not None:
            lines.append(
                f"exact      {self.exact.same_decisions} of {self.exact.images} images decided alike by the armed rule "
                f"of eq. (4), every spike within {self.exact.largest_error_over_tau:.1e} tau"
            )
        return "\n".join(lines)


class LayerEvents(LayerTimes):
    """Shares of a layer's neurons, means over chips, repeats and images; ideal: spikes of eq. (4) on what came in."""

    ideal: float
    fired: float
    missed: float
    false: float


class AccuracyOnChips(Accuracy):
    """Accuracy of a network on chips of a circuit, by a noise table: mean over chips, repeats and images.

    low and high: 95 % over images, events, tables like these and, of five on, chips. standard_errors: what images,
    chips, events and the table's calibration give. outside_share: of the neurons, those beyond the table.
    """

    standard_errors: dict[str, Number]
    by_chip: tuple[float, ...]
    accuracy_software: float
    chips: int
    layers: tuple[LayerEvents, ...]
    outside_share: float


class ChipEvaluation(AccuracyOnChips, Result):
    """A network on chips of a circuit, by a noise table; weights rounded to the table's bank.

    undecided: of chips x repeats x images; outside: of the operating `points`, those beyond it; not
    `valid` above 0.1 %. confusion: over chips, repeats and images.
    """

    kind: ClassVar[str] = "evaluation_on_chips"

    name: str
    network: str
    images: Images
    accuracy_rounded: float
    repeats: int
    tables: int
    seed: int
    first_passage_neurons: int
    undecided: int
    spikes: float
    energy_per_spike_J: float
    energy_J: float
    latency: Latency
    outside: int
    points: int
    valid: bool
    cost: InferenceCost | None = None
    noise_sha256: str
    mapped: str
    neuron: str
    table_is_of_these_weights: bool
    confusion: Confusion | None = None

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
        if self.cost is not None:
            lines.append(f"energy     {self.cost.sentence()}")
        lines += [
            f"           {_joule(self.energy_J)} by count: {self.spikes:.0f} spikes x "
            f"{_joule(self.energy_per_spike_J)}",
            f"latency    {latency.mean_over_tau:.3f} tau = {latency.mean_s * 1e9:.4g} ns mean, "
            f"{latency.maximum_s * 1e9:.4g} ns at most",
        ]
        if not self.table_is_of_these_weights:
            lines.append("           the noise table was calibrated for other weights: recalibrate for a final number")
        if not self.valid:
            lines.append(f"INVALID: {self.outside_share:.2%} of the neurons lay beyond the noise table (bound 0.1 %)")
        return "\n".join(lines)


def _joule(energy_J: float) -> str:
    return format_quantity(float(f"{energy_J:.4g}"), "J")
