"""How near the membranes of silent neurons come to the threshold, looked at some moments of the window."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from neurocircuit.snn.functional.geometry import resolve_padding
from neurocircuit.snn.layers import SpikingConv2d, SpikingLinear


def closest(stage: Any, received: Tensor, moments: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return the highest V at the moments (units of tau) and e^t of that moment, both like the layer's spikes.

    stage: a layer that has run; received: its input spikes [image, ...].
    """
    weight, bias = stage.used
    if not isinstance(stage, SpikingLinear):
        return _of_convolution(stage, received, weight, bias, moments)
    z = torch.exp(torch.tensor(moments, dtype=received.dtype, device=received.device))
    reached = (1.0 - received / z.view(-1, *(1 for _ in received.shape))).clamp_(min=0.0)
    v = functional.linear(reached, weight)
    if bias is not None:
        v += (1.0 - stage.bias_z / z).clamp_(min=0.0).view(-1, *(1 for _ in received.shape)) * bias
    highest, which = v.max(dim=0)
    return highest, z[which]


def _of_convolution(
    stage: SpikingConv2d, received: Tensor, weight: Tensor, bias: Tensor | None, moments: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Go moment by moment: few of them, and large images."""
    kernel, image = (weight.shape[2], weight.shape[3]), (received.shape[2], received.shape[3])
    left, right, top, bottom = resolve_padding(stage.padding, image, kernel, stage.stride)
    padded = received.new_zeros(*received.shape[:2], image[0] + top + bottom, image[1] + left + right)
    inside, unit = padded[:, :, top : top + image[0], left : left + image[1]], received.new_ones(())
    highest = at = torch.empty(0)
    for number, moment in enumerate(moments):
        z = math.exp(moment)
        torch.add(unit, received, alpha=-1.0 / z, out=inside).clamp_(min=0.0)
        offset = None if bias is None else bias * max(1.0 - stage.bias_z / z, 0.0)
        v = functional.conv2d(padded, weight, offset, stage.stride)
        at = v.new_tensor(z) if number == 0 else torch.where(v > highest, z, at)
        highest = v if number == 0 else torch.maximum(highest, v)
    return highest, at
