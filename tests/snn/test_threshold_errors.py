"""Thresholds of single neurons that are off: free and windowed networks against level `ideal`, neuron by neuron."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neurocircuit.core.arrays import Floats
from neurocircuit.network.physical import PhysicalNetwork
from neurocircuit.network.windowed import WindowedNetwork
from neurocircuit.neuron import levels, windows
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.hardware.jitter import JitteredWindows, SpikeErrorsNetwork
from neurocircuit.snn.models import NetworkSpec
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.relu import PixelNetwork, PixelsOf, SpikesOf
from neurocircuit.snn.unroll import unroll
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.windowed import Form, LayerNode, Term
from tests.network.test_windowed import physical, random_network

SPREAD = 0.1
EXACT = NeuronSpec(spike_width_s=0.0, window_s=50 * NeuronSpec().tau_s)


def at_level_ideal(network: PhysicalNetwork | WindowedNetwork, image: Floats, thresholds: list[Floats]) -> list[Floats]:
    """Times of the neurons of each layer from its origin, the threshold of each its own; inf: no spike by itself."""
    unit = EXACT.replace(vco4_swing_Hz=EXACT.fixed_lead_rad / (2 * EXACT.phase_per_weight_rad * EXACT.tau_s))

    def step(k: int, spikes: Floats) -> tuple[Floats, Floats]:
        layer = network.layers[k]
        spec = layer.neuron(EXACT) if isinstance(network, WindowedNetwork) else unit
        assert spec.threshold_weight == pytest.approx(1.0)
        none = np.zeros(layer.neurons)
        errors = NeuronErrors(none, none, thresholds[k].ravel(), (none,) * 4)
        times, weights = layer.inputs(spikes, 0.0), layer.kernel[layer.row]
        record = levels.evaluate("ideal", spec, times, weights, errors=errors)
        return record.by_itself_over_tau, record.fire_time_over_tau

    return network.propagate(image, step)


def differ(times: list[Floats], expected: list[Floats]) -> float:
    """Return the largest difference over all neurons; inf where one fires in one alone."""
    worst = 0.0
    for ours, theirs in zip(times, expected, strict=True):
        if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
            return np.inf
        both = np.isfinite(ours)
        worst = max(worst, float(np.abs(ours[both] - theirs[both]).max(initial=0.0)))
    return worst


@pytest.mark.parametrize("form", ["forced", "ramp"])
@pytest.mark.parametrize("seed", range(3))
def test_windowed_neurons_fire_where_their_thresholds_are_met(seed: int, form: Form) -> None:
    """Branches, strides, pooling and padding; with the errors of the other sign they would not."""
    model, images = random_network(seed, form)
    pixels = PixelNetwork(PixelsOf(Encoding(kind="linear", alpha=0.5)), model, SpikesOf())
    noisy = JitteredWindows(pixels, 0.0, threshold=SPREAD)
    with torch.no_grad():
        values = model.activations(images, disturb=noisy._at_thresholds)
        times = model.times_over_tau(values)
    network = physical(model)
    errors = [
        noisy._thresholds.errors(node.name, values[node.name].shape[1:], noisy.event_rng).double().numpy()
        for node in model.graph.layers
    ]
    for number, image in enumerate(images.numpy()):
        ours = [
            np.where(
                (t := times[layer.name][number].numpy().ravel()) < layer.closes_over_tau - 1e-9,
                t - layer.origin_over_tau,
                np.inf,
            )
            for layer in network.layers
        ]
        spikes = network.input_spikes(image)
        assert differ(ours, at_level_ideal(network, spikes, errors)) < 1e-7
        assert differ(ours, at_level_ideal(network, spikes, [-error for error in errors])) > 1e-3


def free_network() -> tuple[Subject, Any]:
    spec = NetworkSpec(name="mnist_scnn", bias=True, clock="absolute", initial_sum=3.0, initial_spread=0.7)
    subject = Subject(name="tiny", data=DataSpec(name="digits"), network=spec)
    network = checkpoint.new_network(subject, torch.Generator().manual_seed(4)).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.2, 0.4, generator=torch.Generator().manual_seed(5))
    return subject, network


def test_free_neurons_fire_where_their_thresholds_are_met(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, network = free_network()
    noisy, kept = SpikeErrorsNetwork(network, 0.0, threshold=SPREAD), []
    monkeypatch.setattr(noisy, "_disturbed", lambda k, z: kept.append(z) or z)
    spikes = np.random.default_rng(1).uniform(0, 2, (3, 64))
    with torch.no_grad():
        noisy(torch.from_numpy(np.exp(spikes)).view(3, 1, 8, 8))
    shapes = [z.shape[1:] for z in kept[1:]]
    errors = [
        noisy._thresholds.errors(k + 1, (shape[0], shape[1:].numel()), noisy.event_rng).double().numpy()
        for k, shape in enumerate(shapes)
    ]
    whole = unroll(subject, network)
    for number, image in enumerate(spikes):
        ours = [z[number].log().numpy().ravel() for z in kept[1:]]
        assert differ(ours, at_level_ideal(whole, image, errors)) < 1e-7
        assert differ(ours, at_level_ideal(whole, image, [-error for error in errors])) > 1e-3


def test_one_threshold_for_all_neurons_scales_all_weights() -> None:
    """V = 1 + δ under w is V = 1 under w/(1 + δ): another network, by its own rule."""
    _, network = free_network()
    noisy = SpikeErrorsNetwork(network, 0.0, threshold=1.0)
    noisy._thresholds.errors = lambda layer, neurons, rng: torch.full(neurons, 0.07)  # type: ignore[method-assign]
    z = torch.exp(2 * torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(3)).double())
    with torch.no_grad():
        off = noisy(z)
        for layer in (module for module in network.modules() if hasattr(module, "rounding")):
            layer.rounding = lambda weight, bias: (weight / 1.07, bias / 1.07)
        scaled = network(z)
    torch.testing.assert_close(off, scaled, rtol=1e-7, atol=0)


def chip(errors: type[torch.nn.Module], network: Any, seed: int, z: Tensor) -> Tensor:
    noisy = errors(network, 0.0, threshold=SPREAD)
    noisy.event_rng.manual_seed(seed)
    with torch.no_grad():
        first = noisy(z)
        assert torch.equal(noisy(z), first)
        assert torch.equal(torch.cat([noisy(part) for part in z.split(2)]), first)
    return first


@pytest.mark.parametrize("kind", ["free", "windowed"])
def test_errors_are_those_of_a_chip(kind: str) -> None:
    """The same for all images and calls, others for another seed; their size is the one asked for."""
    if kind == "free":
        _, network = free_network()
        errors: type[torch.nn.Module] = SpikeErrorsNetwork
        z = torch.exp(2 * torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(3)).double())
    else:
        model, z = random_network(0, "ramp")
        network = PixelNetwork(PixelsOf(Encoding(kind="linear", alpha=0.5)), model, SpikesOf())
        errors, z = JitteredWindows, windows.spike_z(z[:4], 1.0, 0.5)
    assert not torch.equal(chip(errors, network, 1, z), chip(errors, network, 2, z))
    drawn = errors(network, 0.0, threshold=SPREAD)._thresholds.errors(1, (20_000,), torch.Generator())
    assert float(drawn.std()) == pytest.approx(SPREAD, rel=4 / np.sqrt(2 * 20_000))


def test_a_flat_neuron_may_never_reach_a_higher_threshold_and_is_above_it_when_its_membrane_falls() -> None:
    """σ <= δ of form forced, where eq. (W8) has no crossing after the arming."""
    term = Term(kind="linear", source="input", weight="v")
    node = LayerNode(name="a", terms=(term,), bias="c", channels=1, largest=2.0, window_over_tau=0.5)
    y = np.array([1.0, 2.0, 40.0])  # σ z = 0.1 (1 + L (1 - y/X)): 0.13, 0.1, -1.1
    shown = windows.at_threshold("forced", node, y, 0.1, 0.3)
    assert shown.tolist() == [-np.inf, -np.inf, 2.0]
    later = windows.at_threshold("forced", node, y, 0.1, 0.05)[1]  # z = 1 becomes 0.1/(0.1 - 0.05)
    assert later == pytest.approx(2.0 * (1.0 - (2.0 - 1.0) / np.expm1(0.5)))
