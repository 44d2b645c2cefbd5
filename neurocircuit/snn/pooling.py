"""Poolings of spikes z = e^t over windows [N, C, H, W] -> [N, C, h, w]; padding is silent, and so may inputs be.

Gradients reach only spikes that count; a silent output has none.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurocircuit.errors import InputError
from neurocircuit.snn.functional.geometry import PaddingArgument, output_size, resolve_padding


class _Pool2d(nn.Module):
    def __init__(self, kernel_size: int, stride: int | None = None, padding: PaddingArgument = 0) -> None:
        """`stride` is the kernel size by default; `padding` as in `functional.causal_conv2d`."""
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        for name, value in (("kernel_size", self.kernel_size), ("stride", self.stride)):
            if not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be an int >= 1, got {value!r}")

    def extra_repr(self) -> str:
        """Return the geometry."""
        return f"{self.kernel_size}, stride={self.stride}, padding={self.padding!r}"

    def _pad(self, z: Tensor, value: float) -> Tensor:
        if z.dim() != 4:
            raise InputError(f"z must be [N, C, H, W], got shape {tuple(z.shape)}")
        image, kernel = (z.shape[2], z.shape[3]), (self.kernel_size, self.kernel_size)
        sides = resolve_padding(self.padding, image, kernel, self.stride)
        output_size(image, kernel, self.stride, sides)
        return functional.pad(z, list(sides), value=value)

    def _latest(self, z: Tensor) -> Tensor:
        return functional.max_pool2d(self._pad(z, -torch.inf), self.kernel_size, self.stride)

    def _sum(self, z: Tensor) -> Tensor:
        return functional.avg_pool2d(self._pad(z, 0.0), self.kernel_size, self.stride, divisor_override=1)

    def _mean_of_spikes(self, value: Tensor, fired: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean of `value` over the spikes of each window, and whether there was one."""
        count = self._sum(fired.to(value.dtype))
        total = self._sum(torch.where(fired, value, 0.0))
        return total / count.clamp(min=1), count > 0


class EarliestPool2d(_Pool2d):
    """The earliest spike of each window: the paper's Max-Pooling (section 3.2), min z."""

    def forward(self, z: Tensor) -> Tensor:
        """Return the spikes [N, C, h, w]; silent where the whole window is."""
        earliest = -self._latest(-z)
        return torch.where(torch.isfinite(earliest), earliest, torch.inf)


class LatestPool2d(_Pool2d):
    """The largest z of each window: Max-Pooling of the published code. One silent input silences the window."""

    def forward(self, z: Tensor) -> Tensor:
        """Return the spikes [N, C, h, w]; padding is left out."""
        latest = self._latest(z)
        return torch.where(torch.isfinite(latest), latest, torch.inf)


class AveragePool2d(_Pool2d):
    """The mean z of the spikes in each window."""

    def forward(self, z: Tensor) -> Tensor:
        """Return the spikes [N, C, h, w]; silent where the whole window is."""
        mean, some = self._mean_of_spikes(z, torch.isfinite(z))
        return torch.where(some, mean, torch.inf)


class AverageTimePool2d(_Pool2d):
    """The mean time t = ln z of the spikes in each window."""

    def forward(self, z: Tensor) -> Tensor:
        """Return the spikes [N, C, h, w]; silent where the whole window is."""
        fired = torch.isfinite(z)
        mean, some = self._mean_of_spikes(torch.log(torch.where(fired, z, 1.0)), fired)
        return torch.where(some, torch.exp(mean), torch.inf)


POOLINGS = {
    "earliest": EarliestPool2d,
    "latest": LatestPool2d,
    "average": AveragePool2d,
    "average_time": AverageTimePool2d,
}
