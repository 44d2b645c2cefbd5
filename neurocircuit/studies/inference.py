"""Whole images on chips of a mapped network: decisions, when, and how long neurons stood armed.

Two ways: a torch network under a noise table (many images; false spikes of neurons
that eq. (4) leaves silent come by the table's shares), or every neuron simulated at a level. A false spike is a spike:
it reaches the next layer, can decide, and costs its energy. Once a neuron has fired, or the first output spike has
come, it draws no more power.
"""

import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.core.stats import random_effects
from neurocircuit.network.run import Circuit, decide
from neurocircuit.noise.table import NoiseTable
from neurocircuit.results.inference import InferenceFigures
from neurocircuit.snn.evaluate import PAPER_ENERGY_PER_SPIKE_J
from neurocircuit.snn.hardware.noisy import NoisyNetwork
from neurocircuit.snn.models import spiking_layers

_BATCH = 100


@dataclass(frozen=True)
class Inferences:
    """One row for each image and chip. Times in units of τ; spikes: numbers of neurons that fired."""

    image: NDArray[np.int64]
    chip: NDArray[np.int64]
    right: Bools
    decided: Bools
    latency: Floats  # the window where undecided
    armed: Floats  # summed over neurons, until spike or decision
    armed_of_spikes: Floats  # of it, by neurons that fired before the decision
    spikes_before: Floats
    spikes: Floats
    outside: float  # share of operating points beyond the noise table

    @property
    def accuracy(self) -> float:
        """Share of right decisions."""
        return float(self.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Return the ends of the 95 % interval of the accuracy, over images and, of five on, chips."""
        right = random_effects.by_chip_and_image(self.right.astype(float), self.chip, self.image)
        return random_effects.accuracy_interval(right, random_effects.components(right))


def figures(inferences: Inferences, power_W: float, tau_s: float, weights: int, neurons: int) -> InferenceFigures:
    """Return accuracy, energies (J) and latency (s), means over images and chips.

    power_W: of an armed neuron; weights, neurons: numbers of them in the network.
    """
    spikes, before = float(inferences.spikes.mean()), float(inferences.spikes_before.mean())
    energy_spikes_J = power_W * tau_s * float(inferences.armed_of_spikes.mean())
    low, high = inferences.interval
    return InferenceFigures(
        accuracy=inferences.accuracy,
        accuracy_low=low,
        accuracy_high=high,
        images=len(np.unique(inferences.image)),
        chips=len(np.unique(inferences.chip)),
        undecided=float(1.0 - inferences.decided.mean()),
        latency_s=float(inferences.latency.mean()) * tau_s,
        latency_over_tau=float(inferences.latency.mean()),
        energy_J=power_W * tau_s * float(inferences.armed.mean()),
        energy_spikes_J=energy_spikes_J,
        energy_per_spike_J=energy_spikes_J / before if before else 0.0,
        energy_paper_J=weights * spikes / neurons * PAPER_ENERGY_PER_SPIKE_J,
        spikes=spikes,
        spikes_before_decision=before,
        neurons=neurons,
        power_W=power_W,
        outside=inferences.outside,
    )


def on_circuit(
    circuit: Circuit, spikes: list[Floats], labels: NDArray[np.int64], chips: int, level: str, seed: int
) -> Inferences:
    """Run every neuron of every image at a level, from input spikes [number] of each image, units of tau."""
    rows = []
    for number in range(chips):
        chip = circuit.chip(seed, number)
        for image, (image_spikes, label) in enumerate(zip(spikes, labels, strict=True)):
            times = [run.t_over_tau for run in chip.run(image_spikes, image, level)]
            rows.append((image, number, decide(times[-1]) == label, *_row(times, circuit.window)))
    return _gathered(rows, 0.0)


def under_table(
    circuit: Circuit, network: nn.Sequential, table: NoiseTable, z: Tensor, labels: Tensor, chips: int, seed: int
) -> Inferences:
    """Run images z [image, channel, row, column] through the torch network as the circuit builds it, under a table."""
    noisy = NoisyNetwork(as_built(network, circuit), table, outside="ideal", window_over_tau=circuit.window)
    noisy.eval()
    rows = []
    with torch.no_grad():
        for number in range(chips):
            noisy.new_chip(seed, number)
            for first in range(0, len(z), _BATCH):
                times = _times(noisy, z[first : first + _BATCH])
                for k in range(len(times[0])):
                    times_here = [layer[k] for layer in times]
                    right = decide(times_here[-1]) == int(labels[first + k])
                    rows.append((first + k, number, right, *_row(times_here, circuit.window)))
    return _gathered(rows, noisy.count.share)


def as_built(network: nn.Sequential, circuit: Circuit) -> nn.Sequential:
    """Return a copy of the network with the weights that the circuit's banks make, and its bias spikes at their delays.

    The network must hold its weights free: a parametrization cannot be removed from a copy alone.
    """
    built = copy.deepcopy(network)
    for k, (layer, weights) in enumerate(zip(spiking_layers(built), circuit.weights, strict=True)):
        matrix = torch.from_numpy(weights)
        with torch.no_grad():
            if layer.bias is not None:
                layer.bias.copy_(matrix[:, -1])
                matrix = matrix[:, :-1]
            layer.weight.copy_(matrix.reshape(layer.weight.shape))
        layer.bias_z = float(np.exp(circuit.mapped.bias_delay_over_tau(k)))
    return built


def _times(noisy: NoisyNetwork, z: Tensor) -> list[Floats]:
    """Return the spikes of each layer [image, neuron] as they leave it, noise included, units of τ."""
    spiking = set(map(id, spiking_layers(noisy.network)))
    passed: list[Tensor] = []

    def record(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        passed.append(inputs[0])

    # The noise is added behind a layer's module: what the next stage receives holds it.
    after = [next_stage for stage, next_stage in pairwise(noisy.network) if id(stage) in spiking]
    handles = [stage.register_forward_pre_hook(record) for stage in after]
    try:
        passed.append(noisy(z))
    finally:
        for handle in handles:
            handle.remove()
    return [torch.log(layer.flatten(1)).double().numpy() for layer in passed]


def _row(times: list[Floats], window: float) -> tuple[Any, ...]:
    """Return the columns of one image behind `right`, from spike times [neuron] of each layer."""
    all_times = np.concatenate(times)
    first = float(times[-1].min())
    decided = bool(np.isfinite(first))
    end = first if decided else window
    fired = np.isfinite(all_times)
    before = fired & (all_times <= end)
    return (
        decided,
        end,
        float(np.minimum(all_times, end).sum()),
        float(all_times[before].sum()),
        int(before.sum()),
        int(fired.sum()),
    )


def _gathered(rows: list[tuple[Any, ...]], outside: float) -> Inferences:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    image, chip, right, decided, latency, armed, of_spikes, before, spikes = columns
    return Inferences(image, chip, right, decided, latency, armed, of_spikes, before, spikes, outside)
