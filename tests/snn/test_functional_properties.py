"""What holds for all neurons; each example draws its own from a seed."""

import math

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neurocircuit.snn.functional import causal_conv2d, causal_linear
from tests.snn import oracles

seeds = st.integers(0, 2**32 - 1)
examples = settings(max_examples=40, deadline=None, derandomize=True)


def draw(seed, rows=3, inputs=7, outputs=4):
    """z [row, input], w [out, input]; no neuron sits on an edge, where rounding decides."""
    rng = np.random.default_rng(seed)
    z = np.exp(rng.uniform(0, 2, (rows, inputs)))
    z[rng.random(z.shape) < 0.1] = math.inf
    w = rng.normal(rng.uniform(0, 0.6), rng.uniform(0.1, 1.0), (outputs, inputs))
    assume(all(oracles.margin(row, neuron) > 1e-6 for row in z for neuron in w))
    return torch.tensor(z), torch.tensor(w), rng


def assert_same(got, expected):
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@examples
@given(seeds)
def test_order_of_inputs_does_not_matter(seed):
    z, w, rng = draw(seed)
    order = rng.permutation(z.shape[1])
    assert_same(causal_linear(z[:, order], w[:, order]), causal_linear(z, w))


@examples
@given(seeds, st.floats(-20, 20))
def test_a_shift_of_time_passes_through(seed, shift):
    z, w, _ = draw(seed)
    (late, slope), (z_out, expected_slope) = causal_linear(z * math.exp(shift), w), causal_linear(z, w)
    torch.testing.assert_close(late, z_out * math.exp(shift), rtol=1e-9, atol=0)
    torch.testing.assert_close(slope, expected_slope, rtol=1e-9, atol=1e-12)


@examples
@given(seeds, st.integers(-20, 20))
def test_a_shift_by_a_power_of_two_is_exact(seed, octaves):
    z, w, _ = draw(seed)
    assert torch.equal(causal_linear(z * 2.0**octaves, w)[0], causal_linear(z, w)[0] * 2.0**octaves)


@examples
@given(seeds, st.floats(-2, 3))
def test_a_channel_may_be_split(seed, share):
    """One input with weight w, or two at the same time with parts of it; and each output stands for itself."""
    z, w, _ = draw(seed)
    split = torch.cat([share * w[:, :1], w[:, 1:], (1 - share) * w[:, :1]], dim=1)
    assert_same(causal_linear(torch.cat([z, z[:, :1]], dim=1), split), causal_linear(z, w))
    assert torch.equal(causal_linear(z, w[1:2])[0], causal_linear(z, w)[0][:, 1:2])


@examples
@given(seeds, st.floats(-100, 100))
def test_a_silent_input_changes_nothing(seed, weight):
    z, w, _ = draw(seed)
    more_z = torch.cat([torch.full_like(z[:, :1], math.inf), z], dim=1)
    more_w = torch.cat([torch.full_like(w[:, :1], weight), w], dim=1)
    for got, expected in zip(causal_linear(more_z, more_w), causal_linear(z, w), strict=True):
        assert torch.equal(got, expected)


@examples
@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
def test_convolution_is_a_fully_connected_layer_on_patches(seed, height, width, stride, padding):
    rng = np.random.default_rng(seed)
    z = torch.tensor(np.exp(rng.uniform(0, 2, (2, 2, 5, 4))))
    w = torch.tensor(rng.normal(0.3, 0.5, (3, 2, height, width)))
    padded = torch.nn.functional.pad(z, [padding] * 4, value=math.inf)
    patches = padded.unfold(2, height, stride).unfold(3, width, stride).permute(0, 2, 3, 1, 4, 5).flatten(3)
    expected = [value.permute(0, 3, 1, 2) for value in causal_linear(patches, w.flatten(1))]
    assert_same(causal_conv2d(z, w, stride=stride, padding=padding), expected)
