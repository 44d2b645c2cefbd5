import math

import numpy as np
import pytest
import torch

from neurocircuit.errors import InputError
from neurocircuit.snn.functional import causal_conv2d, causal_linear
from tests.snn import oracles, textbook

INF = math.inf


def tensor(values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype)


def neuron(z, w, dtype=torch.float64, **bias):
    """z_out and slope of one neuron as floats."""
    z_out, slope = causal_linear(tensor([z], dtype), tensor([w], dtype), **bias)
    return z_out.item(), slope.item()


def random_neurons(count, inputs, seed=0):
    rng = np.random.default_rng(seed)
    z = np.exp(rng.uniform(0, 2, (count, inputs)))
    z[rng.random((count, inputs)) < 0.15] = np.inf
    return z, rng.normal(1.5 / inputs, 1.5 / np.sqrt(inputs), (count, inputs))


@pytest.mark.parametrize("inputs", [1, 3, 12, 40])
def test_agrees_with_brute_force(inputs):
    z, w = random_neurons(60, inputs)
    z_out, slope = causal_linear(tensor(z), tensor(w))
    fired = 0
    for row in range(len(z)):
        for j in range(len(w)):
            at, expected_slope, _ = oracles.brute_force(z[row], w[j])
            assert z_out[row, j].item() == pytest.approx(at, rel=1e-9)
            assert slope[row, j].item() == pytest.approx(expected_slope, abs=1e-12)
            fired += math.isfinite(at)
    assert 0.1 < fired / z_out.numel() < 0.95


def test_agrees_with_integration_of_the_neurons_equation():
    z, w = random_neurons(25, 10, seed=1)
    z[np.isinf(z)] = 20.0
    for row in range(len(z)):
        at = oracles.integrate(np.log(z[row]), w[row], until=12.0)
        z_out, _ = neuron(z[row].tolist(), w[row].tolist())
        assert (math.log(z_out) if z_out < math.exp(12.0) else INF) == pytest.approx(at, abs=1e-7)


def test_slope_is_that_of_the_membrane():
    """V(z) = Σ w (1 - z_i/z) just before and at the spike, by finite differences in t."""
    z, w = random_neurons(30, 8, seed=2)
    z_out, slope = (value.diagonal().numpy() for value in causal_linear(tensor(z), tensor(w)))

    def membrane(row, t):
        return np.sum(np.where(np.log(z[row]) < t, w[row] * (1 - z[row] / np.exp(t)), 0.0), where=np.isfinite(z[row]))

    for row in np.flatnonzero(np.isfinite(z_out)):
        t, h = np.log(z_out[row]), 1e-7
        assert membrane(row, t) == pytest.approx(1.0, abs=1e-9)
        assert (membrane(row, t) - membrane(row, t - h)) / h == pytest.approx(slope[row], abs=1e-5)


def test_first_crossing_counts_although_the_membrane_falls_back():
    # alone, 3 at z = 1 crosses at 3/2; the -5 at z = 2 would bring the sum below threshold
    assert neuron([1.0, 2.0], [3.0, -5.0]) == (1.5, 2.0)
    # inhibition in time prevents it, and a later input brings it
    z_out, slope = neuron([1.0, 1.2, 4.0], [3.0, -5.0, 6.0])
    assert (z_out, slope) == (pytest.approx((3 - 6 + 24) / 3), pytest.approx(3.0))


def test_input_at_the_crossing_is_not_in_the_causal_set():
    assert neuron([1.0, 2.0], [2.0, 7.0]) == (2.0, 1.0)
    assert neuron([1.0, 2.0], [2.0, -7.0]) == (2.0, 1.0)


def test_equal_times_act_as_one_input():
    assert neuron([1.0, 1.0, 1.0], [0.5, 0.5, 0.5]) == (3.0, 0.5)
    assert neuron([1.5, 1.0, 1.5, 1.0], [0.5, 0.5, 0.5, 0.5]) == neuron([1.5, 1.0], [1.0, 1.0])


def test_silence():
    assert neuron([INF, INF], [5.0, 5.0]) == (INF, 0.0)
    assert neuron([1.0, 2.0], [-1.0, -2.0]) == (INF, 0.0)
    assert neuron([1.0, 2.0], [0.5, 0.5]) == (INF, 0.0)  # V tends to 1 and never reaches it
    assert neuron([1.0, INF], [2.0, -1.0]) == (2.0, 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_just_above_threshold(dtype):
    excess = torch.finfo(dtype).eps
    z_out, slope = neuron([1.0], [1.0 + excess], dtype)
    assert (z_out, slope) == (pytest.approx(1 / excess, rel=1e-6), excess)


def test_a_spike_beyond_the_number_range_is_silent():
    assert neuron([1e37], [1.0 + 2**-20], torch.float32) == (INF, 0.0)


def test_a_bias_is_one_more_input():
    rng = np.random.default_rng(3)
    z, w, bias = (
        tensor(np.exp(rng.uniform(0, 2, (5, 6)))),
        tensor(rng.normal(0.3, 0.5, (4, 6))),
        tensor(rng.normal(size=4)),
    )
    with_input = causal_linear(torch.cat([z, torch.full_like(z[:, :1], 1.7)], 1), torch.cat([w, bias[:, None]], 1))
    for got, expected in zip(causal_linear(z, w, bias, 1.7), with_input, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("image", "kernel", "stride", "padding"),
    [((6, 7), (3, 3), 1, 0), ((6, 7), (2, 3), 2, 1), ((9, 8), (3, 1), 3, (0, 2, 1, 0)), ((8, 8), (5, 5), 2, "same")],
)
def test_convolution_is_the_textbooks(image, kernel, stride, padding):
    generator = torch.Generator().manual_seed(0)
    z = torch.exp(2 * torch.rand((3, 2, *image), generator=generator, dtype=torch.float64))
    z[torch.rand(z.shape, generator=generator) < 0.1] = INF
    weight = 0.2 + 0.3 * torch.randn((20, 2, *kernel), generator=generator, dtype=torch.float64)
    bias = torch.randn(20, generator=generator, dtype=torch.float64) / 4
    ours = causal_conv2d(z, weight, bias, 1.0, stride, padding)
    for got, expected in zip(ours, textbook.causal_conv2d(z, weight, bias, 1.0, stride, padding), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(28, 5, 2), (7, 3, 2), (6, 2, 1), (5, 1, 3), (9, 4, 3), (3, 5, 1)]
)
def test_same_padding_is_tensorflows(size, kernel, stride):
    """Output ceil(size/stride); of the padding p, p // 2 stands left and top: the first window begins at -(p // 2)."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    weight = torch.full((1, 1, kernel, kernel), 0.3, dtype=torch.float64)
    weight[0, 0, 0, 0] = 2.0  # a lone spike is heard only by the window whose first pixel it is
    z = torch.full((1, 1, size, size), INF, dtype=torch.float64)
    z[0, 0, 0, 0] = 1.0
    z_out, _ = causal_conv2d(z, weight, stride=stride, padding="same")
    assert z_out.shape[2:] == (outputs, outputs)
    heard = total // 2 / stride  # the window that begins at pixel 0
    assert torch.nonzero(torch.isfinite(z_out[0, 0])).tolist() == ([[heard, heard]] if heard in range(outputs) else [])


def test_shapes_empty_batch_and_strides():
    weight = torch.full((4, 2, 3, 3), 0.3)
    z = torch.exp(torch.rand(2, 5, 6, 7)).transpose(1, 3)[:, ::3, :, :].transpose(2, 3)[:, :2]
    assert not z.is_contiguous()
    for got, expected in zip(causal_conv2d(z, weight), causal_conv2d(z.contiguous(), weight), strict=True):
        assert torch.equal(got, expected)
    empty = torch.ones(0, 2, 5, 5, requires_grad=True)
    z_out, slope = causal_conv2d(empty, weight.requires_grad_())
    assert z_out.shape == slope.shape == (0, 4, 3, 3)
    (z_out.sum() + slope.sum()).backward()
    assert empty.grad.shape == empty.shape
    assert torch.equal(weight.grad, torch.zeros_like(weight))
    many = torch.exp(torch.rand(2, 3, 4, 18))
    assert causal_linear(many, weight.flatten(1))[0].shape == (2, 3, 4, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z": torch.ones(2, 3, 5)}, "z must be"),
        ({"weight": torch.ones(2, 3)}, "weight must be"),
        ({"weight": torch.ones(4, 2, 3, 3)}, "weight must have 3 inputs"),
        ({"weight": torch.ones(0, 3, 3, 3)}, "weight must not be empty"),
        ({"weight": torch.ones(4, 3, 3, 3).double()}, "weight must be torch.float32"),
        ({"weight": torch.ones(4, 3, 9, 9)}, "kernel"),
        ({"z": torch.ones(2, 3, 5, 5).half()}, "half precision"),
        ({"z": torch.ones(2, 3, 5, 5).to(torch.bfloat16)}, "half precision"),
        ({"z": torch.ones(2, 3, 5, 5, device="meta")}, "weight must be torch.float32 on meta"),
        ({"bias": torch.ones(3)}, "bias must be"),
        ({"bias_z": 0.0}, "bias_z"),
        ({"bias_z": INF}, "bias_z"),
        ({"bias_z": None}, "bias_z"),
        ({"bias_z": 1e39}, "bias_z must be > 0 and finite in torch.float32"),
        ({"bias": torch.ones(2, 4), "bias_z": [1.0]}, "bias must be"),
        ({"bias": torch.ones(4), "bias_z": [1.0, 2.0]}, "bias must be"),
        ({"bias": torch.ones(2, 4), "bias_z": [1.0, -2.0]}, "bias_z"),
        ({"arming_z": 0.0}, "arming_z"),
        ({"arming_z": INF}, "arming_z"),
        ({"stride": 0}, "stride"),
        ({"stride": 1.5}, "stride"),
        ({"padding": "valid"}, "padding"),
        ({"padding": -1}, "padding"),
        ({"padding": (1, 2)}, "padding"),
        ({"padding": (1.5, 1, 1, 1)}, "padding"),
        ({"padding": None}, "padding"),
        ({"z": torch.zeros(2, 3, 5, 5)}, "z must be > 0"),
        ({"z": torch.full((2, 3, 5, 5), -1.0)}, "z must be > 0"),
        ({"z": torch.full((2, 3, 5, 5), math.nan)}, "z must be > 0"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = {"z": torch.ones(2, 3, 5, 5), "weight": torch.ones(4, 3, 3, 3)} | change
    with pytest.raises(InputError, match=message):
        causal_conv2d(**arguments)


def test_wrong_arguments_of_a_fully_connected_layer():
    with pytest.raises(InputError, match="scalar"):
        causal_linear(torch.tensor(1.0), torch.ones(2, 3))
    with pytest.raises(InputError, match="weight must be"):
        causal_linear(torch.ones(2, 3), torch.ones(2, 3, 1))
    with pytest.raises(InputError, match="weight must have 3 inputs"):
        causal_linear(torch.ones(2, 3), torch.ones(2, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("late", [3.0, 1e30])
def test_spikes_a_few_rounding_steps_apart_keep_their_order(dtype, late):
    """A late spike widens the range, so that the digits of a radix sort do not see what separates the others."""
    rng = np.random.default_rng(4)
    steps, w = rng.integers(0, 4000, (20, 700)), 0.004 / torch.finfo(dtype).eps
    z = 1 + torch.finfo(dtype).eps * tensor(steps, dtype)
    z[:, 5] = late
    z_out, slope = causal_linear(z, torch.full((1, 700), w, dtype=dtype))
    for row in range(20):  # exactly, in rounding steps from z = 1: W_C (t - mean) = z, where z = 1 within 1e-3
        early = np.sort(np.delete(steps[row], 5)).astype(float)
        crossing = (1 / 0.004 + np.cumsum(early)) / np.arange(1, 700)
        n = int(np.argmax(crossing <= np.append(early[1:], np.inf))) + 1
        assert (z_out[row].item() - 1) / torch.finfo(dtype).eps == pytest.approx(crossing[n - 1], abs=2)
        assert slope[row].item() / w == pytest.approx(n, abs=1.01)  # a spike within the rounding of the crossing
