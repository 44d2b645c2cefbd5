import itertools
import math

import numpy as np
import pytest
import torch

from neurocircuit.snn.functional import causal_conv2d, causal_linear
from tests.snn import oracles, textbook

INF = math.inf


def finite(z_out):
    return torch.where(torch.isfinite(z_out), z_out, 0.0)


def away_from_edges(seed):
    """Neurons whose causal set a small step does not change."""
    rng = np.random.default_rng(seed)
    z, w = np.exp(rng.uniform(0, 2, (4, 9))), rng.normal(0.3, 0.6, (5, 9))
    z[0, 3] = z[2, 5] = INF
    bias = rng.normal(0.1, 0.1, 5)
    rows = [[*row, 1.0] for row in z]
    near = min(oracles.margin(np.array(row), np.array([*w[j], bias[j]])) for row in rows for j in range(5))
    return near > 1e-3, *(torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (z, w, bias))


def test_finite_differences_away_from_edges():
    def outputs(z, w, bias):
        z_out, slope = causal_linear(z, w, bias)
        return finite(z_out), slope

    drawn = (away_from_edges(seed) for seed in itertools.count())
    for _, *inputs in itertools.islice((draw for draw in drawn if draw[0]), 8):
        assert torch.autograd.gradcheck(outputs, inputs, eps=1e-7, atol=1e-4)


def test_convolution_has_the_textbooks_gradients():
    generator = torch.Generator().manual_seed(0)
    z = torch.exp(2 * torch.rand(3, 3, 7, 6, generator=generator, dtype=torch.float64)).requires_grad_()
    weight = (0.2 + 0.3 * torch.randn(6, 3, 3, 2, generator=generator, dtype=torch.float64)).requires_grad_()
    bias = (torch.randn(6, generator=generator, dtype=torch.float64) / 4).requires_grad_()
    results = []
    for module in (causal_conv2d, textbook.causal_conv2d):
        z_out, slope = module(z, weight, bias, 1.0, 2, "same")
        loss = (finite(z_out) ** 2).sum() + (slope**3).sum()
        results.append(torch.autograd.grad(loss, (z, weight, bias)))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("w2", [0.7, -0.6])
def test_one_sided_at_an_edge(w2):
    """An input at the very crossing does not count: the derivative from the right. From the left it does."""
    w = torch.tensor([[2.0, w2]], dtype=torch.float64, requires_grad=True)

    def at(z2):
        z = torch.tensor([[1.0, z2]], dtype=torch.float64, requires_grad=True)
        z_out, _ = causal_linear(z, w)
        return z_out.item(), torch.autograd.grad(z_out, (z, w))

    h = 1e-6
    (edge, (grad_z, grad_w)), (right, _), (left, (left_z, left_w)) = at(2.0), at(2.0 + h), at(2.0 - h)
    assert edge == 2.0
    assert grad_z[0, 1].item() == (right - edge) / h == 0.0
    assert grad_w[0, 1].item() == 0.0
    assert left_z[0, 1].item() == pytest.approx((edge - left) / h, rel=1e-5)
    assert left_z[0, 1].item() == pytest.approx(w2 / (1 + w2))
    assert left_w[0, 1].item() == pytest.approx(0.0, abs=10 * h)  # (z_i - z_j): continuous over the edge


def test_silent_outputs_and_silent_inputs_have_no_gradient():
    """Even if the loss hands back inf or nan for the silent ones."""
    z = torch.tensor([[1.0, INF, 3.0], [INF, INF, INF]], requires_grad=True)
    w = torch.tensor([[2.0, 9.0, 9.0], [-1.0, -1.0, 0.5]], requires_grad=True)
    bias = torch.tensor([0.0, 0.1], requires_grad=True)
    z_out, slope = causal_linear(z, w, bias)
    assert torch.equal(torch.isfinite(z_out), torch.tensor([[True, False], [False, False]]))
    assert torch.equal(slope, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    grads = torch.autograd.grad(
        (z_out, slope), (z, w, bias), (torch.tensor([[1.0, math.nan], [INF, -INF]]), torch.full((2, 2), 1.0))
    )
    assert torch.equal(grads[0], torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert torch.equal(grads[1], torch.tensor([[1 - 2 + 1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert torch.equal(grads[2], torch.tensor([1 - 2 + 1.0, 0.0]))


def test_an_input_that_never_counts_gets_exactly_zero():
    """Whatever the sums behind it round to."""
    generator = torch.Generator().manual_seed(0)
    z = torch.exp(torch.rand(64, 40, generator=generator))
    z[:, 7] = 100.0
    weight = torch.full((30, 40), 0.1).requires_grad_()
    z_out, _ = causal_linear(z, weight)
    assert torch.all(z_out < 100.0)
    (grad,) = torch.autograd.grad(z_out, weight, torch.randn(z_out.shape, generator=generator))
    assert torch.all(grad[:, 7] == 0)
    assert torch.all(grad[:, :7] != 0)


def test_close_spikes_keep_their_digits_in_float32():
    """Times within 1e-3 of each other at z = 1000: gradients are sums of differences, not differences of sums."""
    generator = torch.Generator().manual_seed(0)
    z = 1000 * torch.exp(1e-3 * torch.rand(50, 30, generator=generator, dtype=torch.float64)).float()
    weight = (torch.randn(8, 30, generator=generator) * 10 + 200).requires_grad_()
    exact = weight.detach().double().requires_grad_()
    outputs = (causal_linear(z, weight)[0], causal_linear(z.double(), exact)[0])
    upstream = torch.rand(outputs[0].shape, generator=generator)
    (grad,) = torch.autograd.grad(outputs[0], weight, upstream)
    (expected,) = torch.autograd.grad(outputs[1], exact, upstream.double())
    error = (grad.double() - expected).abs().max() / expected.abs().max()
    assert error < 2e-2  # z itself has steps of 6e-5, a few thousandths of the differences
