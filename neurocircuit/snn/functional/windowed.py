"""Windowed layers on activations: one dense convolution and what the spikes of a window can carry (neuron/windows.py).

The armed causal-set layer on the spike times of the same activations gives the same numbers and gradients.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from neurocircuit.neuron import windows
from neurocircuit.spec.windowed import Form, LayerNode

_ROUNDING = 3.0  # ulp by which the four operations of an activation on a ramp may be off


def carried(
    y: Tensor, largest: float, window_over_tau: float, form: Form = "forced", *, in_place: bool = False
) -> Tensor:
    """Return the activation 0 … X that the spike of a neuron means to the next layer, same shape as y. Below (W7).

    forced: min(max(y, 0), X). ramp: X φ(y/X), concave, 0 at 0 and X at X. in_place: y is not needed any more.
    """
    if form == "forced":
        return functional.hardtanh(y, 0.0, largest, in_place)
    bent: Tensor = _Ramp.apply(y, largest, window_over_tau)  # type: ignore[no-untyped-call]
    return bent


def jittered(x: Tensor, largest: float, window_over_tau: float, delay_over_tau: Tensor) -> Tensor:
    """Return the activations 0 … X when the spikes of x move by delays, same shape, units of tau. Eq. (W2).

    A spike comes neither before the arming nor after the window's end; at 0 there is none that could move. Gradients
    pass as if nothing had moved.
    """
    z = windows.spike_z(x, largest, window_over_tau) * torch.exp(delay_over_tau)
    moved = ((1.0 - z) * (largest / windows.window_share(window_over_tau))).clamp(0.0, largest)
    return x + torch.where(x > 0, moved - x, 0.0).detach()


def jittered_readout(y: Tensor, node: LayerNode, form: Form, delay_over_tau: Tensor) -> Tensor:
    """Return the values y of a read-out whose spikes move by delays, same shape, units of tau. Eq. (W3), (W6)."""
    if form == "ramp":
        return y - delay_over_tau * (node.largest / node.window_over_tau)
    L = math.expm1(node.window_over_tau)
    z = 1.0 + L * (1.0 - (y - node.offset) / node.largest)
    return y - (z * torch.expm1(delay_over_tau) * (node.largest / L)).detach()


class _Ramp(torch.autograd.Function):
    """x = X (1 - e^-Tu)/(1 - e^-T), u = y/X clipped to 0 … 1; dx/dy = T/(1 - e^-T) - (T/X) x inside, 0 outside."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, largest: float, window_over_tau: float) -> Tensor:
        scale = largest / math.expm1(-window_over_tau)
        x = y.clamp(0.0, largest).mul_(-window_over_tau / largest).expm1_().mul_(scale)
        ctx.save_for_backward(x)
        ctx.largest, ctx.window = largest, window_over_tau
        return x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        slope = x.mul(-ctx.window / ctx.largest).add_(-ctx.window / math.expm1(-ctx.window)).mul_(grad)
        largest = ctx.largest * (1.0 - _ROUNDING * torch.finfo(x.dtype).eps)  # a clipped x may lie somewhat below X
        return torch.ops.aten.hardtanh_backward(slope, x, 0.0, largest), None, None


def windowed_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    largest: float,
    window_over_tau: float = 0.5,
    form: Form = "forced",
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
) -> Tensor:
    """Activations [N, out, h, w] carried by the spikes of a convolution of neurons, from activations [N, in, H, W].

    weight and bias are those of conv2d; padding has activation 0: it spikes at the window's end.
    """
    return carried(functional.conv2d(x, weight, bias, stride, padding), largest, window_over_tau, form, in_place=True)


def windowed_linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    largest: float,
    window_over_tau: float = 0.5,
    form: Form = "forced",
) -> Tensor:
    """Activations [..., out] carried by the spikes of fully connected neurons, from activations [..., in]."""
    return carried(functional.linear(x, weight, bias), largest, window_over_tau, form, in_place=True)
