"""What a network does on images: accuracy with its interval, sparsity, spikes and energy, latency."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.stats import wilson_interval
from neurocircuit.errors import InputError
from neurocircuit.neuron import windows
from neurocircuit.neuron.on_time import OnTimes, Span, on_times
from neurocircuit.results.evaluation import Confusion, ExactSpikes, HeldOut, LayerSpikes
from neurocircuit.snn.data.augment import for_evaluation
from neurocircuit.snn.data.images import ImageSource
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.encode import encode, first_spike
from neurocircuit.snn.models import count_weights, spiking_layers
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.trace import Spikes, trace
from neurocircuit.snn.windowed import WindowedNetwork, pixels_of, windowed_in
from neurocircuit.spec import NeuronSpec

EXACT_IMAGES = 10  # whose windowed neurons are also evaluated by the armed rule
PAPER_ENERGY_PER_SPIKE_J = 10e-12  # paper §3.1: "less than 10 pJ/spike in 65nm"


@dataclass(frozen=True)
class Evaluation:
    """Result on `n` images. accuracy_low and _high: 95 % interval of Wilson; decision_over_tau: of those with one.

    on: how long neurons were on; window_over_tau: when an image ends that has no decision.
    """

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    n: int
    undecided: int
    weights: int
    layers: tuple[LayerSpikes, ...]
    decision_over_tau: np.ndarray = field(repr=False)
    on: OnTimes = field(repr=False)
    window_over_tau: float
    confusion: Confusion
    exact: ExactSpikes | None = None

    @property
    def neurons(self) -> int:
        """All neurons of all layers."""
        return sum(layer.neurons for layer in self.layers)

    @property
    def overall(self) -> float:
        """Fraction of all neurons that spiked at any time."""
        return sum(layer.overall * layer.neurons for layer in self.layers) / self.neurons

    @property
    def before_decision(self) -> float:
        """Fraction of all neurons that spiked no later than the first output spike."""
        return sum(layer.before_decision * layer.neurons for layer in self.layers) / self.neurons


def batches(
    source: ImageSource, subject: Subject, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the input spikes z [image, channel, row, column] and labels [image] of all images, in order."""
    for start in range(0, len(source), batch_size):
        pixels, labels = source.batch(np.arange(start, min(start + batch_size, len(source))))
        scaled = torch.from_numpy(for_evaluation(pixels, subject.augmentation)).to(device)
        yield encode(scaled, subject.encoding), torch.from_numpy(labels).to(device)


@torch.no_grad()
def accuracy(network: nn.Module, source: ImageSource, subject: Subject, batch_size: int = 100) -> float:
    """Return the fraction of images whose first output spike is that of their class.

    The network is put into evaluation mode.
    """
    network.eval()
    device = next(network.parameters()).device
    right = sum(
        int((first_spike(network(z))[0] == labels).sum()) for z, labels in batches(source, subject, batch_size, device)
    )
    return right / len(source)


@torch.no_grad()
def evaluate(
    network: nn.Module,
    source: ImageSource,
    subject: Subject,
    batch_size: int = 100,
    window_over_tau: float = NeuronSpec().window_over_tau,
    progress: Progress = silent,
) -> Evaluation:
    """Return all figures over all images of a source. Raise InputError when it holds none, or for a ReLU network.

    window_over_tau: when an image ends that a free network does not decide, unless its neurons spike later. progress:
    in images.
    """
    windowed = windowed_in(network)
    if not spiking_layers(network) and windowed is None:
        raise InputError("a ReLU network has no spikes: convert it first (neurocircuit convert, nc.snn.convert)")
    if len(source) == 0:
        raise InputError("--data must hold at least one image, got 0")
    network.eval()
    device = next(network.parameters()).device
    totals: np.ndarray | float = 0.0
    decisions, names, neurons, exact, on = [], [], [], None, []
    tally = DecisionTally(subject.data)
    spans = [] if windowed is None else windows.spans(windowed.graph)
    window_over_tau = spans[-1].end if spans else window_over_tau
    for z, labels in batches(source, subject, batch_size, device):
        spikes = trace(network, z)
        if windowed is not None and exact is None:
            exact = against_exact(windowed, pixels_of(network, z[:EXACT_IMAGES]))
        decision, decided = first_spike(spikes.z_out)
        tally.add(labels, decision)
        at = spikes.t_over_tau[-1].amin(dim=1)
        decisions.append(at[decided].double().cpu().numpy())
        all_fired = [torch.isfinite(t) for t in spikes.t_over_tau]
        before = [fired & (t <= at[:, None]) for fired, t in zip(all_fired, spikes.t_over_tau, strict=True)]
        counts = [
            [int(f.sum()), int(b.sum()), *spike_time_sums(t)]
            for f, b, t in zip(all_fired, before, spikes.t_over_tau, strict=True)
        ]
        totals = totals + np.array(counts, dtype=float)
        on.append(_on_times(spikes, spans, window_over_tau))
        progress(tally.images, len(source), f"{tally.images} images, {tally.right / tally.images:.2%} right")
        names, neurons = spikes.names, [t.shape[1] for t in spikes.t_over_tau]
    times = np.concatenate(decisions)
    layers = tuple(
        LayerSpikes(
            name=name,
            neurons=count,
            overall=float(fired / count / len(source)),
            before_decision=float(until / count / len(source)),
            **layer_times(fired, *sums),
        )
        for name, count, (fired, until, *sums) in zip(names, neurons, np.atleast_2d(totals), strict=True)
    )
    low, high = wilson_interval(tally.right, len(source))
    return Evaluation(
        accuracy=tally.right / len(source),
        accuracy_low=low,
        accuracy_high=high,
        n=len(source),
        undecided=len(source) - len(times),
        weights=count_weights(network),
        layers=layers,
        decision_over_tau=times,
        on=OnTimes.joined(on),
        window_over_tau=window_over_tau,
        confusion=tally.confusion,
        exact=exact,
    )


@torch.no_grad()
def held_out(network: nn.Module, source: ImageSource, subject: Subject, progress: Progress = silent) -> HeldOut:
    """Return what a network of any kind does with images that training did not see; progress: in images."""
    if spiking_layers(network) or windowed_in(network) is not None:
        counts = evaluate(network, source, subject, progress=progress)
        times = counts.decision_over_tau
        return HeldOut(
            accuracy=counts.accuracy,
            accuracy_low=counts.accuracy_low,
            accuracy_high=counts.accuracy_high,
            undecided=counts.undecided,
            decision_over_tau=float(times.mean()) if len(times) else np.nan,
            layers=counts.layers,
            confusion=counts.confusion,
        )
    network.eval()
    tally = DecisionTally(subject.data)
    for z, labels in batches(source, subject, 100, next(network.parameters()).device):
        tally.add(labels, first_spike(network(z))[0])
        progress(tally.images, len(source), f"{tally.images} held-out images")
    low, high = wilson_interval(tally.right, tally.images)
    return HeldOut(
        accuracy=tally.right / tally.images,
        accuracy_low=low,
        accuracy_high=high,
        undecided=0,
        decision_over_tau=np.nan,
        layers=(),
        confusion=tally.confusion,
    )


class DecisionTally:
    """Counts the decisions of a data set's classes."""

    def __init__(self, data: DataSpec) -> None:
        self._classes = data.class_names
        self._counts = np.zeros((len(self._classes), len(self._classes) + 1), dtype=np.int64)

    def add(self, labels: Tensor, decisions: Tensor) -> None:
        """Count decisions [image], -1: none, of images with these labels [image]."""
        np.add.at(self._counts, (labels.cpu().numpy(), decisions.cpu().numpy()), 1)

    @property
    def images(self) -> int:
        """Number of decisions."""
        return int(self._counts.sum())

    @property
    def right(self) -> int:
        """Number of those of the image's own class."""
        return int(np.trace(self._counts))

    @property
    def confusion(self) -> Confusion:
        """What was taken for what."""
        return Confusion.of(self._classes, self._counts)


def spike_time_sums(t_over_tau: Tensor) -> tuple[float, float, int]:
    """Return sums over spikes [image, neuron], inf: silent: of all times, of each image's first, and images that have.

    Units of t.
    """
    first = t_over_tau.amin(dim=1)
    has = torch.isfinite(first)
    all_times = torch.where(torch.isfinite(t_over_tau), t_over_tau, 0.0).sum(dtype=torch.float64)
    return float(all_times), float(first[has].sum(dtype=torch.float64)), int(has.sum())


def layer_times(fired: float, all_times: float, first_times: float, images: float) -> dict[str, float]:
    """Return the fields of `LayerTimes` from the number of spikes and their `spike_time_sums`."""
    if not fired:
        return {}
    return {"first_over_tau": float(first_times / images), "mean_over_tau": float(all_times / fired)}


def _on_times(spikes: Spikes, spans: list[Span], window_over_tau: float) -> OnTimes:
    times = [t.cpu().numpy() for t in spikes.t_over_tau]
    latest = [np.where(np.isfinite(t), t, 0.0).max(axis=1) for t in times]
    return on_times(times, spans or [Span()] * len(times), np.max([*latest, 0 * latest[0] + window_over_tau], axis=0))


@torch.no_grad()
def against_exact(network: WindowedNetwork, pixels: Tensor) -> ExactSpikes:
    """Return how the spikes by the armed rule in float64 agree with those of the dense layers, silence at its end."""
    values, spikes = network.activations(pixels), network.spikes(pixels.double())
    dense = network.times_over_tau(values)
    largest = 0.0
    for node in network.graph.layers:
        end = float(network.codes[node.name].end_over_tau.max())
        start = end - node.window_over_tau if node.is_readout else end
        exact = (start + torch.log(spikes[node.name])).clamp(max=end)
        largest = max(largest, float((dense[node.name].double().clamp(max=end) - exact).abs().max()))
    last = network.graph.nodes[-1].name
    same = network.first_spike(spikes[last]) == network.first_spike(dense[last])
    return ExactSpikes(images=len(pixels), same_decisions=int(same.sum()), largest_error_over_tau=largest)
