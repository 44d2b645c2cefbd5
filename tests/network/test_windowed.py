"""Windowed graphs as physical neurons: the same spikes as torch's, and the circuit's levels on them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.network import windowed
from neurocircuit.network.windowed import WindowedNetwork
from neurocircuit.neuron import levels
from neurocircuit.snn.conversion import convert
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.windowed import Form
from tests.snn.conversion import networks

TAU_s = 20e-9


def physical(model: torch.nn.Module) -> WindowedNetwork:
    graph = model.graph
    weights = {}
    for node in graph.layers:
        layer = model.layer(node)
        for term, v in zip(node.terms, layer.weights, strict=True):
            weights[term.weight] = v.detach().numpy()
        weights[node.bias] = layer.bias.detach().numpy()
    return WindowedNetwork(graph, weights)


Step = Callable[[int, Floats], tuple[Floats, Floats]]


def step_at(level: str, base: NeuronSpec, network: WindowedNetwork) -> Step:
    """A layer at a level of the circuit; the threshold is at 1 in every layer."""

    def step(k: int, spikes: Floats) -> tuple[Floats, Floats]:
        layer = network.layers[k]
        record = levels.evaluate(level, layer.neuron(base), layer.inputs(spikes, 0.0), layer.kernel[layer.row])
        return record.fire_time_over_tau, record.fire_time_over_tau

    return step


def random_network(
    seed: int, form: Form, graph: type[torch.nn.Module] = networks.RandomGraph, **options: Any
) -> tuple[torch.nn.Module, torch.Tensor]:
    """A converted random graph with branches, strides, pooling and padding, and images, in float64."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(6, 2, 8, 8, generator=generator, dtype=torch.double)
    torch.manual_seed(seed)
    relu = networks.settle(graph(np.random.default_rng(seed)), images, generator)
    return convert(relu, images, form=form, quantile=1.0, **options), images


def check_neurons(model: torch.nn.Module, images: torch.Tensor) -> WindowedNetwork:
    """Every neuron of every layer, by the closed form of level ideal, which knows nothing of the graph."""
    network = physical(model)
    with torch.no_grad():
        expected = model.spikes(images)
    base = NeuronSpec(spike_width_s=0.0, window_s=50 * TAU_s)
    for number, image in enumerate(images.numpy()):
        spikes = network.propagate(network.input_spikes(image), step_at("ideal", base, network))
        for layer, fired in zip(network.layers, spikes, strict=True):
            z = expected[layer.name][number].reshape(-1).numpy()
            begin = layer.armed_over_tau if layer.node.is_readout else layer.closes_over_tau
            times, closes = np.log(z) + begin - layer.origin_over_tau, layer.closes_over_tau - layer.origin_over_tau
            silent = np.isinf(fired)
            assert np.all(times[silent] >= closes - 1e-9)
            np.testing.assert_allclose(fired[~silent], np.minimum(times, closes)[~silent], rtol=0, atol=1e-7)
    return network


@pytest.mark.parametrize("form", ["forced", "ramp"])
@pytest.mark.parametrize("seed", range(8))
def test_physical_neurons_spike_as_the_graph_in_torch(seed: int, form: Form) -> None:
    check_neurons(*random_network(seed, form))


@pytest.mark.parametrize("form", ["forced", "ramp"])
@pytest.mark.parametrize("seed", range(3))
def test_layers_read_spikes_of_several_windows_ago(seed: int, form: Form) -> None:
    model, images = random_network(seed, form, networks.LongBranches, relay_after=math.inf)
    network = check_neurons(model, images[:3])
    assert max(layer.armed_over_tau - layer.origin_over_tau for layer in network.layers) > 2.4  # five windows of 0.5


@pytest.mark.parametrize("form", ["forced", "ramp"])
def test_relays_spike_again_where_spikes_would_be_too_old(form: Form) -> None:
    """Shared by the layers that read them; no layer is armed later for them."""
    direct, _ = random_network(0, form, networks.LongBranches, relay_after=math.inf)
    model, images = random_network(0, form, networks.LongBranches, relay_after=0.5)
    network = check_neurons(model, images[:3])
    assert max(layer.armed_over_tau - layer.origin_over_tau for layer in network.layers) == pytest.approx(1.0)
    relays = [layer for layer in network.layers if "_at_" in layer.name]
    assert len(relays) >= 3
    assert {layer.fan_in for layer in relays} == {3}
    layers = {layer.name: layer for layer in network.layers}
    assert all(
        layers[layer.name].armed_over_tau == pytest.approx(layer.armed_over_tau) for layer in physical(direct).layers
    )


def test_without_the_pulse_at_an_earlier_windows_end_a_sum_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted wrong answer: on a ramp silent neurons whose windows ended before the arming stay silent."""
    monkeypatch.setattr(windowed, "_forced", lambda layer, code: np.zeros(len(code.padding), dtype=bool))
    check_neurons(*random_network(1, "ramp"))  # no branches: nobody needs the pulse
    with pytest.raises(AssertionError):
        check_neurons(*random_network(0, "ramp", networks.LongBranches))


@pytest.mark.parametrize("form", ["forced", "ramp"])
def test_partial_sums_are_neurons_of_few_synapses(form: Form) -> None:
    """Neurons that add partial sums have as many inputs as synapses, each its own."""
    network = check_neurons(*random_network(0, form, networks.Wide, largest_fan_in=40))
    assert max(layer.fan_in for layer in network.layers) <= 40
    sums = next(layer for layer in network.layers if any("_parts" in term.source for term in layer.node.terms))
    assert sums.fan_in == (4 if form == "forced" else 6)
    assert len(sums.blocks) == sums.node.channels
    assert sorted(np.concatenate([neurons.ravel() for _, neurons in sums.blocks])) == list(range(sums.neurons))


def test_a_missing_weight_is_named() -> None:
    model, _ = random_network(0, "forced")
    node = model.graph.layers[0]
    with pytest.raises(InputError, match=f"weights must hold those of {node.name}"):
        WindowedNetwork(model.graph, {})
