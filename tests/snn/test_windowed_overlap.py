"""Overlap of pulses and early sinks in a whole windowed layer, against pairs of spikes one by one."""

import numpy as np
import pytest
import torch

from neurocircuit.core.arrays import Floats
from neurocircuit.network.windowed import WindowedLayer
from neurocircuit.neuron.membrane import membranes
from neurocircuit.neuron.pulse_overlap import acting_times, overlapping_weights
from neurocircuit.snn.hardware import windowed_overlap
from neurocircuit.snn.hardware.noisy_windows import NoisyWindows
from neurocircuit.spec import NeuronSpec
from tests.network.test_windowed import random_network
from tests.network.test_windowed_circuit import mapped
from tests.neuron.test_pulse_overlap import spec as overlapping
from tests.snn.test_noisy_windows import SEEDS, stacked, table_of, unrounded

WIDTHS_s = (2e-9, 3e-9, 3.5e-9, 2.5e-9)
CIRCUIT = overlapping(0.32).circuit
SPEC = NeuronSpec(
    circuit=CIRCUIT.replace(overlap_sinks=0.15, overlap_both=0.24, overlap_width_s=WIDTHS_s, sink_advance_s=6e-10)
)


def membranes_alone(spec: NeuronSpec, t_over_tau: Floats, weights: Floats) -> Floats:
    plain = spec.replace(circuit=None)
    return membranes(plain, t_over_tau, weights).v[:, 0]


def taken_pair_by_pair(spec: NeuronSpec, t_over_tau: Floats, weights: Floats) -> Floats:
    """What the membranes at the arming miss, [neuron], thresholds."""
    acting = acting_times(spec, t_over_tau, weights), overlapping_weights(spec, t_over_tau, weights)
    return membranes_alone(spec, t_over_tau, weights) - membranes_alone(spec, *acting)


def error(seed: int) -> float:
    """Root mean square of the error over the neurons of all layers, by that of what it should be."""
    model, pixels = random_network(seed, "ramp")
    network, images = mapped("ramp", SPEC, made=(model, pixels))
    circuit = unrounded(network.circuit)
    noisy = NoisyWindows(stacked(model), model, table_of(network, images), ("systematic",))
    noisy.heard, taken = [], []
    for layer in noisy._layers:
        layer_overlap = layer.overlapping
        layer.overlapping = lambda ahead, of=layer_overlap: taken.append(of(ahead)) or taken[-1]  # type: ignore[method-assign]
    with torch.no_grad():
        noisy(pixels)
    times = [t[0].double().numpy() for t in noisy.heard]
    differences, wanted = [], []

    def compare(k: int, received: Floats) -> tuple[None, Floats]:
        layer = circuit.layers[k]
        assert isinstance(layer, WindowedLayer)
        expected = taken_pair_by_pair(circuit.mapped.neuron_of(k), *circuit.received(k, received))
        differences.append(taken[k][0].flatten().double().numpy() - expected)
        wanted.append(expected)
        return None, times[k] - layer.origin_over_tau

    circuit.propagate(images.spikes[0], compare)
    squares = [float(np.sum(np.concatenate(parts) ** 2)) for parts in (differences, wanted)]
    return float(np.sqrt(squares[0] / squares[1]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_layer_loses_what_its_pairs_lose(seed: int) -> None:
    """The series is cut, and the charges of two spikes that meet are taken as alike."""
    assert error(seed) < 0.1


def test_more_harmonics_come_closer(monkeypatch: pytest.MonkeyPatch) -> None:
    few = error(1)
    monkeypatch.setattr(windowed_overlap, "HARMONICS_PER_WIDTH", 3.0)
    assert error(1) < few


@pytest.mark.parametrize("wrong", ["early", "alone", "mixed"])
def test_a_part_that_is_left_out_is_seen(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """The planted wrong answers: sinks that are not early, spikes that meet themselves, sources that miss sinks."""
    if wrong == "mixed":
        series = windowed_overlap._series
        monkeypatch.setattr(
            windowed_overlap, "_series", lambda overlap, after, *rest: series(overlap, after, *rest) * (after < 2)
        )
    else:
        name = {"early": "early", "alone": "squares"}[wrong]
        of_part = getattr(windowed_overlap._Part, name)
        monkeypatch.setattr(windowed_overlap._Part, name, lambda part, *sign: 0.0 * of_part(part, *sign))
    assert error(1) > 0.15
