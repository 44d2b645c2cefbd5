"""How a noise table moves spikes, with gradients: the disturbance is a constant of the graph."""

from typing import Any

import torch
from torch import Tensor


class Move(torch.autograd.Function):
    """z' = z s/(s - m) where it comes before `latest`, at 1 at the earliest; inf elsewhere."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, s: Tensor, m: Tensor, fired: Tensor, false: tuple[Tensor, Tensor] | None, latest: float,
        through_slope: bool,
    ) -> Tensor:  # fmt: skip
        """Shapes [1 or chip, image, ...] of z, s and fired, [chip, image, ...] of m and of the result.

        false: flat places of silent neurons and their spikes, which come in as constants.
        """
        left = s - m
        share = m / left  # z' = z (1 + share)
        moved = torch.addcmul(z, z, share)
        lost = ((left > 0) & (moved < latest) & fired).logical_not_()
        ctx.shape = z.shape
        factors = [share + 1.0]
        if through_slope:
            factors.append(share.mul_(moved).div_(s).neg_())
        ctx.save_for_backward(*(factor.masked_fill_(lost, 0.0) for factor in factors))
        moved = moved.clamp_(min=1.0).masked_fill_(lost, torch.inf)
        if false is not None:
            moved.view(-1).index_copy_(0, false[0], false[1].to(moved.dtype))
        return moved

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Constant m: ∂z'/∂z = s/(s - m), ∂z'/∂s = -z m/(s - m)²; both 0 for a lost spike."""
        factor, *rest = ctx.saved_tensors
        grad_s = _summed(grads[0] * rest[0], ctx.shape) if rest else None
        return _summed(grads[0] * factor, ctx.shape), grad_s, None, None, None, None, None


class Place(torch.autograd.Function):
    """z' as given; the gradients of Move by the factor z'/z, none where a spike came or went."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, s: Tensor, to: Tensor, fired: Tensor, through_slope: bool) -> Tensor:
        """Shapes [1 or chip, image, ...] of z, s and fired, [chip, image, ...] of `to` and of the result."""
        kept = fired & torch.isfinite(to)
        factor = torch.where(kept, to / z, 0.0)
        ctx.shape = z.shape
        factors = [factor]
        if through_slope:
            factors.append(torch.where(kept, (1.0 - factor) * to / s, 0.0))
        ctx.save_for_backward(*factors)
        return to

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """As if a constant m had moved the spike: ∂z'/∂z = z'/z, ∂z'/∂s = (1 - z'/z) z'/s."""
        factor, *rest = ctx.saved_tensors
        grad_s = _summed(grads[0] * rest[0], ctx.shape) if rest else None
        return _summed(grads[0] * factor, ctx.shape), grad_s, None, None, None


def _summed(grad: Tensor, shape: torch.Size) -> Tensor:
    """Over chips, where they share the spike."""
    return grad if grad.shape == shape else grad.sum(0, keepdim=True)
