"""Windowed layers on activations: one dense convolution and what the spikes of a window can carry (neuron/windows.py).

The armed causal-set layer on the spike times of the same activations gives the same numbers and gradients.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from neurocircuit.spec.windowed import Form


def carried(y: Tensor, largest: float, window_over_tau: float, form: Form = "forced") -> Tensor:
    """Activation 0 … X that the spike of a neuron means to the next layer, same shape as y. Below (W7).

    forced: min(max(y, 0), X). ramp: X φ(y/X), concave, 0 at 0 and X at X.
    """
    clipped = functional.hardtanh(y, 0.0, largest)
    if form == "forced":
        return clipped
    share: Tensor = torch.expm1(clipped * (-window_over_tau / largest)) * (largest / math.expm1(-window_over_tau))
    return share


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
    return carried(functional.conv2d(x, weight, bias, stride, padding), largest, window_over_tau, form)


def windowed_linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    largest: float,
    window_over_tau: float = 0.5,
    form: Form = "forced",
) -> Tensor:
    """Activations [..., out] carried by the spikes of fully connected neurons, from activations [..., in]."""
    return carried(functional.linear(x, weight, bias), largest, window_over_tau, form)
