"""Spikes of one layer moved by its noise lookup: one pass of the compiled kernel, or torch where that cannot serve.

With s = W_C - 1 and a membrane disturbance m (table, plus the chip's term) a spike z moves to z' = z s/(s - m); what
comes after the window is lost.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neurocircuit import _kernel
from neurocircuit.snn.hardware.lookup import SHIFT, NoiseLookup
from neurocircuit.snn.hardware.on_chips import RippleOnChips

native: Any = _kernel.native


@dataclass(frozen=True)
class Moved:
    """z, factor (∂z'/∂z) and slope_factor (∂z'/∂s, if asked for), [chip, image, neuron ...]; 0 where z is inf.

    silent: flat indices of the neurons that are silent under eq. (4); outside: how many spikes were beyond the table.
    """

    z: Tensor
    factor: Tensor
    slope_factor: Tensor | None
    silent: Tensor
    outside: int

    def replace_spikes(self, at: Tensor, z: Tensor) -> None:
        """Set the spikes at flat indices `at` to z, as constants."""
        self.z.view(-1).index_copy_(0, at, z.to(self.z.dtype))
        self.factor.view(-1)[at] = 0.0
        if self.slope_factor is not None:
            self.slope_factor.view(-1)[at] = 0.0


@dataclass(frozen=True)
class Received:
    """Spikes of eq. (4) and what moves them.

    z, slope: [1 or chip, image, neuron ...], uniform: draws in 0 … 1, [chip, image, neuron ...]; term: of the chip
    (and of the event), [1 or chip, 1 or image, neuron ...], or None; flicker: thresholds that it takes in each τ, like
    `uniform`, or None; ripple: what the supply's takes, or None; latest: z at the window's end.
    """

    z: Tensor
    slope: Tensor
    uniform: Tensor
    term: Tensor | None
    latest: float
    flicker: Tensor | None = None
    ripple: RippleOnChips | None = None


@torch.no_grad()
def move(lookup: NoiseLookup, received: Received, ideal_outside: bool, through_slope: bool) -> Moved:
    """Move spikes by the table. ideal_outside: those beyond it stay; else its nearest cell moves them."""
    steady = received.flicker is None and received.ripple is None
    steady &= received.term is None or received.term.shape[1] == 1
    native_fits = received.z.dtype == torch.float32 and received.z.device.type == "cpu" and steady
    if native is not None and native_fits:
        return _natively(lookup, received, ideal_outside, through_slope)
    return in_torch(lookup, received, ideal_outside, through_slope)


def _natively(lookup: NoiseLookup, received: Received, ideal_outside: bool, through_slope: bool) -> Moved:
    uniform = received.uniform.flatten(2)
    term = None if received.term is None else received.term.flatten(1).contiguous().numpy()
    moved, factor = torch.empty_like(uniform), torch.empty_like(uniform)
    slope_factor = torch.empty_like(uniform) if through_slope else None
    silent = torch.empty(uniform.numel(), dtype=torch.int64)
    numbers = dict(lookup.axes)
    axes = [None if name not in numbers else numbers[name].numpy() for name in ("slope", "time")]
    count, outside = native.noise_move(
        *axes,
        lookup.ends.numpy(),
        lookup.disturbance.numpy(),
        SHIFT,
        received.latest,
        ideal_outside,
        received.z.detach().flatten(2).contiguous().numpy(),
        received.slope.detach().flatten(2).contiguous().numpy(),
        uniform.contiguous().numpy(),
        term,
        moved.numpy(),
        factor.numpy(),
        None if slope_factor is None else slope_factor.numpy(),
        silent.numpy(),
    )
    shape = received.uniform.shape
    slope_derivative = None if slope_factor is None else slope_factor.view(shape)
    return Moved(moved.view(shape), factor.view(shape), slope_derivative, silent[:count], int(outside))


def in_torch(lookup: NoiseLookup, received: Received, ideal_outside: bool, through_slope: bool) -> Moved:
    """Return the same on any device and in any precision."""
    z, s, uniform = received.z, received.slope, received.uniform
    m = lookup.disturb(lookup.cells(z, s), uniform).to(z.dtype)
    if received.term is not None:
        m += received.term
    if received.flicker is not None:
        m += received.flicker * z.clamp(max=received.latest).log()
    if received.ripple is not None:
        m += received.ripple.taken(z.clamp(max=received.latest).log())
    fired = z < received.latest
    beyond, outside = _beyond(lookup, received)
    if ideal_outside and beyond is not None:
        m.masked_fill_(beyond.expand(m.shape), 0.0)
    left = s - m
    share = m / left  # z' = z (1 + share)
    moved = torch.addcmul(z, z, share)
    lost = ((left > 0) & (moved < received.latest) & fired).logical_not_()
    factor = (share + 1.0).masked_fill_(lost, 0.0)
    slope_factor = share.mul_(moved).div_(s).neg_().masked_fill_(lost, 0.0) if through_slope else None
    silent = (~fired).expand(uniform.shape).flatten().nonzero()[:, 0]
    return Moved(moved.clamp_(min=1.0).masked_fill_(lost, torch.inf), factor, slope_factor, silent, outside)


def placed(lookup: NoiseLookup, received: Received, to: Tensor, ideal_outside: bool, through_slope: bool) -> Moved:
    """Return the spikes that come at `to`, [chip, image, neuron], whatever moved them there.

    Gradients as if a constant m had: ∂z'/∂z = z'/z, ∂z'/∂s = (1 - z'/z) z'/s; none where a spike came or went.
    """
    z, fired = received.z, received.z < received.latest
    beyond, outside = _beyond(lookup, received)
    if ideal_outside and beyond is not None:
        to = torch.where(beyond, z, to)
    kept = fired & torch.isfinite(to)
    factor = torch.where(kept, to / z, 0.0)
    slope_factor = torch.where(kept, (1.0 - factor) * to / received.slope, 0.0) if through_slope else None
    return Moved(to, factor, slope_factor, (~fired).expand(to.shape).flatten().nonzero()[:, 0], outside)


def _beyond(lookup: NoiseLookup, received: Received) -> tuple[Tensor | None, int]:
    """Return which spikes are beyond the table, like z (None: none), and how many on all chips."""
    beyond = lookup.beyond(received.z, received.slope)
    if beyond is None:
        return None, 0
    beyond &= received.z < received.latest
    return beyond, int(torch.count_nonzero(beyond)) * (len(received.uniform) if len(received.z) == 1 else 1)
