"""The causal-set layer on the CPU by the compiled kernel."""

from typing import Any

import torch
from torch import Tensor

from neurocircuit import _kernel
from neurocircuit.errors import InputError
from neurocircuit.snn.functional.arguments import Fired, Gradients, Layer, OutputGradients

native: Any = _kernel.native  # the module is used only where there is one


def name() -> str:
    """Return the implementation and instruction set."""
    return f"native {native.instruction_set()}"


def forward(layer: Layer) -> Fired:
    """Return what a layer gives."""
    fired = Fired(layer.z.new_empty(layer.output_shape), layer.z.new_empty(layer.output_shape))
    if not native.causal_forward(
        *_spikes(layer), layer.arming_z, *_geometry(layer), fired.z_out.numpy(), fired.slope.numpy()
    ):
        raise InputError("z must be > 0 everywhere (inf: silent); it has values that are not, or nan")
    return fired


def backward(grads: OutputGradients, layer: Layer, fired: Fired, need_z: bool) -> Gradients:
    """Return the gradients of z (empty where not needed), weight and bias (empty without one)."""
    z, weight = layer.z, layer.weight
    grad_z = torch.empty(z.shape if need_z else (0,), dtype=z.dtype)
    grad_weight = torch.empty(weight.shape, dtype=z.dtype)
    grad_bias = z.new_empty((len(layer.bias_z), len(weight)))
    outputs = (_array(fired.z_out), _array(fired.slope), _array(grads.z_out), _array(grads.slope))
    into = (grad_z.numpy() if need_z else None, grad_weight.numpy(), grad_bias.numpy())
    native.causal_backward(*_spikes(layer), *_geometry(layer), *outputs, *into)
    return grad_z, grad_weight, grad_bias


def _spikes(layer: Layer) -> tuple[object, ...]:
    """Return spikes, weights and bias spikes as the compiled kernel takes them."""
    bias = layer.weight.new_empty((0, len(layer.weight))) if layer.bias is None else layer.bias
    return tuple(map(_array, (layer.z, layer.weight, bias, torch.tensor(layer.bias_z, dtype=layer.z.dtype))))


def _geometry(layer: Layer) -> tuple[int, ...]:
    """Return stride, padding and threads."""
    return layer.stride, *layer.padding, torch.get_num_threads()


def _array(tensor: Tensor | None) -> object:
    return None if tensor is None else tensor.detach().contiguous().numpy()
