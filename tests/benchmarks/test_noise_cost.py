"""What a noise table costs a training step: with and without it alternately, one thread, the recipe mnist_aware.

Both sides do all that a step of the recipe does (images, margins, rounded weights, optimiser) on real digits; without
the table `hardware.causes` is empty. Beside it the forward and backward pass alone, of which the table is a larger
share. Ratios: median over pairs of steps.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from neurocircuit.snn.recipe import load_recipe
from neurocircuit.snn.training.optimise import denormals_as_zero
from neurocircuit.snn.training.run import Trainer

ROOT = Path(__file__).parents[2]
NETWORK = ROOT / "reports/published/mnist-network"
STEPS = 60


def stepping(directory, circuit, *settings):
    """A function that makes one training step and returns its processor time."""
    files = (f'initial="{NETWORK}/weights.pt"', f'hardware.noise="{NETWORK}/{circuit}/table.nc"')
    recipe = load_recipe(ROOT / "training/mnist_aware.toml", (*files, *settings))
    trainer = Trainer(recipe, directory, None, torch.device("cpu"))
    batches = iter(trainer.sampler.rest_of_epoch())

    def step():
        begin = time.thread_time()
        trainer._step(next(batches))
        return time.thread_time() - begin

    return step


def compared(noisy, clean):
    """Ratio and both times, ms."""
    pairs = []
    for k in range(STEPS):
        first, second = (noisy, clean) if k % 2 else (clean, noisy)
        times = {first: first(), second: second()}
        pairs.append((times[noisy], times[clean]))
    noisy_s, clean_s = np.array(pairs[4:]).T
    return float(np.median(noisy_s / clean_s)), 1e3 * float(np.median(noisy_s)), 1e3 * float(np.median(clean_s))


@pytest.mark.skipif("NEUROCIRCUIT_DATA" not in os.environ, reason="needs MNIST: set NEUROCIRCUIT_DATA")
@pytest.mark.parametrize("circuit", ["stressed", "embedded"])
def test_a_noise_table_costs_a_bounded_share_of_a_step(benchmark, circuit, tmp_path):
    """Measured with AVX-512: 1.46 times the step without it, 1.62 to 1.76 beside other work; the bound: 40 % more."""
    bare = ("loss.margin=0", "hardware.bits=32")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with denormals_as_zero():
            for name, settings in (("step", ()), ("bare", bare)):
                without = stepping(tmp_path, circuit, "hardware.causes=[]", *settings)
                ratio, noisy_ms, clean_ms = compared(stepping(tmp_path, circuit, *settings), without)
                benchmark.extra_info |= {
                    f"{name}_ratio": ratio,
                    f"{name}_noisy_ms": noisy_ms,
                    f"{name}_clean_ms": clean_ms,
                }
            benchmark.pedantic(stepping(tmp_path, circuit), rounds=1)
    finally:
        torch.set_num_threads(threads)
    assert benchmark.extra_info["step_ratio"] < 2.5
