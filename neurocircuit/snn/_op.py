"""The torch custom op behind the causal-set layers: one operator, one implementation per device."""

import torch
from torch import Tensor

from neurocircuit.snn import _event_loop
from neurocircuit.snn._geometry import Padding, output_size


@torch.library.custom_op("neurocircuit::causal_conv2d", mutates_args=())
def causal_conv2d(
    z: Tensor, weight: Tensor, bias: Tensor | None, bias_z: float, stride: int, padding: list[int]
) -> tuple[Tensor, Tensor]:
    """z_out and slope, [N, out, h, w], from z [N, in, H, W] and weight [out, in, kh, kw]; arguments are checked."""
    return _event_loop.forward(z, weight, bias, bias_z, stride, Padding(*padding))


@causal_conv2d.register_fake
def _(
    z: Tensor, weight: Tensor, bias: Tensor | None, bias_z: float, stride: int, padding: list[int]
) -> tuple[Tensor, Tensor]:
    image, kernel = (z.shape[2], z.shape[3]), (weight.shape[2], weight.shape[3])
    shape = (z.shape[0], weight.shape[0], *output_size(image, kernel, stride, Padding(*padding)))
    return z.new_empty(shape), z.new_empty(shape)


@torch.library.custom_op("neurocircuit::causal_conv2d_backward", mutates_args=())
def causal_conv2d_backward(
    grad_z_out: Tensor,
    grad_slope: Tensor,
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    z_out: Tensor,
    slope: Tensor,
    bias_z: float,
    stride: int,
    padding: list[int],
) -> list[Tensor]:
    """Gradients of z, weight and, where there is one, bias."""
    grads = _event_loop.backward(
        grad_z_out, grad_slope, z, weight, bias, z_out, slope, bias_z, stride, Padding(*padding)
    )
    return [grad for grad in grads if grad is not None]


@causal_conv2d_backward.register_fake
def _(
    grad_z_out: Tensor,
    grad_slope: Tensor,
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    z_out: Tensor,
    slope: Tensor,
    bias_z: float,
    stride: int,
    padding: list[int],
) -> list[Tensor]:
    return [torch.empty_like(tensor) for tensor in (z, weight, bias) if tensor is not None]


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    z, weight, bias, *ctx.rest = inputs
    ctx.save_for_backward(z, weight, bias, *output)


def _backward(ctx, grad_z_out, grad_slope):  # type: ignore[no-untyped-def]
    grads = causal_conv2d_backward(grad_z_out, grad_slope, *ctx.saved_tensors, *ctx.rest)
    return (*grads, *[None] * (6 - len(grads)))


causal_conv2d.register_autograd(_backward, setup_context=_setup_context)
