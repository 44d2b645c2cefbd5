"""Losses over the output spikes z [image, class], each by the name of its source, and the terms over weights.

A silent output (z = inf) enters as a spike at `silent_over_tau`: its loss is finite and it draws no gradient.
Spikes later than that cost more than silence does: it should lie beyond the observation window.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from neurocircuit.spec.fields import Ratio, Spec

LATEST_OVER_TAU = 80.0  # e^80 is the largest round value that float32 holds; later than this counts as silent


class LossSpec(Spec):
    """The loss of eq. (5) and its variants: a term over output spikes, weight-sum and L2 terms over weights."""

    kind: Annotated[
        Literal["paper", "published_code", "relative", "cross_entropy"],
        Field(
            description="paper: eq. (5), z^-1 over i != c; published_code: softmax -z; relative: softmax -kappa z/z_min"
            "; cross_entropy: softmax -kappa t, which is kappa y of a ReLU network"
        ),
    ] = "relative"
    kappa: Annotated[Ratio, Field(gt=0, description="sharpness of relative and cross_entropy")] = 8.0
    smoothing: Annotated[
        Ratio, Field(ge=0, lt=1, description="share of the target that all classes have in common; cross_entropy")
    ] = 0.0
    silent_over_tau: Annotated[
        Ratio,
        Field(gt=0, le=80, description="time given to a silent output; relative: counted from the first output spike"),
    ] = 4.0
    weight_sum: Annotated[Ratio, Field(ge=0, description="K of eq. (5); the paper takes 100")] = 0.0
    weight_sum_target: Annotated[Ratio, Field(ge=1, description="beta of eq. (5)")] = 1.0
    l2: Annotated[Ratio, Field(ge=0, description="lambda of eq. (5); the paper takes 0.001")] = 0.0
    margin: Annotated[
        Ratio, Field(ge=0, description="weight of the mapping margins (snn/hardware/margins.py); 0: off")
    ] = 0.0
    largest_current: Annotated[
        Ratio, Field(gt=0, description="max|Σ w e^-(t-ti)| beyond which a neuron is charged, thresholds")
    ] = 4.0
    largest_depth: Annotated[Ratio, Field(ge=0, description="|v_min| beyond which a neuron is charged, thresholds")] = (
        2.0
    )
    margin_window_over_tau: Annotated[
        Ratio, Field(gt=0, le=80, description="observation window in which margins are looked at, units of tau")
    ] = 4.0
    reduction: Annotated[
        Literal["sum", "mean"],
        Field(description="weight-sum and L2 terms: sum as in eq. (5), mean per layer as in the published code"),
    ] = "sum"


OF_RELU = LossSpec(kind="cross_entropy", kappa=1.0)  # of a ReLU network whose recipe says nothing of it


def spike_loss(z_out: Tensor, target: Tensor, spec: LossSpec) -> Tensor:
    """Return the mean loss, a scalar, of output spikes z_out [image, class] for target classes [image]."""
    if spec.kind == "paper":
        return paper_loss(z_out, target, spec.silent_over_tau)
    if spec.kind == "published_code":
        return published_code_loss(z_out, target, spec.silent_over_tau)
    if spec.kind == "cross_entropy":
        t = _finite_times(z_out, spec.silent_over_tau)
        return functional.cross_entropy(-spec.kappa * t, target, label_smoothing=spec.smoothing)
    return relative_loss(z_out, target, spec.kappa, spec.silent_over_tau)


def paper_loss(z_out: Tensor, target: Tensor, silent_over_tau: float) -> Tensor:
    """Return -ln(z_c^-1 / sum over i != c of z_i^-1), first term of eq. (5); mean over z_out [image, class]."""
    t = _finite_times(z_out, silent_over_tau)
    is_target = functional.one_hot(target, t.shape[1]).bool()
    others = torch.logsumexp((-t).masked_fill(is_target, -torch.inf), dim=1)
    return (t[is_target] + others).mean()


def published_code_loss(z_out: Tensor, target: Tensor, silent_over_tau: float) -> Tensor:
    """Return the cross-entropy of softmax(-z) over all classes, as the authors' published code has it.

    Mean over images.
    """
    z = torch.exp(_finite_times(z_out, silent_over_tau))
    return functional.cross_entropy(-z, target)


def relative_loss(z_out: Tensor, target: Tensor, kappa: float, silent_over_tau: float) -> Tensor:
    """Return the cross-entropy of softmax(-kappa z / z_min) over all classes.

    A common shift of time changes nothing.
    """
    fired = torch.isfinite(z_out)
    t = torch.log(torch.where(fired, z_out, 1.0))
    first = t.masked_fill(~fired, torch.inf).amin(dim=1, keepdim=True)
    since_first = t - torch.where(torch.isfinite(first), first, 0.0)
    in_time = fired & (since_first < LATEST_OVER_TAU)
    ratio = torch.exp(torch.where(in_time, since_first, silent_over_tau))
    return functional.cross_entropy(-kappa * ratio, target)


def weight_terms(weights: Iterable[Tensor], biases: Iterable[Tensor | None], spec: LossSpec) -> Tensor:
    """Return K sum over neurons of max(0, beta - sum_i w_ji) + lambda sum of w_ji^2, second and third term of eq. (5).

    weights: one [neuron, ...] a layer; biases: [neuron] or None; the bias is one more input and counts in both.
    `mean` divides each layer's terms by its neurons and by its weights, as the published code does.
    """
    total = torch.zeros(())
    for weight, bias in zip(weights, biases, strict=True):
        rows = weight.flatten(1)
        rows = rows if bias is None else torch.cat([rows, bias[:, None]], dim=1)
        lacking = functional.relu(spec.weight_sum_target - rows.sum(dim=1))
        squares = rows.square()
        if spec.reduction == "sum":
            layer = spec.weight_sum * lacking.sum() + spec.l2 * squares.sum()
        else:
            layer = spec.weight_sum * lacking.mean() + spec.l2 * squares.mean()
        total = total.to(layer.device) + layer
    return total


def _finite_times(z: Tensor, silent_over_tau: float) -> Tensor:
    """Return T = ln z, units of tau, with `silent_over_tau` in place of silence and no gradient there."""
    fired = torch.isfinite(z)
    return torch.where(fired, torch.log(torch.where(fired, z, 1.0)), silent_over_tau)
