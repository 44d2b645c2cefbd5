"""Networks of Table 1: their weights counted, every layer alive at the start, parameterisation and clocks exact."""

import math

import pytest
import torch

from neurocircuit.errors import SpecError
from neurocircuit.snn.data.spec import DATA_SETS
from neurocircuit.snn.models import PAPER_WEIGHTS, NetworkSpec, build, count_weights, spiking_layers
from neurocircuit.snn.retime import Retime
from neurocircuit.snn.trace import trace

DATA = {
    "mnist_scnn": "mnist",
    "cifar10_scnn_small": "cifar10",
    "spiking_vgg16": "cifar10",
    "spiking_googlenet": "image_folder",
}


def network(name="mnist_scnn", shape=None, **values):
    data = DATA_SETS[DATA[name]]
    return build(NetworkSpec(name=name, **values), shape or data.shape, data.classes, torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "weights", "over_paper"),
    [
        ("mnist_scnn", 25 * 32 + 800 * 16 + 784 * 10, 1.02),
        ("cifar10_scnn_small", 75 * 64 + 1600 * 32 + 800 * 16 + 256 * 64 + 640, None),
        ("spiking_vgg16", 54_299_328, 1.60),  # Table 1 counted; its text says 34 million
        ("spiking_googlenet", 6_990_272, 1.03),
    ],
)
def test_weight_counts_stand_beside_the_papers(name, weights, over_paper):
    counted = count_weights(network(name, parameterisation="free"))

    assert counted == weights
    if over_paper is not None:
        assert counted / PAPER_WEIGHTS[name] == pytest.approx(over_paper, abs=0.005)


def test_a_bias_is_one_more_input_of_every_neuron():
    biased = network(bias=True, clock="absolute", parameterisation="free")

    assert count_weights(biased) == 26 * 32 + 801 * 16 + 785 * 10


def test_fixed_sum_holds_the_sum_of_every_neuron_and_learns_it():
    layers = spiking_layers(network(initial_sum=4.0))

    for layer in layers:
        sums = layer.weight.flatten(1).sum(dim=1)
        assert sums.tolist() == pytest.approx([4.0] * len(sums), rel=1e-5)
    parameters = dict(layers[0].named_parameters())
    assert sorted(parameters) == ["parametrizations.weight.0.log_excess", "parametrizations.weight.original"]


def test_same_generator_seed_gives_the_same_weights():
    first, second = (network().state_dict() for _ in range(2))

    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("values", [{}, {"clock": "absolute", "parameterisation": "free", "bias": True}])
def test_every_layer_spikes_at_the_start(values):
    z = torch.exp(3 * torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(2)))

    spikes = trace(network(**values).eval(), z)

    assert [t.shape[1] for t in spikes.t_over_tau] == [6272, 784, 10]
    assert all(torch.isfinite(t).float().mean() > 0.9 for t in spikes.t_over_tau)
    assert spikes.z_out.shape == (4, 10)


def test_retime_only_moves_the_clock():
    """Spike times of a rebased network, put back on the input's clock, are those of the network without clocks."""
    generator = torch.Generator().manual_seed(3)
    z = torch.exp(3 * torch.rand(3, 1, 28, 28, generator=generator, dtype=torch.float64))
    absolute = network(clock="absolute").double().eval()
    rebased = network(clock="rebased").double().eval()

    expected, found = trace(absolute, z), trace(rebased, z)

    for one, other in zip(expected.t_over_tau, found.t_over_tau, strict=True):
        assert torch.equal(torch.isfinite(one), torch.isfinite(other))
        fired = torch.isfinite(one)
        assert torch.allclose(one[fired], other[fired], rtol=0, atol=1e-9)


def test_own_time_constant_brings_the_spread_to_the_wanted_one_and_freezes():
    retime = Retime(0.5)
    z = torch.exp(0.01 * torch.randn(8, 20, generator=torch.Generator().manual_seed(4)))

    retime.train()(z)
    spread = torch.log(retime.eval()(z)).std(correction=0)

    assert spread.item() == pytest.approx(0.5, rel=1e-3)
    before = retime.gain.item()
    retime(z**3)
    assert retime.gain.item() == before


def test_retime_is_finite_with_silence():
    retime = Retime(0.5).train()
    z = torch.tensor([[2.0, math.inf, 3.0], [math.inf] * 3], requires_grad=True)

    out = retime(z)
    out[torch.isfinite(out)].sum().backward()

    assert torch.isinf(out[1]).all()
    assert torch.isinf(out[0, 1])
    assert out[0, 0] == 1.0
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"initial_sum": 1.0}, "initial_sum must be > 1"),
        ({"bias": True}, "bias must be false unless clock is absolute"),
    ],
)
def test_a_network_that_cannot_work_is_refused(values, message):
    with pytest.raises(SpecError, match=message):
        NetworkSpec(**values)
