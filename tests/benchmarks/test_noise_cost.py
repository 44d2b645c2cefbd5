"""What a noise table costs a training step: with and without it alternately, one thread, MNIST network, batch 50.

The published stressed table: false spikes in two layers, cells over slope and time. Ratio: median over pairs of steps.
"""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from neurocircuit.noise import NoiseTable
from neurocircuit.snn import checkpoint
from neurocircuit.snn.loss import LossSpec, spike_loss
from neurocircuit.snn.noisy import NoisyNetwork

PUBLISHED = Path(__file__).parents[2] / "reports" / "published" / "mnist-network"
STEPS = 40


def timed(forward, z, target):
    begin = time.perf_counter()
    with parametrize.cached():
        loss = spike_loss(forward(z), target, LossSpec(kind="relative", kappa=16.0))
    torch.autograd.backward(loss)
    return time.perf_counter() - begin


@pytest.mark.parametrize("circuit", ["stressed", "embedded"])
def test_a_noise_table_costs_less_than_a_third_of_a_step(benchmark, circuit):
    _, network = checkpoint.load_network(PUBLISHED / "weights.pt")
    table = NoiseTable.load(PUBLISHED / circuit / "table.nc")
    noisy = NoisyNetwork(network, table, outside="nearest", approaches=1)
    generator = torch.Generator().manual_seed(0)
    # a digit's share of bright pixels: most of an image is dark and spikes last
    pixels = (torch.rand(50, 1, 28, 28, generator=generator) < 0.2) * torch.rand(50, 1, 28, 28, generator=generator)
    z, target = torch.exp(3 * (1 - pixels)), torch.arange(50) % 10
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        pairs = []
        for step in range(STEPS):
            noisy.new_chip(1, step)
            pairs.append((timed(noisy, z, target), timed(network, z, target)))
            network.zero_grad()
    finally:
        torch.set_num_threads(threads)
    ratio = float(np.median([a / b for a, b in pairs]))
    benchmark.extra_info |= {
        "ratio": ratio,
        "noisy_ms": 1e3 * float(np.median([a for a, _ in pairs])),
        "clean_ms": 1e3 * float(np.median([b for _, b in pairs])),
        "false_spikes": [lookup.ever_false for lookup in noisy._lookup],
    }
    benchmark.pedantic(lambda: timed(noisy, z, target), rounds=1)
    assert ratio < 1.3
