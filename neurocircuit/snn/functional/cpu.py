"""The causal-set layer on the CPU by the compiled kernel."""

from typing import Any

import torch
from torch import Tensor

from neurocircuit import _kernel
from neurocircuit.errors import InputError
from neurocircuit.snn.functional.geometry import Padding, output_size

native: Any = _kernel.native  # the module is used only where there is one


def name() -> str:
    """Implementation and instruction set."""
    return f"native {native.instruction_set()}"


def forward(
    z: Tensor, weight: Tensor, bias: Tensor | None, bias_z: float, stride: int, padding: Padding
) -> tuple[Tensor, Tensor]:
    """z_out and slope, both [N, out, h, w], from z [N, in, H, W] and weight [out, in, kh, kw]."""
    image, kernel = (z.shape[2], z.shape[3]), (weight.shape[2], weight.shape[3])
    shape = (len(z), len(weight), *output_size(image, kernel, stride, padding))
    z_out, slope = z.new_empty(shape), z.new_empty(shape)
    threads = torch.get_num_threads()
    inputs = (_array(z), _array(weight), _array(bias), bias_z, stride, *padding, threads)
    if not native.causal_forward(*inputs, z_out.numpy(), slope.numpy()):
        raise InputError("z must be > 0 everywhere (inf: silent); it has values that are not, or nan")
    return z_out, slope


def backward(
    grad_z_out: Tensor,
    grad_slope: Tensor | None,
    z: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    z_out: Tensor,
    slope: Tensor,
    bias_z: float,
    stride: int,
    padding: Padding,
    need_z: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of z (empty where not needed), weight and bias (empty without one)."""
    grad_z = torch.empty(z.shape if need_z else (0,), dtype=z.dtype)
    grad_weight = torch.empty(weight.shape, dtype=z.dtype)
    grad_bias = z.new_empty(0 if bias is None else len(bias))
    threads = torch.get_num_threads()
    inputs = (_array(z), _array(weight), _array(bias), bias_z, stride, *padding, threads)
    outputs = (_array(z_out), _array(slope), _array(grad_z_out), _array(grad_slope))
    grads = (grad_z.numpy() if need_z else None, grad_weight.numpy(), None if bias is None else grad_bias.numpy())
    native.causal_backward(*inputs, *outputs, *grads)
    return grad_z, grad_weight, grad_bias


def _array(tensor: Tensor | None) -> object:
    return None if tensor is None else tensor.detach().contiguous().numpy()
