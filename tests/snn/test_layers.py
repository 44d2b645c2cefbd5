import math

import pytest
import torch

from neurocircuit.errors import InputError
from neurocircuit.snn import functional, layers
from neurocircuit.snn.pooling import POOLINGS

INF = math.inf


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def spikes(*shape, silent=0.0, seed=0):
    z = torch.exp(2 * torch.rand(shape, generator=generator(seed)))
    z[torch.rand(shape, generator=generator(seed + 1)) < silent] = INF
    return z.requires_grad_()


def test_modules_call_the_functions():
    conv = layers.SpikingConv2d(2, 3, (3, 2), stride=2, padding=(0, 1, 1, 0), bias_z=1.3)
    z = spikes(4, 2, 6, 5)
    expected = functional.causal_conv2d(z, conv.weight, conv.bias, 1.3, 2, (0, 1, 1, 0))[0]
    assert torch.equal(conv(z), expected)
    linear = layers.SpikingLinear(5, 3, bias=False)
    assert linear.bias is None
    assert torch.equal(linear(z), functional.causal_linear(z, linear.weight)[0])
    assert repr(conv) == "SpikingConv2d(2, 3, kernel_size=(3, 2), stride=2, padding=(0, 1, 1, 0))"
    assert repr(linear) == "SpikingLinear(5, 3)"


def test_the_slope_is_kept_on_demand_and_differentiable():
    layer = layers.SpikingLinear(5, 3, keep_slope=True)
    assert layer.slope is None
    z_out = layer(spikes(2, 5))
    layer.slope.sum().backward()
    expected = functional.causal_linear(spikes(2, 5), layer.weight, layer.bias)
    assert torch.equal(layer.slope, expected[1])
    assert torch.equal(z_out, expected[0])
    assert layer.weight.grad.max() >= 1
    free = layers.SpikingLinear(5, 3)
    free(spikes(2, 5))
    assert free.slope is None


def test_initialisations():
    """Mean and spread within five standard errors of what they promise (a false alarm in a million runs)."""
    layer = layers.SpikingLinear(400, 500)
    layer.reset_parameters(generator())
    count, spread = layer.weight.numel(), 0.5 / 400**0.5
    assert abs(layer.weight.mean().item() - 3 / 400) < 5 * spread / count**0.5
    assert abs(layer.weight.std().item() / spread - 1) < 5 / (2 * count) ** 0.5
    assert torch.all(layer.bias == 0)
    published = layers.SpikingLinear(400, 500, init="published")
    published.reset_parameters(generator())
    assert published.weight.min() >= 0
    assert published.weight.max() <= 8 / 401
    assert abs(published.weight.mean().item() * 401 / 4 - 1) < 5 / (3 * count) ** 0.5
    again = layers.SpikingLinear(400, 500, init="published")
    again.reset_parameters(generator())
    assert torch.equal(again.weight, published.weight)
    with pytest.raises(InputError, match=r"init must be one of \['published', 'spread'\]"):
        layers.SpikingLinear(4, 5, init="zeros")
    with pytest.raises(InputError, match="channels"):
        layers.SpikingConv2d(0, 5, 3)


POOLED = {  # of the window 2, 3, 4, inf, in a plane that is silent otherwise
    "earliest": (2.0, [1.0, 0.0, 0.0, 0.0]),
    "latest": (INF, [0.0, 0.0, 0.0, 0.0]),
    "average": (3.0, [1 / 3, 1 / 3, 1 / 3, 0.0]),
    "average_time": (24 ** (1 / 3), [24 ** (1 / 3) / 3 / z for z in (2.0, 3.0, 4.0)] + [0.0]),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_poolings(name):
    z = torch.full((1, 1, 4, 4), INF)
    z[0, 0, :2, :2] = torch.tensor([[2.0, 3.0], [4.0, INF]])
    z.requires_grad_()
    z_out = POOLINGS[name](2)(z)
    value, gradient = POOLED[name]
    assert z_out.flatten().tolist() == pytest.approx([value, INF, INF, INF])
    z_out.sum().backward()
    assert z.grad[0, 0, :2, :2].flatten().tolist() == pytest.approx(gradient)
    assert z.grad.abs().sum().item() == pytest.approx(sum(gradient))


@pytest.mark.parametrize("name", POOLINGS)
def test_poolings_of_full_windows(name):
    """Without silence: minimum, maximum, arithmetic and geometric mean; padding counts in none."""
    z = spikes(2, 3, 5, 5)
    pooled = POOLINGS[name](3, stride=2, padding="same")(z)
    windows = torch.nn.functional.pad(z, [1, 1, 1, 1], value=math.nan).unfold(2, 3, 2).unfold(3, 3, 2).flatten(4)
    expected = {
        "earliest": torch.nan_to_num(windows, INF).amin(4),
        "latest": torch.nan_to_num(windows, 0.0).amax(4),
        "average": windows.nanmean(4),
        "average_time": windows.log().nanmean(4).exp(),
    }
    torch.testing.assert_close(pooled, expected[name])


def test_pooling_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="kernel_size"):
        layers.EarliestPool2d(0)
    with pytest.raises(InputError, match="z must be"):
        layers.EarliestPool2d(2)(torch.ones(2, 3, 4))
    with pytest.raises(InputError, match="fit"):
        layers.EarliestPool2d(5)(torch.ones(1, 1, 4, 4))


def test_rebase_moves_the_earliest_spike_to_the_origin():
    z = spikes(3, 2, 4, silent=0.3)
    with torch.no_grad():
        z[1] = INF
    rebased = layers.Rebase()(z)
    assert rebased[0].min() == rebased[2].min() == 1.0
    assert torch.isinf(rebased[1]).all()
    assert torch.equal(torch.isfinite(rebased), torch.isfinite(z))
    assert layers.Rebase()(torch.ones(0, 3)).shape == (0, 3)
    torch.where(torch.isfinite(rebased), rebased, 0.0).sum().backward()
    assert torch.isfinite(z.grad).all()
    assert torch.all(z.grad[1] == 0)


def test_rebasing_is_exact_without_bias_spikes():
    """The next layer's spikes, on the new clock, differ only by the shift."""
    z, layer = spikes(4, 6), layers.SpikingLinear(6, 5, bias=False)
    rebased, direct = layer(layers.Rebase()(z)), layer(z)
    torch.testing.assert_close(rebased * z.amin(1, keepdim=True), direct)


@pytest.mark.parametrize("silent", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_networks_stay_finite_when_spikes_are_missing(pooling, silent):
    network = torch.nn.Sequential(
        layers.SpikingConv2d(2, 6, 3, padding="same", bias=False, keep_slope=True),
        POOLINGS[pooling](2),
        layers.Rebase(),
        layers.SpikingConv2d(6, 6, 3, padding=1, bias=False),
        torch.nn.Flatten(),
        layers.SpikingLinear(6 * 9, 5),
    )
    z = spikes(3, 2, 6, 6, silent=silent)
    z_out = network(z)
    assert not torch.isnan(z_out).any()
    loss = torch.where(torch.isfinite(z_out), z_out, 0.0).sum() + network[0].slope.square().sum()
    loss.backward()
    for tensor in (z, *network.parameters()):
        assert torch.isfinite(tensor.grad).all()
        if silent == 1.0 and tensor is not network[-1].bias:
            assert torch.all(tensor.grad == 0)


def test_twenty_layers_do_not_overflow_in_float32():
    """Times add up beyond the t = 88 that float32's e^t can hold; re-based they are those of float64."""
    drawn = [torch.rand(24, 24, generator=generator(seed)) for seed in range(20)]
    weights = [1.008 * weight / weight.sum(1, keepdim=True) for weight in drawn]  # each layer takes about ln 125
    z = torch.exp(0.5 * torch.rand(8, 24, generator=generator()))
    shifted, exact, t = z, z.double(), torch.zeros(8, dtype=torch.float64)
    for weight in weights:
        t = t + torch.log(shifted.amin(1).double())
        shifted = functional.causal_linear(layers.Rebase()(shifted), weight)[0]
        exact = functional.causal_linear(exact, weight.double())[0]
    assert torch.isfinite(exact).all()
    assert torch.log(exact).min() > 89
    times = torch.log(shifted.double()) + t[:, None]
    torch.testing.assert_close(times, torch.log(exact), rtol=1e-4, atol=0)
