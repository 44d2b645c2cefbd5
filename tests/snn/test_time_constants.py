"""A time constant for each layer of neurons: the circuit's spikes are the software's, at every level and in tables."""

import numpy as np
import pytest
import torch

import neurocircuit as nc
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network.run import Circuit, EncodedImages, spikes_of
from neurocircuit.network.verify.images import predict
from neurocircuit.noise.model import NoiseModel
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.hardware.noisy import NoisyNetwork
from neurocircuit.snn.mapping import NetworkOnCircuit, map_network
from neurocircuit.snn.model import Model
from neurocircuit.snn.models import NetworkSpec
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.retime import Retime, tau_of_layers
from neurocircuit.snn.trace import trace
from neurocircuit.spec import NeuronSpec, Variation, WeightBank

SEEDS = (1, 2, 3)
IMAGES = 3
EXACT = NeuronSpec(spike_width_s=0.0, weight_bank=WeightBank().with_bits(30), window_s=60 * NeuronSpec().tau_s)


def model_of(seed):
    """Random weights that fire, and time constants of random lengths, longer and shorter ones."""
    network = NetworkSpec(
        name="mnist_scnn", bias=False, parameterisation="free", clock="own_time_constant", initial_sum=4.0
    )
    subject = Subject(name="tiny", data=DataSpec(name="digits"), network=network)
    built = checkpoint.new_network(subject, torch.Generator().manual_seed(seed)).double().eval()
    generator = np.random.default_rng(seed)
    for module in built.modules():
        if isinstance(module, Retime):
            module.spread_so_far.fill_(float(generator.uniform(0.25, 1.2)))  # gains of 0.4 to 2
    return Model(subject, built)


def images_of(seed):
    generator = np.random.default_rng(seed + 100)
    spikes = [generator.uniform(0, 2, 64) for _ in range(IMAGES)]
    return EncodedImages(spikes, np.zeros(IMAGES, dtype=int), "train")


def mapped(seed, base=EXACT, window=40.0):
    model, images = model_of(seed), images_of(seed)
    return model, images, map_network(model, base, images=images, window_over_tau=window)


def software(model, images):
    """Times of every layer on the input's clock, [layer][image, neuron]."""
    z = torch.from_numpy(np.exp(np.stack(images.spikes))).reshape(-1, 1, 8, 8)
    return [t.numpy() for t in trace(model.network, z).t_over_tau]


def largest_difference(times, expected, window):
    """Over neurons that fire in both; none fires in one alone, but beyond the window."""
    alone = np.isfinite(times) != np.isfinite(expected)
    assert (np.minimum(times, expected)[alone] > window - 0.1).all()
    both = np.isfinite(times) & np.isfinite(expected)
    assert both.any()
    return float(np.abs(times[both] - expected[both]).max())


def on_clock(circuit, k, t_over_tau):
    return t_over_tau * circuit.mapped.layers[k].tau_over_base


@pytest.mark.parametrize("seed", SEEDS)
def test_every_neuron_spikes_as_in_software_and_a_planted_wrong_tau_does_not(seed):
    """Under eq. (4) and at level ideal on an exact chip, over all layers, on the input's clock."""
    model, images, network = mapped(seed)
    expected = software(model, images)
    taus = tau_of_layers(model.network)
    assert [layer.tau_over_base for layer in network.mapped.layers] == taus
    assert min(taus[1:]) != 1.0 != max(taus[1:])
    circuit = network.circuit
    for number, spikes in enumerate(images.spikes):
        chip = circuit.chip(1, 0, Variation())
        for k, (point, run) in enumerate(zip(circuit.ideal(spikes), chip.run(spikes, number, "ideal"), strict=True)):
            for times in (spikes_of(point), run.t_over_tau):
                assert largest_difference(on_clock(circuit, k, times), expected[k][number], 40.0) < 2e-6
    wrong = network.mapped.layers[1].replace(tau_over_base=1.1 * taus[1])
    layers = (network.mapped.layers[0], wrong, network.mapped.layers[2])
    planted = Circuit.of(network.mapped.replace(layers=layers), network.unrolled.physical)
    times = on_clock(planted, 1, spikes_of(planted.ideal(images.spikes[0])[1]))
    both = np.isfinite(times) & np.isfinite(expected[1][0])
    assert np.abs(times[both] - expected[1][0][both]).max() > 1e-3


def test_the_neuron_of_a_layer_has_its_tau_and_the_rest_of_the_circuit(tmp_path):
    *_, network = mapped(1, NeuronSpec(), window=15.0)
    mapped_network, base = network.mapped, network.mapped.neuron
    assert network.met
    for k, layer in enumerate(mapped_network.layers):
        spec = mapped_network.neuron_of(k)
        assert spec.tau_s == pytest.approx(layer.tau_over_base * base.tau_s, rel=1e-12)
        assert (spec.f0_Hz, spec.loop_filter_rad_per_s, spec.window_s) == (
            base.f0_Hz,
            base.loop_filter_rad_per_s,
            base.window_s,
        )
        assert spec.threshold_weight == pytest.approx(1.0)
    assert "times the network's" in str(network)
    nc.report(network.save(tmp_path / "net.toml"))
    assert "Layers have time constants of their own" in (tmp_path / "net.mapping.md").read_text()
    again = NetworkOnCircuit.load(tmp_path / "net.toml")
    assert again.mapped.layers == mapped_network.layers
    text = (tmp_path / "net.toml").read_text()
    ratio = f"{mapped_network.layers[1].tau_over_base!r}"
    assert ratio in text
    (tmp_path / "net.toml").write_text(text.replace(ratio, "1.7"))
    with pytest.raises(FileFormatError, match=r"tau_over_base of layer .* must be .* got 1\.7"):
        NetworkOnCircuit.load(tmp_path / "net.toml")


def test_all_taus_at_one_are_the_rebased_network():
    """The numbers of a network whose layers share a time constant stand, to the last bit."""
    model, images = model_of(1), images_of(1)
    for module in model.network.modules():
        if isinstance(module, Retime):
            module.spread_so_far.fill_(module.spread_over_tau)
    equal = map_network(model, images=images, window_over_tau=20.0)
    for module in model.network.modules():
        if isinstance(module, Retime):
            module.spread_over_tau = None
    other = map_network(model, images=images, window_over_tau=20.0)
    assert equal.mapped.layers == other.mapped.layers
    for a, b in zip(equal.circuit.ideal(images.spikes[0]), other.circuit.ideal(images.spikes[0]), strict=True):
        np.testing.assert_array_equal(a.at, b.at)


def test_edge_follows_eq_4_and_a_noise_table_speaks_for_it():
    """On chips and in torch; decisions come on the network's clock."""
    model, images, network = mapped(2, NeuronSpec(), window=15.0)
    circuit = network.circuit
    chip = circuit.chip(1, 0, Variation())
    for point, run in zip(circuit.ideal(images.spikes[0]), chip.run(images.spikes[0], 0, "edge"), strict=True):
        both = point.fired & np.isfinite(run.t_over_tau)
        assert both.mean() > 0.5
        assert abs(np.median(run.t_over_tau[both] - point.at[both])) < 0.15
    table = nc.calibrate(network, images, chips=4, points=40)
    replay = nc.verify(network, images.first(1), chips=1, table=table)
    last = circuit.chip(1, 0).run(images.spikes[0], 0, "edge")[-1].t_over_tau
    assert replay.images.decision_over_tau[0] == pytest.approx(last.min() * circuit.mapped.layers[-1].tau_over_base)
    model.network.float()
    noisy = NoisyNetwork(model.network, table, outside="ideal", causes=())
    z = torch.from_numpy(np.exp(np.stack(images.spikes))).float().reshape(-1, 1, 8, 8)
    with torch.no_grad():
        out = noisy(z)
    expected = software(Model(model.subject, model.network.double()), images)[-1].min(axis=1)
    np.testing.assert_allclose(noisy.decision_over_tau(out).numpy(), expected, rtol=1e-4)
    model.network.float()
    moved = NoisyNetwork(model.network, table, outside="ideal", causes=("systematic",), first_passage_neurons=10**6)
    moved.heard = []
    with torch.no_grad():
        moved(z)
    exact = Circuit(circuit.mapped, circuit.physical, tuple(layer.kernel for layer in circuit.layers))
    for number, spikes in enumerate(images.spikes[:2]):
        times = predict(exact.chip(1, 0, Variation()), NoiseModel(table, ("systematic",), outside="ideal"), spikes, 0)
        for k, t in enumerate(times):
            got, there = moved.heard[k][number].double().numpy(), on_clock(circuit, k, t)
            both = np.isfinite(got) & np.isfinite(there)
            assert np.median(np.abs(got[both] - there[both])) < 0.05
    for module in model.network.modules():
        if isinstance(module, Retime):
            module.spread_so_far *= 1.1
    with pytest.raises(InputError, match=r"tau over the network's must be .* as in the noise table"):
        NoisyNetwork(model.network, table)
