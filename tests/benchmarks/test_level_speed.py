"""Neuron evaluations per second at each level; `make bench`.

Rates are read off the table as evaluations over the mean time (`extra_info` holds them too); ratios against the
numpy version of the same algorithm are measured alternately in one process, by processor time.
"""

import time

import numpy as np
import pytest

from neurocircuit.neuron import edge, levels
from neurocircuit.spec import NeuronSpec

TRIALS = 20_000
CASES = {
    "two inputs, noise off": ({}, 2, (0.3, 1.0), (0.8, 1.2)),
    "two inputs, flip-flop": ({"readout": "q"}, 2, (0.3, 1.0), (0.8, 1.2)),
    "25 inputs, noise off": ({}, 25, (0.0, 2.0), (0.0, 0.24)),
    "25 inputs, phase noise": ({"phase_noise": (5e4, 5e4, 5e4, 5e4)}, 25, (0.0, 2.0), (0.0, 0.24)),
}


def batch(inputs, times, weights, trials=TRIALS):
    rng = np.random.default_rng(0)
    t, w = rng.uniform(*times, (trials, inputs)), rng.uniform(*weights, (trials, inputs))
    return t, w, rng.uniform(0, 2 * np.pi, (trials, 2)), np.arange(trials, dtype=np.uint64)


def cpu_s(function):
    begin = time.process_time()
    function()
    return time.process_time() - begin


@pytest.mark.parametrize("name", CASES)
def test_edge(benchmark, name):
    fields, inputs, times, weights = CASES[name]
    spec = NeuronSpec(**fields)
    t, w, start, seed = batch(inputs, times, weights)
    record = benchmark(edge.fire, spec, t, w, start, seed)
    assert record.fired.mean() > 0.9
    benchmark.extra_info["evaluations_per_cpu_s"] = TRIALS / min(
        cpu_s(lambda: edge.fire(spec, t, w, start, seed)) for _ in range(5)
    )


@pytest.mark.parametrize("name", CASES)
def test_edge_kernel_against_numpy(benchmark, monkeypatch, name):
    """The same algorithm in numpy is the yardstick: at least 5 times as fast, median of 7 alternating pairs."""
    fields, inputs, times, weights = CASES[name]
    spec = NeuronSpec(**fields)
    arrays = batch(inputs, times, weights, trials=4000)

    def pair():
        compiled = cpu_s(lambda: edge.fire(spec, *arrays))
        with monkeypatch.context() as patch:
            patch.setattr(edge, "native", None)
            plain = cpu_s(lambda: edge.fire(spec, *arrays))
        return compiled, plain

    pairs = [pair() for _ in range(7)]
    ratio = float(np.median([plain / compiled for compiled, plain in pairs]))
    benchmark.extra_info["numpy_over_kernel"] = ratio
    benchmark.extra_info["kernel_per_cpu_s"] = 4000 / min(compiled for compiled, _ in pairs)
    benchmark.extra_info["numpy_per_cpu_s"] = 4000 / min(plain for _, plain in pairs)
    benchmark.pedantic(edge.fire, (spec, *arrays), rounds=3)
    assert ratio > 5


@pytest.mark.parametrize("level", ["ideal", "averaged"])
def test_closed_forms(benchmark, level):
    t, w, start, seed = batch(2, (0.3, 1.0), (0.8, 1.2))
    record = benchmark(levels.evaluate, level, NeuronSpec(), t, w, start_rad=start, noise_seed=seed)
    assert record.fired.mean() > 0.9
    benchmark.extra_info["evaluations_per_s"] = TRIALS / benchmark.stats["min"]
