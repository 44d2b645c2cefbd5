"""Neurons that are armed late, with several bias spikes and padding that spikes, against the equation of one neuron."""

import math

import numpy as np
import pytest
import torch

from neurocircuit.snn.functional import causal_conv2d, causal_linear

TIMES, ARMING = (0.7, 1.9), 2.5


def draw(seed, rows=30, inputs=9, outputs=20):
    """z [row, input] with some silent, weights [out, input], bias weights [2, out], in float64."""
    rng = np.random.default_rng(seed)
    z = np.exp(rng.uniform(0, 2, (rows, inputs)))
    z[rng.random((rows, inputs)) < 0.15] = np.inf
    weight = rng.normal(2 / inputs, 2 / math.sqrt(inputs), (outputs, inputs))
    return [torch.from_numpy(values) for values in (z, weight, rng.normal(0, 0.5, (2, outputs)))]


def by_definition(z, w, arming):
    """Fire time from V(z) = Σ w (1 - z_i/z), piece by piece from the arming on: no state is carried along."""

    def membrane(at):
        arrived = z < at
        return float(np.sum(w[arrived] * (1 - z[arrived] / at)))

    if membrane(arming) >= 1:
        return arming
    knots = np.unique(np.concatenate([[arming], z[(z > arming) & np.isfinite(z)]]))
    for begin, end in zip(knots, np.append(knots[1:], np.inf), strict=True):
        arrived = z <= begin
        total = float(np.sum(w[arrived])) - 1
        if total > 0:
            crossing = float(np.sum(w[arrived] * z[arrived])) / total
            if begin < crossing <= end:
                return crossing
    return math.inf


@pytest.mark.parametrize("arming", [0.5, 1.3, ARMING, 8.0])
def test_agrees_with_the_definition(arming):
    z, weight, bias = draw(0)
    z_out, slope = causal_linear(z, weight, bias, TIMES, arming_z=arming)
    kinds = [0, 0, 0]  # silent, at the arming, after it
    for row in range(len(z)):
        for j in range(len(weight)):
            times = np.append(z[row].numpy(), TIMES)
            w = np.append(weight[j].numpy(), bias[:, j].numpy())
            expected = by_definition(times, w, arming)
            assert z_out[row, j].item() == pytest.approx(expected, rel=1e-9)
            causal = times < expected
            total = float(np.sum(w[causal])) - 1 if arming < expected < math.inf else 0.0
            assert slope[row, j].item() == pytest.approx(total, abs=1e-11)
            kinds[(expected < math.inf) + (arming < expected < math.inf)] += 1
    assert min(kinds[0], kinds[2]) > 50
    assert kinds[1] > 20 or arming < 2


def test_armed_before_the_first_spike_is_the_layer_without_arming():
    z, weight, bias = draw(1)
    for got, expected in zip(
        causal_linear(z, weight, bias, TIMES, arming_z=0.5), causal_linear(z, weight, bias, TIMES), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_arming_prevents_early_crossings_only_where_there_are_some():
    """Without it the same neurons do cross earlier: the test of the arming is one."""
    z, weight, bias = draw(2)
    free, armed = (causal_linear(z, weight, bias, TIMES, arming_z=at)[0] for at in (None, ARMING))
    early = free < ARMING
    assert 0.05 < early.double().mean() < 0.9
    assert (armed[early] >= ARMING).all()
    torch.testing.assert_close(armed[~early], free[~early], rtol=1e-12, atol=0)


def test_bias_spikes_are_inputs_of_every_neuron():
    z, weight, bias = draw(3)
    more = torch.cat([z, torch.tensor(TIMES, dtype=z.dtype).expand(len(z), 2)], dim=1)
    expected = causal_linear(more, torch.cat([weight, bias.t()], dim=1), arming_z=ARMING)
    for got, other in zip(causal_linear(z, weight, bias, TIMES, arming_z=ARMING), expected, strict=True):
        torch.testing.assert_close(got, other, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    z, weight, bias = draw(4, rows=6, outputs=8)
    z = torch.where(torch.isfinite(z), z, 5.0)

    def fired(*arguments):
        z_out, slope = causal_linear(*arguments, TIMES, arming_z=ARMING)
        return torch.where(torch.isfinite(z_out), z_out, 0.0), slope

    z_out, slope = fired(z, weight, bias)
    assert (z_out == ARMING).any()
    assert (slope[z_out == ARMING] == 0).all()
    upstream = torch.randn(z_out.shape, generator=torch.Generator().manual_seed(0), dtype=z.dtype)
    leaves = [tensor.clone().requires_grad_() for tensor in (z, weight, bias)]
    got = torch.autograd.grad((fired(*leaves)[0] * upstream).sum(), leaves)
    step = 1e-6
    for k, tensor in enumerate((z, weight, bias)):
        for index in np.ndindex(*tensor.shape):
            sides = []
            for sign in (1, -1):
                moved = [part.clone() for part in (z, weight, bias)]
                moved[k][index] += sign * step
                sides.append(fired(*moved)[0])
            smooth = (sides[0] - sides[1]).abs() < 1e3 * step  # no neuron changes its kind within the step
            slope_of = ((sides[0] - sides[1]) / (2 * step) * upstream)[smooth].sum().item()
            assert smooth.all()
            assert got[k][index].item() == pytest.approx(slope_of, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("level", [1.3, torch.tensor([0.9, 1.7])])
def test_padding_spikes(level):
    """As a larger image of which the border spikes then, one time for all channels or one for each."""
    generator = torch.Generator().manual_seed(0)
    z = torch.exp(torch.rand(2, 2, 5, 4, generator=generator))
    weight = torch.randn(3, 2, 3, 3, generator=generator) + 0.5
    bordered = torch.empty(2, 2, 7, 7)
    for channel in range(2):
        bordered[:, channel] = level if isinstance(level, float) else float(level[channel])
    bordered[:, :, 1:6, 2:6] = z
    options = {"stride": 2, "arming_z": 2.0}
    got = causal_conv2d(z, weight, padding=(2, 1, 1, 1), padding_z=level, **options)
    for ours, other in zip(got, causal_conv2d(bordered, weight, **options), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-6, atol=1e-6)
    silent = causal_conv2d(z, weight, padding=(2, 1, 1, 1), **options)
    assert not torch.equal(silent[0], got[0])
