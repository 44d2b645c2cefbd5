"""Margins against the exact trajectories, and the torch adaptor of the noise model."""

import numpy as np
import pytest
import torch

from neurocircuit.errors import InputError
from neurocircuit.neuron.operating_points import operate
from neurocircuit.noise import NoiseTable
from neurocircuit.snn.hardware.margins import Margins, excess, extremes
from neurocircuit.snn.hardware.noisy import NoisyNetwork
from neurocircuit.snn.layers import SpikingLinear
from tests.noise.test_model import FIXTURE


def test_extremes_are_those_of_the_trajectory():
    rng = np.random.default_rng(2)
    t, w = rng.uniform(0, 3, (6, 20)), rng.normal(0.1, 0.5, (20, 4))
    found = extremes(torch.from_numpy(np.exp(t)), torch.from_numpy(w), 4.0)
    peak, depth = found.peak, found.depth
    for j in range(4):
        point = operate(t, np.tile(w[:, j], (6, 1)), 4.0)
        np.testing.assert_allclose(peak[:, j], point.peak_current, rtol=1e-9)
        np.testing.assert_allclose(depth[:, j], -point.lowest, atol=1e-9)


def test_the_charge_is_the_squared_excess_and_its_gradients_are_finite_differences():
    """Ties, silent inputs and spikes after the window included; gradcheck needs no tie to break, so rows have none."""
    rng = np.random.default_rng(4)
    t, w = rng.uniform(0, 3, (5, 12)), torch.from_numpy(rng.normal(0.1, 0.8, (12, 6)))
    t[:, 3], t[2, 5] = np.inf, 4.5
    z = torch.from_numpy(np.exp(t))
    tied = torch.from_numpy(np.exp(np.round(t, 1)))
    for rows in (z, tied):
        found = extremes(rows, w, 4.0)
        wanted = (found.peak - 1.5).relu().square().sum() + (found.depth - 0.4).relu().square().sum()
        assert float(wanted) > 1.0
        torch.testing.assert_close(excess(rows, w, 1.5, 0.4, 4.0), wanted)
    alive = torch.isfinite(z)

    def charge(times, weights):
        return excess(torch.full_like(z, torch.inf).masked_scatter(alive, times), weights, 1.5, 0.4, 4.0)

    torch.autograd.gradcheck(charge, (z[alive].requires_grad_(), w.requires_grad_()))


def test_the_term_pulls_weights_into_the_margins():
    torch.manual_seed(0)
    network = torch.nn.Sequential(SpikingLinear(30, 8))
    with torch.no_grad():
        network[0].weight.mul_(20)
    margins, generator = Margins(network, 3.0, 1.0, 4.0), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.2)
    z = torch.exp(3 * torch.rand(16, 30))
    terms = []
    for _ in range(150):
        network(z)
        term = margins.term(generator)
        optimiser.zero_grad()
        torch.autograd.backward(term)
        optimiser.step()
        terms.append(float(term.detach()))
    assert terms[-1] < 0.05 * terms[0]


@pytest.fixture
def noisy():
    torch.manual_seed(1)
    network = torch.nn.Sequential(SpikingLinear(40, 300, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.full((300, 40), 0.08) + 0.03 * torch.randn(300, 40))
    return network, NoiseTable.load(FIXTURE), torch.exp(torch.rand(5, 40))


def test_without_causes_spikes_come_back_bit_for_bit(noisy):
    network, table, z = noisy
    torch.testing.assert_close(NoisyNetwork(network, table, causes=())(z), network(z), rtol=0, atol=0)


def test_a_chip_stays_and_events_do_not(noisy):
    network, table, z = noisy
    model = NoisyNetwork(network, table, causes=("neuron",), outside="ideal")
    model.new_chip(1, 0)
    first = model(z)
    torch.testing.assert_close(model(z), first, rtol=0, atol=0)
    model.new_chip(1, 1)
    assert not torch.equal(model(z), first)
    model.new_chip(1, 0)
    torch.testing.assert_close(model(z), first, rtol=0, atol=0)
    events = NoisyNetwork(network, table, causes=("event",), outside="ideal")
    assert not torch.equal(events(z), events(z))


def test_spread_in_torch_is_that_of_the_table(noisy):
    """m = s (1 - z/z'): its spread over many neurons is the planted event's, 0.05 thresholds, within 10 %."""
    network, table, z = noisy
    model = NoisyNetwork(network, table, causes=("event",), outside="ideal")
    network[0].keep_slope = True
    clean = network(z)
    slope = network[0].slope
    moved = model(z)
    used = torch.isfinite(clean) & torch.isfinite(moved) & (moved != clean)
    m = (slope * (1 - clean / moved))[used]
    assert used.sum() > 500
    assert float(m.detach().std()) == pytest.approx(0.05, rel=0.1)


def test_gradients_pass_and_ranges_are_kept(noisy):
    network, table, z = noisy
    model = NoisyNetwork(network, table, outside="ideal")
    out = model(z)
    torch.autograd.backward(out[torch.isfinite(out)].sum())
    assert bool(torch.isfinite(network[0].weight.grad).all())
    with pytest.raises(InputError, match=r"noise table layer 0: ln\(W_C - 1\) and time must be within"):
        NoisyNetwork(network, table)(torch.exp(torch.rand(5, 40) + 3.0))
    with pytest.raises(InputError, match="must have 2 layers like the network, got 1"):
        NoisyNetwork(torch.nn.Sequential(SpikingLinear(4, 4), SpikingLinear(4, 4)), table)
