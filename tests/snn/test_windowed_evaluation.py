"""Evaluation of windowed networks: what the dense layers count is what the armed rule of eq. (4) gives."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import neurocircuit as nc
from neurocircuit.errors import InputError
from neurocircuit.network.run import spikes_of
from neurocircuit.neuron import windows
from neurocircuit.snn.evaluate import EXACT_IMAGES, against_exact

CLASSES = 10


@pytest.fixture(params=["forced", "ramp"])
def network(request):
    """A random network for the digits whose read-out leaves some images undecided."""
    torch.manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 12), nn.ReLU()
    )
    module.append(nn.Linear(12, CLASSES))
    network = nc.snn.convert(module, nc.data.digits("train")[:50], form=request.param, quantile=0.99, window=0.6)
    last = network.graph.nodes[-1]
    nodes = (*network.graph.nodes[:-1], last.replace(offset=last.offset + 0.3 * last.largest))
    tightened = nc.snn.WindowedNetwork(network.graph.replace(nodes=nodes), network.state_dict())
    tightened.subject = network.subject
    return tightened


def test_counts_are_those_of_the_spikes(network):
    images = nc.data.digits("test")[:120]
    result = nc.evaluate(network, images)
    pixels = torch.from_numpy(images.pixels).double() / 255
    with torch.no_grad():
        z = network.spikes(pixels)
    layers = network.graph.layers
    decided = network.first_spike(z[layers[-1].name])
    assert 0 < result.undecided == int((decided < 0).sum()) < 120
    assert result.accuracy == float((decided.numpy() == images.labels).mean())
    for node, layer in zip(layers[:-1], result.layers, strict=False):
        assert layer.overall == layer.before_decision == pytest.approx(float((z[node.name] < 1).double().mean()))
        assert layer.neurons == z[node.name][0].numel()
    out = z[layers[-1].name]
    assert result.layers[-1].overall == pytest.approx(float(torch.isfinite(out).double().mean()))
    assert result.layers[-1].before_decision == pytest.approx(float((decided >= 0).double().mean()) / CLASSES)
    times = (torch.log(out.amin(1)) + windows.arming_over_tau(layers[-1], network.codes))[decided >= 0]
    assert result.latency.mean_over_tau == pytest.approx(float(times.mean()), rel=1e-6)
    assert result.latency.maximum_over_tau == pytest.approx(float(times.max()), rel=1e-6)
    assert result.weights == sum(value.numel() for value in network.state_dict().values())
    share = result.spikes / result.neurons
    assert result.paper_energy_J == pytest.approx(result.weights * share * 10e-12)
    assert result.energy_J == pytest.approx(result.spikes * 10e-12)


def test_its_cost_is_that_of_the_spikes(network):
    """Neuron by neuron from the armed rule, in form `ramp` with the power of a ramp after the arming."""
    images, T = nc.data.digits("test")[:20], 0.6
    cost = nc.evaluate(network, images).cost
    with torch.no_grad():
        z = network.spikes(torch.from_numpy(images.pixels).double() / 255)
    hidden = [np.log(z[node.name].flatten(1).numpy()) for node in network.graph.layers[:-1]]
    out = np.log(z[network.graph.nodes[-1].name].numpy())
    layers = len(network.graph.layers)
    on_J, spiking_J, counted, forced, P = 0.0, 0.0, 0, 0, cost.power_W * 20e-9
    on_ramp = cost.ramp_power_W * 20e-9 if network.graph.form == "ramp" else P
    for image in range(len(images)):
        first = min(out[image].min(), T)  # after the arming of the last layer; the window's end where none comes
        for times in hidden:
            for before_end in times[image]:
                after = T + before_end if before_end < 0 else T
                on_J += P * T + on_ramp * after
                fired = before_end < 0
                counted += fired
                forced += not fired and network.graph.form == "forced"
                spiking_J += (fired or network.graph.form == "forced") * (P * T + on_ramp * after)
        closed = network.graph.form == "forced" and not np.isfinite(out[image]).any()
        for t in out[image]:
            on_J += P * T + on_ramp * first
            counted += np.isfinite(t)
            forced += closed
            spiking_J += (t <= first or closed) * (P * T + on_ramp * first)
    n = len(images)
    assert cost.energy_J == pytest.approx(on_J / n, rel=1e-5)
    assert cost.energy_spikes_J == pytest.approx(spiking_J / n, rel=1e-5)
    assert (cost.spikes, cost.forced_spikes) == pytest.approx((counted / n, forced / n))
    assert cost.window_over_tau == pytest.approx((layers + 1) * T)


def test_the_check_by_the_armed_rule_is_tight_and_sees_what_is_wrong(network):
    images = nc.data.digits("test")[:12]
    exact = nc.evaluate(network, images).exact
    assert (exact.images, exact.same_decisions) == (EXACT_IMAGES, EXACT_IMAGES)
    assert exact.largest_error_over_tau < 1e-5
    moved = nc.snn.WindowedNetwork(network.graph, network.state_dict()).double()
    known = moved.times_over_tau
    first = network.graph.layers[0].name
    moved.times_over_tau = lambda values: known(values) | {first: known(values)[first] + 0.01}
    wrong = against_exact(moved, torch.from_numpy(images.pixels).double() / 255)
    assert wrong.largest_error_over_tau == pytest.approx(0.01, rel=1e-6)


def test_file_network_and_model_are_evaluated_alike(network, tmp_path):
    network.save(tmp_path / "w.pt")
    model = nc.snn.load(tmp_path / "w.pt")
    results = [nc.evaluate(one, first=30) for one in (network, model, tmp_path / "w.pt")]
    fields = [result.model_dump(exclude={"run"}) for result in results]
    assert fields[0] == fields[1] == fields[2]
    assert model.subject.encoding.alpha == network.graph.window_over_tau
    assert model.weights == results[0].weights
    again = model.save(tmp_path / "again.pt")
    assert again.sha256 == model.sha256


def test_a_network_of_no_data_set_is_refused(network):
    network.subject = None
    with pytest.raises(InputError, match="names no data set"):
        nc.evaluate(network)


def test_a_mapped_network_decides_as_software(network, tmp_path):
    """Under the neurons' own equation with the weights before rounding; through the file too."""
    images = nc.data.digits("train")[:6]
    nc.map(network, images=images).save(tmp_path / "net.toml")
    mapped = nc.snn.NetworkOnCircuit.load(tmp_path / "net.toml")
    assert mapped.mapped.is_windowed
    with torch.no_grad():
        z = network.spikes(torch.from_numpy(images.pixels).double() / 255)
    decided = network.first_spike(z[network.graph.nodes[-1].name])
    for spikes, decision in zip(mapped.encoded(images).spikes, decided.tolist(), strict=True):
        out = spikes_of(mapped.circuit.ideal(spikes, exact_weights=True)[-1])
        assert (int(out.argmin()) if np.isfinite(out).any() else -1) == decision


@pytest.mark.parametrize("form", ["forced", "ramp"])
def test_spike_times_are_those_of_the_closed_forms(network, form):
    """y = X at the arming and beyond, y = 0 at the window's end, nothing below; between them eq. (W3) or a line."""
    node = network.graph.layers[0]
    X, T = node.largest, node.window_over_tau
    y = np.array([1.5 * X, X, 0.25 * X, 0.0, -0.1 * X])
    between = math.log(1 + math.expm1(T) * 0.75) if form == "forced" else 0.75 * T
    np.testing.assert_allclose(windows.spike_over_tau(form, node, y), [0, 0, between, T, np.inf], rtol=1e-12)
    both = windows.spike_over_tau(form, node, torch.from_numpy(y), torch).numpy()
    np.testing.assert_allclose(both, windows.spike_over_tau(form, node, y), rtol=1e-14)
