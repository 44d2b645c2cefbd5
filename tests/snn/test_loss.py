"""Losses against their formulas written out, and finite wherever outputs are silent."""

import math

import pytest
import torch

from neurocircuit.snn.loss import LossSpec, spike_loss, weight_terms

INF = math.inf
KINDS = ("paper", "published_code", "relative")


def spec(kind, **values):
    return LossSpec(kind=kind, **values)


def test_paper_loss_is_equation_5():
    z = torch.tensor([[2.0, 3.0, 4.0], [1.5, 6.0, 2.5]], dtype=torch.float64)
    by_hand = [-math.log((1 / 3) / (1 / 2 + 1 / 4)), -math.log((1 / 1.5) / (1 / 6 + 1 / 2.5))]

    loss = spike_loss(z, torch.tensor([1, 0]), spec("paper"))

    assert loss.item() == pytest.approx(sum(by_hand) / 2, rel=1e-12)


def test_published_code_loss_is_cross_entropy_of_minus_z_over_all_classes():
    z = torch.tensor([[2.0, 3.0, 4.0]], dtype=torch.float64)
    by_hand = -math.log(math.exp(-3) / (math.exp(-2) + math.exp(-3) + math.exp(-4)))

    loss = spike_loss(z, torch.tensor([1]), spec("published_code"))

    assert loss.item() == pytest.approx(by_hand, rel=1e-12)


def test_relative_loss_is_cross_entropy_of_the_ratio_and_ignores_a_common_delay():
    z = torch.tensor([[2.0, 3.0, 4.0]], dtype=torch.float64)
    weights = [math.exp(-5 * ratio) for ratio in (1.0, 1.5, 2.0)]

    loss = spike_loss(z, torch.tensor([1]), spec("relative", kappa=5.0))

    assert loss.item() == pytest.approx(-math.log(weights[1] / sum(weights)), rel=1e-12)
    later = spike_loss(7.0 * z, torch.tensor([1]), spec("relative", kappa=5.0))
    assert later.item() == pytest.approx(loss.item(), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "row",
    [(INF, INF, INF), (INF, 2.0, 3.0), (2.0, INF, INF), (2.0, 3.0, INF), (1e-30, 1e38, 5.0)],
    ids=["all-silent", "target-silent", "only-target", "other-silent", "extreme"],
)
def test_loss_and_gradient_are_finite_and_silence_draws_none(kind, row):
    z = torch.tensor([row], requires_grad=True)

    spike_loss(z, torch.tensor([0]), spec(kind)).backward()

    assert torch.isfinite(z.grad).all()
    assert (z.grad[0, [math.isinf(value) for value in row]] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree_with_finite_differences(kind):
    z = torch.tensor([[1.5, 2.5, 1.9], [3.0, 1.2, INF]], dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(
        lambda z: spike_loss(z[:, :2], torch.tensor([1, 0]), spec(kind)), (z.detach()[:, :2].requires_grad_(),)
    )
    spike_loss(z, torch.tensor([1, 0]), spec(kind)).backward()
    assert z.grad[1, 2] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_that_spikes_earlier_costs_less(kind):
    early, late = (spike_loss(torch.tensor([[t, 2.0, 3.0]]), torch.tensor([0]), spec(kind)) for t in (1.2, 1.8))

    assert early < late


def test_weight_terms_are_those_of_equation_5():
    weights, biases = [torch.tensor([[0.2, 0.3], [2.0, 1.0]])], [torch.tensor([0.1, 0.0])]
    summed = LossSpec(weight_sum=100.0, weight_sum_target=1.5, l2=0.001)

    total = weight_terms(weights, biases, summed)
    mean = weight_terms(weights, biases, summed.replace(reduction="mean"))

    lacking, squares = (1.5 - 0.6) + 0.0, 0.04 + 0.09 + 0.01 + 4.0 + 1.0
    assert total.item() == pytest.approx(100 * lacking + 0.001 * squares, rel=1e-6)
    assert mean.item() == pytest.approx(100 * lacking / 2 + 0.001 * squares / 6, rel=1e-6)
