"""What spiking convolutions and fully connected layers share: weights, their initialisation, the slope."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from neurocircuit.errors import InputError


def init_spread(
    weight: Tensor, total: float = 3.0, spread: float = 0.5, generator: torch.Generator | None = None
) -> None:
    """Draw weight [out, ...] ~ N(total/I, spread²/I) over the I inputs of a neuron: deep nets stay alive with it."""
    inputs = weight[0].numel()
    with torch.no_grad():
        weight.normal_(total / inputs, spread / math.sqrt(inputs), generator=generator)


def init_published(weight: Tensor, generator: torch.Generator | None = None) -> None:
    """Draw weight [out, ...] ~ U(0, 8/(I + 1)) over the I inputs of a neuron, as the paper's published code does."""
    with torch.no_grad():
        weight.uniform_(0.0, 8.0 / (weight[0].numel() + 1), generator=generator)


INITS: dict[str, Callable[..., None]] = {"spread": init_spread, "published": init_published}


Rounding = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


class SpikingLayer(nn.Module):
    """Weight [out, in, ...], bias [out] or None, and with `keep_slope` the slope of the last forward.

    `rounding`, where set, gives the weight and bias in force from the parameters (snn/hardware/quantise.py); `used` are
    those of the last forward, detached.
    `slope` is W_C - 1 at each output's crossing, 0 where silent, attached to the graph; None without `keep_slope`.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        weight_shape: tuple[int, ...],
        bias: bool,
        bias_z: float,
        init: str,
        keep_slope: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        if min(weight_shape) < 1:
            raise InputError(f"{type(self).__name__}: channels and kernel_size must be >= 1, got {weight_shape}")
        if init not in INITS:
            raise InputError(f"{type(self).__name__}.init must be one of {sorted(INITS)}, got {init!r}")
        self.bias_z, self.init, self.keep_slope = bias_z, init, keep_slope
        self.slope: Tensor | None = None
        self.rounding: Rounding | None = None
        self.used: tuple[Tensor, Tensor | None] | None = None
        self.weight = nn.Parameter(torch.empty(weight_shape, device=device, dtype=dtype))
        if bias:
            self.bias = nn.Parameter(torch.empty(weight_shape[0], device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights by `init`, bias 0."""
        INITS[self.init](self.weight, generator=generator)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def in_force(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias that the neurons get: those of the parameters, or what `rounding` makes of them."""
        made = (self.weight, self.bias) if self.rounding is None else self.rounding(self.weight, self.bias)
        self.used = (made[0].detach(), None if made[1] is None else made[1].detach())
        return made

    def _keep(self, fired: tuple[Tensor, Tensor]) -> Tensor:
        """Return the spikes of (z_out, slope)."""
        z_out, slope = fired
        if self.keep_slope:
            self.slope = slope
        return z_out
