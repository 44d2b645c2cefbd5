"""The causal-set layer on the CPU by the compiled kernel."""

from typing import Any

import torch
from torch import Tensor

from neurocircuit import _kernel
from neurocircuit.errors import InputError
from neurocircuit.snn.functional.arguments import Fired, Gradients, Layer, OutputGradients

native: Any = _kernel.native  # the module is used only where there is one


def name() -> str:
    """Implementation and instruction set."""
    return f"native {native.instruction_set()}"


def forward(layer: Layer) -> Fired:
    """Return what a layer gives."""
    fired = Fired(layer.z.new_empty(layer.output_shape), layer.z.new_empty(layer.output_shape))
    if not native.causal_forward(*_inputs(layer), fired.z_out.numpy(), fired.slope.numpy()):
        raise InputError("z must be > 0 everywhere (inf: silent); it has values that are not, or nan")
    return fired


def backward(grads: OutputGradients, layer: Layer, fired: Fired, need_z: bool) -> Gradients:
    """Return the gradients of z (empty where not needed), weight and bias (empty without one)."""
    z, weight, bias = layer.z, layer.weight, layer.bias
    grad_z = torch.empty(z.shape if need_z else (0,), dtype=z.dtype)
    grad_weight = torch.empty(weight.shape, dtype=z.dtype)
    grad_bias = z.new_empty(0 if bias is None else len(bias))
    outputs = (_array(fired.z_out), _array(fired.slope), _array(grads.z_out), _array(grads.slope))
    into = (grad_z.numpy() if need_z else None, grad_weight.numpy(), None if bias is None else grad_bias.numpy())
    native.causal_backward(*_inputs(layer), *outputs, *into)
    return grad_z, grad_weight, grad_bias


def _inputs(layer: Layer) -> tuple[object, ...]:
    """Return the layer as the compiled kernel takes it, and its threads."""
    arrays = (_array(layer.z), _array(layer.weight), _array(layer.bias))
    return *arrays, layer.bias_z, layer.stride, *layer.padding, torch.get_num_threads()


def _array(tensor: Tensor | None) -> object:
    return None if tensor is None else tensor.detach().contiguous().numpy()
