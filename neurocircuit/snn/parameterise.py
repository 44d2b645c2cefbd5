"""How a layer's weights are drawn and held: free, or with a learned sum that keeps every neuron above threshold."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class FixedSum(nn.Module):
    """w = V - mean(V) + S/I with S = 1 + e^s > 1 learned per neuron: once all its inputs came, it fires (eq. 4)."""

    def __init__(self, neurons: int, initial_sum: float) -> None:
        super().__init__()
        self.log_excess = nn.Parameter(torch.full((neurons,), math.log(initial_sum - 1.0)))

    def forward(self, free: Tensor) -> Tensor:
        """Return the weights [neuron, ...] of sum S from free values V of the same shape."""
        inputs = free[0].numel()
        one_per_neuron = (-1, *(1 for _ in free.shape[1:]))
        total = (1.0 + torch.exp(self.log_excess)).view(one_per_neuron)
        return free - free.flatten(1).mean(dim=1).view(one_per_neuron) + total / inputs


def draw_weights(layer: nn.Module, kind: str, initial_sum: float, spread: float, generator: torch.Generator) -> None:
    """Give a layer w ~ N(S/I, spread^2/I) over its I inputs and a bias of 0, held free or as `fixed_sum`."""
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)  # noqa: S101
    inputs = weight[0].numel()
    with torch.no_grad():
        noise = torch.randn(weight.shape, generator=generator) * (spread / math.sqrt(inputs))
        weight.copy_(noise if kind == "fixed_sum" else noise + initial_sum / inputs)
        if isinstance(layer.bias, Tensor):
            layer.bias.zero_()
    if kind == "fixed_sum":
        parametrize.register_parametrization(layer, "weight", FixedSum(len(weight), initial_sum))
