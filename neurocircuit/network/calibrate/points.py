"""Operating points of a mapped network, and what chips make of them at a level.

Points come from whole images run on chips, so they are those the network really uses, the spread of its inputs
included; or, where many images count more, from images under eq. (4). Of each layer's firing neurons half are drawn as
they come and half uniformly over ln(W_C - 1); of its silent ones half are near the threshold; some are those nearest to
a wrap. Cells are conditional on the point, so this choice weights little; where a cell holds enough of those drawn as
they come, its events are theirs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.core.pool import IN_PROCESS, Pool
from neurocircuit.errors import InputError
from neurocircuit.network.run import Circuit, spikes_of
from neurocircuit.neuron.membrane import Membranes, membranes
from neurocircuit.neuron.operating_points import Operating, concatenate, window_share_of
from neurocircuit.neuron.sensitivity import synapse_spread, wrap_distance
from neurocircuit.noise import fit
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.variation import SynapseVariation

_PER_TASK = 5  # images
KEPT = 1000  # neurons of each layer and image under eq. (4), drawn at random: memory for hundreds of images
NEAR_APPROACH = 0.35
FEWEST_FIRING = 2  # operating points of a layer: one half of them judges what the other fits
WINDOW_MARGIN = 0.15  # of a readout window, at either end


@dataclass(frozen=True)
class Within:
    """Where points are drawn: up to this share of the XOR's range, and up to this time, units of τ."""

    headroom: float = np.inf
    latest: float = np.inf

    @property
    def all(self) -> bool:
        """Whether nothing is left out."""
        return self == Within()


EVERYWHERE = Within()


@dataclass(frozen=True)
class _Met:
    """What a layer met in one image on a chip: operating points [neuron] under eq. (4) on the spikes that it received.

    neuron: numbers of those in the layer; received: the previous stage's spikes [number]; t_over_tau, wrapped: what the
    chip did, [neuron].
    """

    neuron: NDArray[np.int64]
    point: Operating
    received: Floats
    t_over_tau: Floats
    wrapped: Bools


@dataclass(frozen=True)
class Points:
    """Operating points of one layer; all_coordinates [axis, firing neuron of any image] as in noise/fit.py."""

    layer: int
    spec: NeuronSpec
    point: Operating
    neuron: NDArray[np.int64]
    image: NDArray[np.int64]
    times: Floats  # [point, input]
    weights: Floats  # [point, input], in force, before any chip
    all_coordinates: Floats
    within: Within = EVERYWHERE  # where the points were drawn
    early: fit.Early = fit.NOT_EARLY  # spikes long before their time, of all those neurons on their chips
    common: Bools | None = None  # drawn as they come, not for their rarity; None: not known

    @property
    def coordinates(self) -> Floats:
        """Those of the points, [axis, point]."""
        return fit.features(self.spec, self.point, self.headroom)

    def synapse_spread(self, variation: SynapseVariation) -> Floats:
        """Return the first-order spread of each membrane by its synapses, thresholds, [point]."""
        if not variation.unit:
            return np.asarray(variation.weight * self.point.root_synapse)
        sigma = variation.spread(self.spec.weight_bank.units(self.weights))
        return synapse_spread(self.spec, self.point, self.times, self.weights, sigma)

    @property
    def ranges(self) -> Floats:
        """What all neurons of all images span where points were drawn, [axis, 2]."""
        headroom, time = (self.all_coordinates[fit.AXES.index(name)] for name in ("headroom", "time"))
        kept = self.all_coordinates[:, (headroom <= self.within.headroom) & (time <= self.within.latest)]
        return np.stack([kept.min(axis=1), kept.max(axis=1)], axis=1)

    def take(self, which: NDArray[np.int64]) -> "Points":
        """Return some of the points."""
        return Points(
            self.layer,
            self.spec,
            self.point.take(which),
            self.neuron[which],
            self.image[which],
            self.times[which],
            self.weights[which],
            self.all_coordinates,
            self.within,
            self.early,
            None if self.common is None else self.common[which],
        )

    @cached_property
    def membranes(self) -> Membranes:
        """Membranes over the window, [point]."""
        return membranes(self.spec, self.times, self.weights)

    @property
    def headroom(self) -> Floats:
        """Share of the XOR's range, [point]."""
        return self.spec.headroom(self.point.peak_current)


def collect(
    circuit: Circuit,
    images: list[Floats],
    count: int,
    seed: int,
    level: str | None = "edge",
    within: Within = EVERYWHERE,
    pool: Pool = IN_PROCESS,
) -> list[Points]:
    """Return `count` points of each layer from the input spikes of images, each run on a chip of its own.

    level: of the chips; None: no chips, spikes are those of eq. (4), and of each layer and image KEPT neurons are kept.
    Raise InputError where a layer has fewer than FEWEST_FIRING firing neurons within.
    """
    tasks = [_Task(circuit, images[k : k + _PER_TASK], k, seed, level) for k in range(0, len(images), _PER_TASK)]
    met_by_first = {task.first: met for task, met in pool.run(_meet, tasks)}
    met = [layers for first in sorted(met_by_first) for layers in met_by_first[first]]
    generator = np.random.default_rng([seed, 7])
    return [
        _choose(circuit, k, list(of_layer), count, generator, within)
        for k, of_layer in enumerate(zip(*met, strict=True))
    ]


@dataclass(frozen=True)
class _Task:
    """Some images, the number of the first, each on the chip of its number."""

    circuit: Circuit
    images: list[Floats]
    first: int
    seed: int
    level: str | None


def _meet(task: _Task) -> list[list[_Met]]:
    """Return what each layer met in each image, [image][layer]."""
    return [_met(task, number, spikes) for number, spikes in enumerate(task.images, task.first)]


def _met(task: _Task, number: int, spikes: Floats) -> list[_Met]:
    circuit = task.circuit
    if task.level is None:
        return _met_ideally(circuit, np.random.default_rng([task.seed, 8, number]), spikes)
    level, chip = task.level, circuit.chip(task.seed, number)

    def step(k: int, received: Floats) -> tuple[_Met, Floats]:
        run = chip.run_layer(k, received, number, level)
        point = circuit.operate(k, received)
        return _Met(np.arange(len(point.at)), point, received, run.t_over_tau, run.false_fire), run.t_over_tau

    return circuit.propagate(spikes, step)


def _met_ideally(circuit: Circuit, generator: np.random.Generator, spikes: Floats) -> list[_Met]:
    def step(k: int, received: Floats) -> tuple[_Met, Floats]:
        point = circuit.operate(k, received)
        kept = np.sort(generator.permutation(len(point.at))[:KEPT])
        fired = spikes_of(point)
        return _Met(kept, point.take(kept), received, fired[kept], np.zeros(len(kept), dtype=bool)), fired

    return circuit.propagate(spikes, step)


def _choose(
    circuit: Circuit,
    k: int,
    met: "list[_Met]",
    count: int,
    generator: np.random.Generator,
    within: Within,
) -> Points:
    layer, spec = circuit.layers[k], circuit.mapped.neuron_of(k)
    points = concatenate([image.point for image in met])
    headroom = spec.headroom(points.peak_current)
    coordinates = fit.features(spec, points, headroom)[:, points.fired]
    inside = (headroom <= within.headroom) & (points.at <= within.latest) & _seen_whole(spec, points)
    fired, silent = np.flatnonzero(points.fired & inside), np.flatnonzero(~points.fired & inside)
    if len(fired) < FEWEST_FIRING:
        name = circuit.mapped.layers[k].name
        if within.all:
            raise InputError(
                f"images must make {FEWEST_FIRING} neurons of layer {name} fire, got {len(fired)}: give more images"
            )
        raise InputError(
            f"--headroom and --latest must leave layer {name} {FEWEST_FIRING} neurons that fire, got {len(fired)}"
        )
    as_they_come, uniform = _half_uniform(fired, points.slope[fired], count - count // 4, generator)
    near = silent[points.highest[silent] > 1.0 - NEAR_APPROACH]
    silent_chosen = [generator.permutation(part)[: count // 8] for part in (near, silent)]
    distance = np.where(inside, wrap_distance(spec, points), np.inf)
    deep = np.argsort(distance)[: min(count // 16, int(np.isfinite(distance).sum()))]
    chosen = np.unique(np.concatenate([as_they_come, uniform, *silent_chosen, deep]))
    others = np.setdiff1d(fired, chosen)  # what was drawn twice leaves room
    chosen = np.sort(np.concatenate([chosen, generator.permutation(others)[: max(count - len(chosen), 0)]]))
    image = np.repeat(np.arange(len(met)), [len(image.neuron) for image in met])[chosen]
    neuron = np.concatenate([image.neuron for image in met])[chosen]
    bias = circuit.mapped.bias_delay_over_tau(k)
    times = np.concatenate(
        [layer.inputs(met[i].received, bias, np.array([j])) for i, j in zip(image, neuron, strict=True)]
    )
    t = np.concatenate([image.t_over_tau for image in met])
    wrapped = np.concatenate([image.wrapped for image in met])
    early = fit.Early.of(spec, points.take(inside), t[inside], wrapped[inside])
    return Points(
        k,
        spec,
        points.take(chosen),
        neuron,
        image,
        times,
        circuit.weights[k][layer.row[neuron]],
        coordinates,
        within,
        early,
        np.isin(chosen, as_they_come),
    )


def _seen_whole(spec: NeuronSpec, points: Operating) -> Bools:
    """Return which neurons show a disturbance of either sign: of a readout window's those that fire well within it.

    One that fires at the arming could not have fired before, one at the window's end not after.
    """
    if spec.readout_window is None:
        return np.ones(len(points.at), dtype=bool)
    share = window_share_of(spec, points)
    return np.asarray(~points.fired | (share > WINDOW_MARGIN) & (share < 1.0 - WINDOW_MARGIN))


def _half_uniform(
    which: NDArray[np.int64], slope: Floats, count: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return half as they come, half uniform over ln slope, the extremes included."""
    as_they_come = generator.permutation(which)[: count // 2]
    order = np.argsort(slope)
    goal = np.linspace(np.log(slope[order[0]]), np.log(slope[order[-1]]), count - count // 2)
    uniform = which[order[np.searchsorted(np.log(slope[order]), goal).clip(0, len(order) - 1)]]
    return as_they_come, uniform
