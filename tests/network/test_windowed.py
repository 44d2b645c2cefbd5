"""Windowed graphs as physical neurons: the same spikes as torch's, and the circuit's levels on them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
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


def random_network(seed: int, form: Form) -> tuple[torch.nn.Module, torch.Tensor]:
    """A converted random graph with branches, strides, pooling and padding, and images, in float64."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(6, 2, 8, 8, generator=generator, dtype=torch.double)
    torch.manual_seed(seed)
    relu = networks.settle(networks.RandomGraph(np.random.default_rng(seed)), images, generator)
    return convert(relu, images, form=form, quantile=1.0), images


@pytest.mark.parametrize("form", ["forced", "ramp"])
@pytest.mark.parametrize("seed", range(8))
def test_physical_neurons_spike_as_the_graph_in_torch(seed: int, form: Form) -> None:
    """Every neuron of every layer, by the closed form of level ideal, which knows nothing of the graph."""
    model, images = random_network(seed, form)
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


def test_a_missing_weight_is_named() -> None:
    model, _ = random_network(0, "forced")
    node = model.graph.layers[0]
    with pytest.raises(InputError, match=f"weights must hold those of {node.name}"):
        WindowedNetwork(model.graph, {})
