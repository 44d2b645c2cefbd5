"""The torch custom op behind the causal-set layers: one operator, one implementation per device."""

import functools
import importlib.util
import warnings
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from neurocircuit._kernel import native
from neurocircuit.snn.functional import cpu, event_loop
from neurocircuit.snn.functional.arguments import Fired, Gradients, Layer, OutputGradients
from neurocircuit.snn.functional.geometry import Padding

_used: list[str] = []  # name of the implementation that ran last


def implementation_used() -> str | None:
    """Return which implementation ran last: "native <instruction set>", "triton" or "event loop".

    None before the first.
    """
    return _used[0] if _used else None


def implementation(device: str) -> ModuleType:
    """Return the implementation for tensors on `device`.

    Where its kernel is missing, the event loop, with one warning.
    """
    if device == "cpu" and native is not None:
        return cpu
    if device == "cuda" and importlib.util.find_spec("triton") is not None:
        from neurocircuit.snn.functional import triton

        return triton
    _warn_once(device)
    return event_loop


@functools.cache
def _warn_once(device: str) -> None:
    missing = {"cpu": "the package was built without a compiler", "cuda": "triton is not installed"}
    reason = missing.get(device, "there is no kernel for it")
    warnings.warn(f"causal-set layers run as a slow torch event loop on {device}: {reason}", stacklevel=2)


def call(
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    bias_z: list[float],
    stride: int,
    padding: list[int],
    arming_z: float,
) -> tuple[Tensor, Tensor]:
    """Return the operator, with a plain word where torch.func or forward-mode differentiation meets it."""
    if forward_ad._current_level >= 0 and any(
        forward_ad.unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]
        for tensor in (z, weight, bias)
        if tensor is not None
    ):
        raise RuntimeError("causal-set layers have no forward-mode derivative: use torch.autograd.grad")
    try:
        result: tuple[Tensor, Tensor] = causal_conv2d(z, weight, bias, bias_z, stride, padding, arming_z)
    except RuntimeError as error:
        if "functorch" not in str(error):
            raise
        raise RuntimeError("causal-set layers do not work under torch.func: use torch.autograd.grad") from error
    return result


@torch.library.custom_op("neurocircuit::causal_conv2d", mutates_args=())
def causal_conv2d(
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    bias_z: list[float],
    stride: int,
    padding: list[int],
    arming_z: float,
) -> tuple[Tensor, Tensor]:
    """Return z_out and slope, [N, out, h, w], from z [N, in, H, W] and weight [out, in, kh, kw]; arguments are checked.

    bias [bias spike, out]; arming_z: 0 for neurons that are always armed.
    """
    module = implementation(z.device.type)
    _used[:] = [module.name()]
    fired: Fired = module.forward(Layer(z, weight, bias, bias_z, stride, Padding(*padding), arming_z))
    return fired.z_out, fired.slope


@causal_conv2d.register_fake
def _(
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    bias_z: list[float],
    stride: int,
    padding: list[int],
    arming_z: float,
) -> tuple[Tensor, Tensor]:
    shape = Layer(z, weight, bias, bias_z, stride, Padding(*padding)).output_shape
    return z.new_empty(shape), z.new_empty(shape)


@torch.library.custom_op("neurocircuit::causal_conv2d_backward", mutates_args=())
def causal_conv2d_backward(
    grad_z_out: Tensor,
    grad_slope: Tensor | None,
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    z_out: Tensor,
    slope: Tensor,
    bias_z: list[float],
    stride: int,
    padding: list[int],
    need_z: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of z (empty where not needed), weight and bias (empty without one)."""
    module = implementation(z.device.type)
    layer = Layer(z, weight, bias, bias_z, stride, Padding(*padding))
    gradients: Gradients = module.backward(OutputGradients(grad_z_out, grad_slope), layer, Fired(z_out, slope), need_z)
    return gradients


@causal_conv2d_backward.register_fake
def _(
    grad_z_out: Tensor,
    grad_slope: Tensor | None,
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    z_out: Tensor,
    slope: Tensor,
    bias_z: list[float],
    stride: int,
    padding: list[int],
    need_z: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    grad_z = z.new_empty(z.shape if need_z else (0,))
    return grad_z, weight.new_empty(weight.shape), z.new_empty((len(bias_z), weight.shape[0]))


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    z, weight, bias, *ctx.rest, _ = inputs
    ctx.save_for_backward(z, weight, bias, *output)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad_z_out: Tensor | None, grad_slope: Tensor | None) -> tuple[Tensor | None, ...]:
    z_out, bias = ctx.saved_tensors[3], ctx.saved_tensors[2]
    if grad_z_out is None:
        grad_z_out = torch.zeros_like(z_out)
    need_z = ctx.needs_input_grad[0]
    grad_z, grad_weight, grad_bias = causal_conv2d_backward(
        grad_z_out, grad_slope, *ctx.saved_tensors, *ctx.rest, need_z
    )
    return grad_z if need_z else None, grad_weight, None if bias is None else grad_bias, None, None, None, None


def _no_second_derivative(ctx: Any, *grads: Tensor) -> None:
    raise RuntimeError("causal-set layers have no second derivative: call backward without create_graph")


causal_conv2d.register_autograd(_backward, setup_context=_setup_context)
causal_conv2d_backward.register_autograd(_no_second_derivative)
