"""A network on many chips of a circuit, by its noise table: accuracy, false and missed spikes, latency.

All draws have numbers: a chip is known by (seed, chip), its events by (seed, chip, repeat, image), whatever the batches
are, so two networks or two tables meet the same luck and can be compared in pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.stats import random_effects
from neurocircuit.errors import InputError
from neurocircuit.neuron.on_time import OnTimes, on_times
from neurocircuit.noise.model import CAUSES, Count
from neurocircuit.noise.table import NoiseTable
from neurocircuit.results.evaluation import Confusion, LayerEvents
from neurocircuit.snn.data.images import ImageSource
from neurocircuit.snn.encode import first_spike
from neurocircuit.snn.evaluate import DecisionTally, batches, layer_times, spike_time_sums
from neurocircuit.snn.hardware.noisy_windows import Noisy, on_chips
from neurocircuit.snn.hardware.quantise import round_to_banks, set_rounding
from neurocircuit.snn.recipe import Subject
from neurocircuit.spec import MappedNetwork

APPROACHES = 16  # moments at which the membrane of silent neurons is looked at
FIRST_PASSAGE_NEURONS = (
    10_000  # neurons of a layer that follows its membranes: slower than in training, and nearer to the circuit
)
ROWS_AT_ONCE = 400  # images times chips in one call
_TABLE_CHIPS = 2
_EVENTS, _TABLES = 31, 32  # streams of random numbers


@dataclass(frozen=True)
class HardwareAccuracy:
    """right, decision_over_tau: [chip, repeat, image] (inf: undecided); software, rounded: [image], without noise.

    interval: 95 % of the accuracy over images, events, tables like these and, of five on, chips.
    """

    right: NDArray[np.bool_]
    decision_over_tau: NDArray[np.float32]
    software: NDArray[np.bool_]
    rounded: NDArray[np.bool_]
    layers: tuple[LayerEvents, ...]
    count: Count
    components: random_effects.Components
    tables: int
    on: OnTimes | None  # of all chips, repeats and images; None without causes
    window_over_tau: float  # when an image ends that has no decision
    confusion: Confusion  # over chips, repeats and images

    @property
    def accuracy(self) -> float:
        """Mean over chips, repeats and images."""
        return float(self.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        return random_effects.accuracy_interval(self.right, self.components)

    @property
    def by_chip(self) -> Floats:
        """Accuracy of each chip."""
        return np.asarray(self.right.mean(axis=(1, 2)))

    @property
    def spikes(self) -> float:
        """Neurons that spike, per inference."""
        return sum(layer.fired * layer.neurons for layer in self.layers)

    @property
    def valid(self) -> bool:
        """Whether the noise table speaks for this network: at most 0.1 % of the points beyond it."""
        return self.count.valid


@torch.no_grad()
def evaluate_on_chips(
    network: nn.Module,
    source: ImageSource,
    subject: Subject,
    table: NoiseTable,
    chips: int,
    seeds: int,
    *,
    causes: tuple[str, ...] = CAUSES,
    outside: str = "ideal",
    batch_size: int = 100,
    seed: int = 0,
    tables: int = 5,
    window_over_tau: float | None = None,
    first_passage_neurons: int = FIRST_PASSAGE_NEURONS,
    progress: Progress = silent,
) -> HardwareAccuracy:
    """Return every image on chips 0 … chips - 1, each `seeds` times with other events.

    Weights rounded to the table's bank.

    tables: redrawn within the table's own intervals, on two of the chips, for the uncertainty of a finite calibration
    (0: left out); first_passage_neurons: the largest layer whose neurons follow the first-passage model. progress: in
    images times chips, repeats and redrawn tables. Raises InputError for no images, chips or seeds, and where network
    and table do not fit.
    """
    for name, value in (("images", len(source)), ("chips", chips), ("seeds", seeds)):
        if value < 1:
            raise InputError(f"{name} must be >= 1, got {value}")
    network.eval()
    options: dict[str, Any] = {
        "outside": outside,
        "window_over_tau": window_over_tau,
        "approaches": APPROACHES,
        "first_passage_neurons": first_passage_neurons,
    }
    redrawn = tables * min(_TABLE_CHIPS, chips) if tables > 1 and causes else 0
    run = _Run(network, source, subject, batch_size, seed, progress, passes=2 + chips * seeds + redrawn)
    software = run.decided(on_chips(network, table, ()), [(0, 0)])[0][0]
    round_to_banks(network, MappedNetwork.from_dict(table.provenance["network"]))
    try:
        model = on_chips(network, table, causes, **options)
        rounded = run.decided(on_chips(network, table, ()), [(0, 0)])[0][0]
        model.tallies, model.heard = [], []
        lanes = [(chip, repeat) for chip in range(chips) for repeat in range(seeds)]
        run.tally = tally = DecisionTally(subject.data)
        right, times = run.decided(model, lanes)
        run.tally = None
        on = OnTimes.joined(run.on) if causes else None
        variance = 0.0
        if redrawn:
            variance = _table_variance(run, network, table, causes, options, tables, right, chips, seeds)
    finally:
        set_rounding(network, None)
    shape = (chips, seeds, len(source))
    return HardwareAccuracy(
        right=right.reshape(shape),
        decision_over_tau=times.reshape(shape),
        software=software,
        rounded=rounded,
        layers=_layers(model, run.times),
        count=model.count,
        components=random_effects.components(right.reshape(shape), variance, tables - 1.0 if variance else 0.0),
        tables=tables if causes else 0,
        on=on,
        window_over_tau=model.latest_over_tau,
        confusion=tally.confusion,
    )


def _table_variance(
    run: "_Run",
    network: nn.Module,
    table: NoiseTable,
    causes: tuple[str, ...],
    options: dict[str, Any],
    tables: int,
    right: NDArray[np.bool_],
    chips: int,
    seeds: int,
) -> float:
    few = min(_TABLE_CHIPS, chips)
    without_redraw = right[: few * seeds : seeds]  # the first repeat of each of these chips
    differences = []
    for number in range(tables):
        generator = np.random.default_rng([run.seed, _TABLES, number])
        other = on_chips(network, table.redrawn(generator), causes, **options)
        right_redrawn, _ = run.decided(other, [(chip, 0) for chip in range(few)])
        differences.append(right_redrawn.astype(float) - without_redraw)
    return random_effects.table_variance(np.stack(differences))


class _Run:
    """Images and batches of one evaluation; `decided` runs them through a network in lanes of (chip, repeat).

    on: how long neurons were on, of the models that heard their spikes; times: sums of these spikes' times, by layer;
    tally: where there is one, it counts the decisions. passes: lanes of all calls of `decided`, for the progress.
    """

    def __init__(
        self,
        network: nn.Module,
        source: ImageSource,
        subject: Subject,
        batch_size: int,
        seed: int,
        progress: Progress,
        passes: int,
    ) -> None:
        device = next(network.parameters()).device
        self._batches = list(batches(source, subject, batch_size, device))
        self.seed, self._images = seed, len(source)
        self.on: list[OnTimes] = []
        self.times: Floats = np.zeros(3)
        self.tally: DecisionTally | None = None
        self._progress, self._total, self._done = progress, passes * len(source), 0

    def decided(self, model: Noisy, lanes: list[tuple[int, int]]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return whether each is right, and the time of the decision over tau (inf: none), both [lane, image]."""
        right = np.empty((len(lanes), self._images), dtype=bool)
        times = np.empty((len(lanes), self._images), dtype=np.float32)
        first = 0
        for z, labels in self._batches:
            for group in _groups(lanes, max(1, ROWS_AT_ONCE // len(z))):
                which = slice(group[0], group[-1] + 1)
                lane_group = lanes[which]
                if model.causes:
                    model.new_chips(self.seed, [chip for chip, _ in lane_group])
                    model.draws = EventDraws(self.seed, lane_group, range(first, first + len(z)))
                z_out = model(z)
                if model.heard:
                    heard = [t.cpu().numpy() for t in model.heard]
                    self.on.append(on_times(heard, model.spans, model.latest_over_tau))
                    self.times = self.times + np.array([spike_time_sums(t) for t in model.heard])
                decision, _ = first_spike(z_out)
                shape = (len(lane_group), len(z))
                decision = decision.view(*shape) if model.causes else decision.expand(*shape)
                right[which, first : first + len(z)] = (decision == labels).cpu().numpy()
                t = model.decision_over_tau(z_out)
                t = t.view(*shape) if model.causes else t.expand(len(lane_group), -1)
                times[which, first : first + len(z)] = t.cpu().numpy()
                if self.tally is not None:
                    self.tally.add(labels.expand(shape).flatten(), decision.flatten())
                self._done += len(lane_group) * len(z)
                self._progress(self._done, self._total, f"{self._done} of {self._total} images on chips")
            first += len(z)
        return right, times


def _groups(lanes: list[tuple[int, int]], size: int) -> Iterator[list[int]]:
    for begin in range(0, len(lanes), size):
        yield list(range(begin, min(begin + size, len(lanes))))


class EventDraws:
    """Numbers of events in lanes of (chip, repeat) on numbered images, layer after layer; order of layers as called."""

    def __init__(self, seed: int, lanes: list[tuple[int, int]], images: range) -> None:
        key = np.random.SeedSequence([seed, _EVENTS]).generate_state(2, np.uint64)
        self._generators = [
            [np.random.Generator(np.random.Philox(key=key, counter=[0, image, repeat, chip])) for image in images]
            for chip, repeat in lanes
        ]

    def __call__(self, k: int, shape: tuple[int, ...]) -> Tensor:
        """Float32 of shape [lane, image, neuron ...]."""
        drawn = np.empty((*shape[:2], int(np.prod(shape[2:]))), dtype=np.float32)
        for lane, generators in zip(drawn, self._generators, strict=True):
            for row, generator in zip(lane, generators, strict=True):
                generator.random(dtype=np.float32, out=row)
        return torch.from_numpy(drawn.reshape(shape))


def _layers(model: Noisy, times: Floats) -> tuple[LayerEvents, ...]:
    """Return what each layer did; times [layer, sum]: of `spike_time_sums`."""
    events = []
    tallies = model.tallies or []
    for name, tally, sums in zip(model.layer_names, tallies, np.broadcast_to(times, (len(tallies), 3)), strict=False):
        shares = {outcome: getattr(tally, outcome) / tally.neurons for outcome in ("ideal", "fired", "missed", "false")}
        events.append(LayerEvents(name=name, neurons=tally.size, **shares, **layer_times(tally.fired, *sums)))
    return tuple(events)
