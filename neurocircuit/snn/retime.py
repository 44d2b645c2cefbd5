"""A clock per layer: times counted from its earliest spike, in units of its own time constant."""

import torch
from torch import Tensor, distributed, nn

from neurocircuit.snn._module import SpikingLayer

LATEST_OVER_TAU = 80.0  # e^80 is the largest round value that float32 holds as z; later spikes count as silent
_SMALLEST_STD_OVER_TAU = 1e-6
_MOMENTUM = 0.1


class Retime(nn.Module):
    """z -> (z / z_min)^g for each image; g = 1 only moves the time origin, which is exact without bias spikes.

    With a target spread, g = spread / s, s the running standard deviation of the spike times since the first one of
    the image: a time constant tau/g for the following layers, learned from the statistics and frozen in evaluation.
    """

    spread_so_far: Tensor
    batches: Tensor

    def __init__(self, spread_over_tau: float | None) -> None:
        """spread_over_tau: wanted standard deviation of spike times, units of the layer's tau; None: g = 1."""
        super().__init__()
        self.spread_over_tau = spread_over_tau
        self.register_buffer("spread_so_far", torch.ones(()))
        self.register_buffer("batches", torch.zeros(()))

    @property
    def gain(self) -> Tensor:
        """g, a scalar: the ratio of the time constants before and after."""
        if self.spread_over_tau is None:
            return torch.ones_like(self.spread_so_far)
        return self.spread_over_tau / self.spread_so_far

    def forward(self, z: Tensor) -> Tensor:
        """Return the spikes of the same shape on the new clock; silence stays silence, an all-silent image too."""
        fired = torch.isfinite(z)
        t = torch.log(torch.where(fired, z, 1.0))
        since_first = t - first_over_tau(z)
        if self.training and self.spread_over_tau is not None:
            self._observe(since_first.detach(), fired)
        return self._scaled(since_first, fired)

    def from_arming(self, z: Tensor) -> Tensor:
        """Return the spikes of the same shape in units of the following layers' tau, from the arming as before."""
        fired = torch.isfinite(z)
        return self._scaled(torch.log(torch.where(fired, z, 1.0)), fired)

    def _scaled(self, t: Tensor, fired: Tensor) -> Tensor:
        scaled = self.gain * t
        in_time = fired & (scaled < LATEST_OVER_TAU)
        return torch.where(in_time, torch.exp(torch.where(in_time, scaled, 0.0)), torch.inf)

    @torch.no_grad()
    def _observe(self, since_first: Tensor, fired: Tensor) -> None:
        """Take one batch (of all processes) into the running spread; the first one sets it."""
        t = torch.where(fired, since_first, 0.0).double()
        sums = torch.stack([fired.sum(), t.sum(), t.square().sum()])
        if distributed.is_initialized():
            distributed.all_reduce(sums)
        if sums[0] < 2:
            return
        mean, square = sums[1] / sums[0], sums[2] / sums[0]
        spread = (square - mean**2).clamp(min=0).sqrt().clamp(min=_SMALLEST_STD_OVER_TAU).float()
        share = _MOMENTUM if self.batches > 0 else 1.0
        self.spread_so_far.lerp_(spread, share)
        self.batches += 1


def tau_of_layers(network: nn.Module) -> list[float]:
    """Return the time constant of each layer of neurons over that of the network's input, in the network's order."""
    ratio, ratios = 1.0, []
    for module in network.modules():
        if isinstance(module, Retime):
            ratio /= float(module.gain)
        elif isinstance(module, SpikingLayer):
            ratios.append(ratio)
    return ratios


def first_over_tau(z: Tensor) -> Tensor:
    """Return the time of the earliest spike of each image, [image, 1, ...] to subtract, units of tau.

    0 where all are silent.
    """
    first = z.flatten(1).amin(dim=1)
    first = torch.where(torch.isfinite(first), first, 1.0)
    return torch.log(first).view(-1, *(1 for _ in z.shape[1:]))
