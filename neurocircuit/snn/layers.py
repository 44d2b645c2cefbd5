"""Modules around `functional`: spikes z = e^t in, spikes out; inf is silence. Arguments as in torch.nn."""

import torch
from torch import Tensor, nn

from neurocircuit.snn import functional
from neurocircuit.snn._module import SpikingLayer
from neurocircuit.snn.functional.geometry import PaddingArgument
from neurocircuit.snn.pooling import AveragePool2d, AverageTimePool2d, EarliestPool2d, LatestPool2d

__all__ = [
    "AveragePool2d",
    "AverageTimePool2d",
    "EarliestPool2d",
    "LatestPool2d",
    "Rebase",
    "SpikingConv2d",
    "SpikingLinear",
]


class SpikingConv2d(SpikingLayer):
    """Convolution of n-LIF neurons, eq. (4): [N, in, H, W] -> [N, out, h, w]."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padding: PaddingArgument = 0,
        bias: bool = True,
        bias_z: float = 1.0,
        init: str = "spread",
        keep_slope: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """`init`: "spread" N(3/I, 0.5²/I) or "published" U(0, 8/(I+1)); the others as in `causal_conv2d`."""
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        super().__init__((out_channels, in_channels, *kernel), bias, bias_z, init, keep_slope, device, dtype)
        self.stride, self.padding = stride, padding

    def forward(self, z: Tensor) -> Tensor:
        """Return the output spikes [N, out, h, w]."""
        weight, bias = self.in_force()
        return self._keep(functional.causal_conv2d(z, weight, bias, self.bias_z, self.stride, self.padding))

    def extra_repr(self) -> str:
        """Return the shapes and geometry."""
        out, channels, *kernel = self.weight.shape
        return f"{channels}, {out}, kernel_size={tuple(kernel)}, stride={self.stride}, padding={self.padding!r}"


class SpikingLinear(SpikingLayer):
    """Fully connected n-LIF neurons, eq. (4): [..., in] -> [..., out]."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        bias_z: float = 1.0,
        init: str = "spread",
        keep_slope: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """`init`: "spread" N(3/I, 0.5²/I) or "published" U(0, 8/(I+1)); the others as in `causal_linear`."""
        super().__init__((out_features, in_features), bias, bias_z, init, keep_slope, device, dtype)

    def forward(self, z: Tensor) -> Tensor:
        """Return the output spikes [..., out]."""
        weight, bias = self.in_force()
        return self._keep(functional.causal_linear(z, weight, bias, self.bias_z))

    def extra_repr(self) -> str:
        """Return the shapes."""
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}"


class Rebase(nn.Module):
    """z / min z for each sample: its earliest spike moves to t = 0, silence stays.

    Without bias spikes n-LIF layers commute with a shift of time, so this is exact, and z = e^t cannot overflow
    however many layers follow. A sample without spikes passes unchanged, with zero gradient.
    """

    def forward(self, z: Tensor) -> Tensor:
        """Return the spikes of the same shape [N, ...] on a clock that starts with each sample's earliest spike."""
        if z.numel() == 0:
            return z
        fired = torch.isfinite(z)
        earliest = torch.where(fired, z, torch.inf).flatten(1).amin(dim=1).view(-1, *(1 for _ in z.shape[1:]))
        earliest = torch.where(torch.isfinite(earliest), earliest, 1.0)
        return torch.where(fired, torch.where(fired, z, 1.0) / earliest, torch.inf)
