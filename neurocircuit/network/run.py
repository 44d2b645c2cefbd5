"""Whole images at any level: every neuron of the network, layer by layer, the spikes of one the inputs of the next.

All neurons of a free network are armed together with the image; a layer's bias spike comes at its own delay. Layers of
a windowed one are armed in turn, and the times of each count from where the first window of its inputs opens. A chip's
errors and an image's events come from neuron/chip.py by number, so a neuron at one level meets the same chip as at
another.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.errors import InputError
from neurocircuit.network.physical import Answer, Layer, Neurons, PhysicalNetwork
from neurocircuit.network.windowed import WindowedLayer, WindowedNetwork
from neurocircuit.neuron import chip as chips
from neurocircuit.neuron import levels, supply
from neurocircuit.neuron.chip import ChipLayer
from neurocircuit.neuron.on_time import OnTimes, Span, on_times
from neurocircuit.neuron.operating_points import Operating, concatenate, operate, operate_rows_in_window
from neurocircuit.noise.causes import Cause, CircuitLayer, registered, threshold_errors, total
from neurocircuit.spec import MappedNetwork, Variation

_LARGEST_ARRAY = 2**21  # synapses of neurons that are computed together


@dataclass(frozen=True)
class EncodedImages:
    """Images as a network receives them: input spikes [number] of each, units of τ, labels [image].

    split: of the data set that they are from; "" where that is not known.
    """

    spikes: list[Floats]
    labels: NDArray[np.int64]
    split: str = ""

    def __len__(self) -> int:
        return len(self.spikes)

    def first(self, count: int) -> "EncodedImages":
        """Return the first `count` images, or all where there are fewer."""
        return EncodedImages(self.spikes[:count], self.labels[:count], self.split)

    @cached_property
    def sha256(self) -> str:
        """Hash of labels and spikes."""
        digest = sha256(self.labels.astype(np.int64).tobytes())
        for spikes in self.spikes:
            digest.update(spikes.tobytes())
        return digest.hexdigest()


class OnCircuit(Protocol):
    """A network on a circuit that reads images, as `neurocircuit.map` gives it."""

    @property
    def circuit(self) -> "Circuit":
        """The mapped network, ready to run."""

    def encoded(self, images: Any) -> EncodedImages:
        """Return the images of a data set as input spikes; encoded ones as they are."""


@dataclass(frozen=True)
class LayerRun:
    """What one layer did for one image; all [neuron], times in units of its τ from arming, inf: silent or forced."""

    t_over_tau: Floats
    false_fire: Bools
    headroom: Floats


@dataclass(frozen=True)
class Circuit:
    """A mapped network ready to run: the weights that its banks make, and one chip's errors on demand."""

    mapped: MappedNetwork
    physical: PhysicalNetwork | WindowedNetwork
    weights: tuple[Floats, ...]  # [row, input] of each layer, in force
    causes: tuple[Cause, ...] = ()  # of one's own, which its chips have

    @classmethod
    def of(cls, mapped: MappedNetwork, physical: PhysicalNetwork | WindowedNetwork) -> "Circuit":
        """Round each layer's weights to its bank."""
        layers: tuple[Layer | WindowedLayer, ...] = physical.layers
        weights = tuple(layer.in_force(scale) for scale, layer in zip(mapped.layers, layers, strict=True))
        return cls(mapped, physical, weights, registered())

    @property
    def layers(self) -> tuple[Layer | WindowedLayer, ...]:
        """The layers of neurons, in order."""
        return self.physical.layers

    @property
    def window(self) -> float:
        """Observation window of a free network, units of its τ."""
        return self.mapped.neuron.window_over_tau

    def decision_over_tau(self, outputs: Floats) -> float:
        """Return when the first output spikes, units of the network's τ since the image's start; inf: none does.

        outputs: times [neuron] of the last layer, in units of its τ.
        """
        return float(outputs.min()) * self.mapped.layers[-1].tau_over_base + self.layers[-1].origin_over_tau

    def propagate(
        self,
        spikes: Floats,
        layer_step: Callable[[int, Floats], tuple[Answer, Floats]],
        until: int | None = None,
    ) -> list[Answer]:
        """Return the answer of every layer (or of the first `until`) to input spikes [number], in units of one τ.

        layer_step(k, spikes): what layer k makes of the spikes [number] that reach it, in units of its own τ as it
        answers; its spikes [neuron] reach the next layer.
        """

        def step(k: int, received: Floats) -> tuple[Answer, Floats]:
            ratio = self.mapped.layers[k].tau_over_base
            answer, fired = layer_step(k, received / ratio)
            return answer, fired * ratio

        return self.physical.propagate(spikes, step, until)

    @property
    def spans(self) -> list[Span]:
        """Return when the neurons of each layer are on."""
        return [Span.of(self.mapped.neuron_of(k), layer.origin_over_tau) for k, layer in enumerate(self.layers)]

    @property
    def latest_over_tau(self) -> float:
        """When an image ends that has no decision, units of τ from its start."""
        last = len(self.layers) - 1
        window = self.mapped.neuron_of(last).window_over_tau * self.mapped.layers[last].tau_over_base
        return self.layers[last].origin_over_tau + window

    def on_times(self, runs: list["LayerRun"]) -> OnTimes:
        """Return how long neurons were on for one image, from what each layer did."""
        times = [
            run.t_over_tau * scale.tau_over_base + layer.origin_over_tau
            for run, scale, layer in zip(runs, self.mapped.layers, self.layers, strict=True)
        ]
        return on_times([t[None] for t in times], self.spans, self.latest_over_tau)

    def chip(self, seed: int, number: int, variation: Variation | None = None) -> "Chip":
        """Return chip number `number` of the network's variation, or of another one and without causes of one's own."""
        causes = self.causes if variation is None else ()
        variation = self.mapped.variation if variation is None else variation
        layers = []
        shared = self.mapped.synapses == "shared"
        for k, layer in enumerate(self.layers):
            drawn = self.draw_layer(k, variation, seed, number)
            layers.append(
                replace(drawn, synapse=drawn.synapse[layer.row]) if shared and len(drawn.synapse) > 1 else drawn
            )
        return Chip(self, seed, number, tuple(layers), variation.is_zero, causes)

    def draw_layer(self, k: int, variation: Variation, seed: int, chip: int) -> ChipLayer:
        """Return the errors of layer k of a chip; synapses as they are drawn, [set, input]: see `MappedNetwork`."""
        layer = self.layers[k]
        sets = len(layer.kernel) if self.mapped.synapses == "shared" else layer.neurons
        units = None
        if variation.synapse.unit:
            of_rows = self.units(k, self.weights[k])
            units = of_rows if self.mapped.synapses == "shared" else of_rows[layer.row]
        return chips.draw_layer(variation, seed, chip, k, layer.neurons, (sets, layer.fan_in), units)

    def units(self, k: int, weights: Floats) -> Floats:
        """Return how many unit currents make weights of layer k, same shape; a bias spike's too, on any bank."""
        scale = self.mapped.layers[k]
        if scale.full_scale == "neuron":
            raise InputError("variation.synapse.unit must be 0 where each neuron has a full scale of its own, got more")
        if "resistance" in (scale.weight_bank.excitatory.code, scale.weight_bank.inhibitory.code):
            raise InputError("variation.synapse.unit must be 0 with a bank of code resistance, got more")
        return scale.weight_bank.units(weights)

    def layer_of_causes(self, k: int) -> CircuitLayer:
        """Return layer k as a cause of one's own sees it."""
        return CircuitLayer(k, self.mapped.layers[k].name, self.layers[k].neurons, self.mapped.neuron_of(k))

    def received(self, k: int, spikes: Floats, neurons: Neurons = slice(None)) -> tuple[Floats, Floats]:
        """Return times and weights in force [neuron, input] that layer k receives, from spikes [number], in its τ.

        neurons: some of the layer; the bias spike comes at the layer's delay.
        """
        layer = self.layers[k]
        return layer.inputs(spikes, self.mapped.bias_delay_over_tau(k), neurons), self.weights[k][layer.row[neurons]]

    def received_first(self, spikes: Floats) -> Floats:
        """Return the spikes [number] that reach the first layer, as in `received`, from those of the input [number]."""
        silent = np.full(self.layers[0].neurons, np.inf)
        (reached,) = self.physical.propagate(spikes, lambda _, received: (received, silent), until=1)
        return reached

    def ideal(self, spikes: Floats, *, exact_weights: bool = False, delays: bool = False) -> list[Operating]:
        """Return every layer under eq. (4) within its window, from input spikes [number].

        exact_weights: those before rounding; delays: bias spikes at their circuit delays instead of at 0.
        """

        def step(k: int, received: Floats) -> tuple[Operating, Floats]:
            bias = self.mapped.bias_delay_over_tau(k) if delays else 0.0
            point = self._operate(k, received, self.layers[k].kernel if exact_weights else self.weights[k], bias)
            return point, spikes_of(point)

        return self.propagate(spikes, step)

    def operate(self, k: int, spikes: Floats) -> Operating:
        """Return the neurons of layer k, weights in force, under eq. (4), from spikes [number] as in `received`."""
        return self._operate(k, spikes, self.weights[k], self.mapped.bias_delay_over_tau(k))

    def _operate(self, k: int, spikes: Floats, kernel: Floats, bias_over_tau: float) -> Operating:
        layer = self.layers[k]
        if isinstance(layer, WindowedLayer):
            spec, neurons = self.mapped.neuron_of(k), np.concatenate([block.ravel() for _, block in layer.blocks])
            parts = [
                operate_rows_in_window(spec, spikes[layer.index[fields]], kernel[layer.row[block[:, 0]]])
                for fields, block in layer.blocks
            ]
            return concatenate(parts).take(np.argsort(neurons))
        window = self.mapped.neuron_of(k).window_over_tau
        parts = [
            operate(layer.inputs(spikes, bias_over_tau, some), kernel[layer.row[some]], window)
            for some in slices(layer.neurons, layer.fan_in)
        ]
        return concatenate(parts)


@dataclass(frozen=True)
class Chip:
    """One chip of a circuit."""

    circuit: Circuit
    seed: int
    number: int
    layers: tuple[chips.ChipLayer, ...]
    perfect: bool
    causes: tuple[Cause, ...] = ()

    def taken(self, k: int, image: int) -> Floats | None:
        """Return what causes of one's own take from the membranes of layer k, [neuron], thresholds; None without."""
        if not self.causes:
            return None
        return total(self.causes, self.number, self.circuit.layer_of_causes(k), image)

    def run(self, spikes: Floats, image: int, level: str, until: int | None = None) -> list[LayerRun]:
        """Return all layers or the first `until` at a level, from input spikes [number]; `image` numbers the event."""

        def step(k: int, received: Floats) -> tuple[LayerRun, Floats]:
            run = self.run_layer(k, received, image, level)
            return run, run.t_over_tau

        return self.circuit.propagate(spikes, step, until)

    def run_layer(
        self, k: int, spikes: Floats, image: int, level: str, neurons: NDArray[np.intp] | None = None
    ) -> LayerRun:
        """Run layer k, or some of its neurons, from the previous stage's spikes [number]."""
        circuit, chip_layer = self.circuit, self.layers[k]
        layer, spec = circuit.layers[k], circuit.mapped.neuron_of(k)
        start, seeds = chips.draw_event(spec, self.seed, self.number, image, k, layer.neurons)
        supply_rad = self.supply_rad(k, image)
        taken = self.taken(k, image)
        numbers = np.arange(layer.neurons) if neurons is None else neurons
        t, headroom = np.empty(len(numbers)), np.empty(len(numbers))
        false_fire = np.empty(len(numbers), dtype=bool)
        together = layer.alike(numbers)
        for some in slices(len(numbers), layer.fan_in):
            rows = together[some]
            which = numbers[rows]
            times, synapses = layer.heard(spikes, circuit.mapped.bias_delay_over_tau(k), which)
            weights = _taken(circuit.weights[k], layer.row[which], synapses)
            if not self.perfect:
                of_synapses = chip_layer.synapse
                weights = chip_layer.weights(
                    weights, _taken(of_synapses, which, synapses) if len(of_synapses) > 1 else of_synapses
                )
            errors = None if self.perfect and taken is None else chip_layer.neurons.take(which)
            if errors is not None and taken is not None:
                errors = replace(errors, threshold=errors.threshold + threshold_errors(spec, taken[which]))
            record = levels.evaluate(
                level,
                spec,
                times,
                weights,
                start_rad=start[which],
                noise_seed=seeds[which],
                errors=errors,
                supply_rad=supply_rad,
            )
            t[rows] = record.by_itself_over_tau  # forced spikes are the window's pulse, which the network adds
            false_fire[rows], headroom[rows] = record.false_fire, record.headroom
        return LayerRun(t, false_fire, headroom)

    def supply_rad(self, k: int, image: int) -> Floats:
        """Return the phases of the supply's tones when layer k is armed in an event, [tone, 1]: all its neurons'."""
        neuron = self.circuit.mapped.neuron
        began_rad = chips.draw_supply(neuron, self.seed, self.number, image)[:, None]
        return supply.later(neuron, began_rad, self.circuit.layers[k].origin_over_tau * neuron.tau_s)


def _taken(values: Any, rows: NDArray[np.integer], columns: NDArray[np.integer] | None) -> Any:
    """Return rows [neuron] of values, of each those columns [neuron, input], or all."""
    return values[rows] if columns is None else values.take(rows[:, None] * values.shape[1] + columns)


def slices(neurons: int, fan_in: int) -> list[slice]:
    """Return slices of the neurons, each of few enough that arrays [neuron, input] stay small."""
    step = max(_LARGEST_ARRAY // fan_in, 1)
    return [slice(first, first + step) for first in range(0, neurons, step)]


def spikes_of(point: Operating) -> Floats:
    """Return the times [neuron] under eq. (4); inf: silent."""
    return np.where(point.fired, point.at, np.inf)


def decide(t_over_tau: Floats) -> int:
    """Return the class of the first output spike; -1 when all outputs [class] are silent."""
    return int(np.argmin(t_over_tau)) if np.isfinite(t_over_tau).any() else -1


def input_spikes(z: NDArray[np.float64]) -> list[Floats]:
    """Return times [number] of each image from z = e^t [image, ...]."""
    return [np.maximum(np.log(image.ravel()), 0.0) for image in z]
