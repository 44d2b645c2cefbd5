"""Whole images on chips of a mapped network: decisions, when, and how long neurons were on.

Two ways: a torch network under a noise table (many images; false spikes of neurons
that eq. (4) leaves silent come by the table's shares), or every neuron simulated at a level. A false spike is a spike:
it reaches the next layer, can decide, and costs its energy.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.core.stats import random_effects
from neurocircuit.network.run import Circuit, decide
from neurocircuit.neuron.on_time import OnTimes, on_times
from neurocircuit.noise.table import NoiseTable
from neurocircuit.results.inference import InferenceCost, InferenceFigures, NeuronPower
from neurocircuit.snn import checkpoint
from neurocircuit.snn.encode import first_spike
from neurocircuit.snn.evaluate import PAPER_ENERGY_PER_SPIKE_J
from neurocircuit.snn.hardware.noisy_windows import on_chips
from neurocircuit.snn.hardware.quantise import keep_rounded, round_to_banks
from neurocircuit.snn.models import spiking_layers
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.windowed import windowed_in

_BATCH = 100


@dataclass(frozen=True)
class Inferences:
    """One row for each image and chip. on: how long neurons were on; window_over_tau: when an undecided image ends."""

    image: NDArray[np.int64]
    chip: NDArray[np.int64]
    right: Bools
    decided: Bools
    on: OnTimes
    window_over_tau: float
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


def figures(inferences: Inferences, power: NeuronPower, tau_s: float, weights: int, neurons: int) -> InferenceFigures:
    """Return accuracy, energies (J) and latency (s), means over images and chips.

    weights, neurons: numbers of them in the network.
    """
    cost = InferenceCost.of(inferences.on, power, tau_s, neurons, inferences.window_over_tau)
    low, high = inferences.interval
    return InferenceFigures(
        **dict(cost),
        accuracy=inferences.accuracy,
        accuracy_low=low,
        accuracy_high=high,
        images=len(np.unique(inferences.image)),
        chips=len(np.unique(inferences.chip)),
        undecided=float(1.0 - inferences.decided.mean()),
        energy_paper_J=weights * cost.spikes / neurons * PAPER_ENERGY_PER_SPIKE_J,
        outside=inferences.outside,
    )


def on_circuit(
    circuit: Circuit, spikes: list[Floats], labels: NDArray[np.int64], chips: Iterable[int], level: str, seed: int
) -> Inferences:
    """Run every neuron of every image at a level, from input spikes [number] of each image, units of tau.

    chips: their numbers.
    """
    rows = []
    for number in chips:
        chip = circuit.chip(seed, number)
        for image, (image_spikes, label) in enumerate(zip(spikes, labels, strict=True)):
            runs = chip.run(image_spikes, image, level)
            decision = decide(runs[-1].t_over_tau)
            rows.append(([image], [number], [decision == label], [decision >= 0], circuit.on_times(runs)))
    return _gathered(rows, circuit.latest_over_tau, 0.0)


def under_table(
    circuit: Circuit,
    network: nn.Module,
    table: NoiseTable,
    z: Tensor,
    labels: Tensor,
    chips: Iterable[int],
    seed: int,
) -> Inferences:
    """Run images z [image, channel, row, column] through the torch network as the circuit builds it, under a table.

    network: one of `network_for_tables`; chips: their numbers.
    """
    noisy = on_chips(as_built(network, circuit), table, outside="ideal", window_over_tau=circuit.window)
    noisy.eval()
    noisy.heard = []
    rows = []
    with torch.no_grad():
        for number in chips:
            noisy.new_chip(seed, number)
            for first in range(0, len(z), _BATCH):
                batch = z[first : first + _BATCH]
                decision, decided = first_spike(noisy(batch))
                right = decided & (decision == labels[first : first + _BATCH])
                on = on_times([t.numpy() for t in noisy.heard], circuit.spans, circuit.latest_over_tau)
                images = np.arange(first, first + len(batch))
                rows.append((images, np.full(len(batch), number), right.numpy(), decided.numpy(), on))
    return _gathered(rows, circuit.latest_over_tau, noisy.count.share)


def network_for_tables(subject: Subject, network: nn.Module) -> nn.Module:
    """Return a network that `as_built` can copy: a free one with weights that are set there, a windowed one itself."""
    if windowed_in(network) is not None:
        return network.eval()
    free = subject.replace(network=subject.network.replace(parameterisation="free"))
    return checkpoint.new_network(free, torch.Generator().manual_seed(0)).eval()


def as_built(network: nn.Module, circuit: Circuit) -> nn.Module:
    """Return a copy of the network with the weights that the circuit's banks make, and its bias spikes at their delays.

    The network must hold its weights free: a parametrization cannot be removed from a copy alone.
    """
    built = copy.deepcopy(network)
    if windowed_in(built) is not None:
        round_to_banks(built, circuit.mapped)
        keep_rounded(built)
        return built
    for k, (layer, weights) in enumerate(zip(spiking_layers(built), circuit.weights, strict=True)):
        matrix = torch.from_numpy(weights)
        with torch.no_grad():
            if layer.bias is not None:
                layer.bias.copy_(matrix[:, -1])
                matrix = matrix[:, :-1]
            layer.weight.copy_(matrix.reshape(layer.weight.shape))
        layer.bias_z = float(np.exp(circuit.mapped.bias_delay_over_tau(k)))
    return built


def _gathered(rows: list[tuple[Any, ...]], window_over_tau: float, outside: float) -> Inferences:
    image, chip, right, decided, on = zip(*rows, strict=True)
    return Inferences(
        image=np.concatenate(image),
        chip=np.concatenate(chip),
        right=np.concatenate(right),
        decided=np.concatenate(decided),
        on=OnTimes.joined(on),
        window_over_tau=window_over_tau,
        outside=outside,
    )
