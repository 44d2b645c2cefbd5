"""A causal-set convolution from two functions on rows of a matrix: what the event loop and Triton share."""

from typing import Protocol

import torch
from torch import Tensor

from neurocircuit.snn.functional import rows as matrix_rows
from neurocircuit.snn.functional.arguments import Fired, Gradients, Layer, OutputGradients


class Fire(Protocol):
    """z_out and slope, both [row, out], from spike times [row, input] (inf: silent) and weights [input, out].

    `state` is C and R of the event loop before the first spike, where it is not that of a neuron at rest: both
    [row, out], R = inf for one that does not fire any more.
    """

    def __call__(
        self, rows: Tensor, matrix: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Fire times and slopes of one matrix of rows."""
        ...


class RowGradients(Protocol):
    """Gradient of rows [row, input]; adds that of the weights to grad_matrix [input, out].

    `z_out` and `per_slope` = dL/dz_out / slope are 0 where silent, `grad_slope` too, if it is wanted.
    """

    def __call__(
        self,
        rows: Tensor,
        matrix: Tensor,
        z_out: Tensor,
        per_slope: Tensor,
        grad_slope: Tensor | None,
        grad_matrix: Tensor,
    ) -> Tensor:
        """Gradient of one matrix of rows."""
        ...


def forward(fire: Fire, layer: Layer) -> Fired:
    """Return what a layer gives, by a function on rows of a matrix."""
    fired = Fired(layer.z.new_empty(layer.output_shape), layer.z.new_empty(layer.output_shape))
    matrix = matrix_rows.with_bias(layer.weight, layer.bias)
    for images in matrix_rows.chunks(len(layer.z), layer.weight[0].numel() * layer.pixels):
        rows = _rows(layer, images)
        results = fire(rows, matrix) if layer.arming_z == 0 else _fire_armed(fire, rows, matrix, layer.arming_z)
        for target, result in zip((fired.z_out[images], fired.slope[images]), results, strict=True):
            target.copy_(matrix_rows.by_image(result, target.shape))
    return fired


def _fire_armed(fire: Fire, rows: Tensor, matrix: Tensor, arming_z: float) -> tuple[Tensor, Tensor]:
    """Fire times and slopes of neurons that are armed late: a membrane above threshold then fires at the arming."""
    early = rows <= arming_z
    C = 1 - early.to(rows.dtype) @ matrix
    R = arming_z - torch.where(early, arming_z - rows, 0.0) @ matrix
    above = R <= 0
    arming = torch.full_like(rows[:, :1], arming_z)  # an event that changes nothing
    later = torch.cat([arming, torch.where(early, torch.inf, rows)], dim=1)
    events = torch.cat([torch.zeros_like(matrix[:1]), matrix])
    z_out, slope = fire(later, events, (C, torch.where(above, torch.inf, R)))
    return torch.where(above, arming_z, z_out), slope


def backward(
    row_gradients: RowGradients, grads: OutputGradients, layer: Layer, fired: Fired, need_z: bool
) -> Gradients:
    """Return the gradients of z (empty where not needed), weight and bias (empty without one).

    ∂z_j/∂z_i = w_i/(W_C - 1), ∂z_j/∂w_i = (z_i - z_j)/(W_C - 1) and ∂slope_j/∂w_i = 1 for i in C, else 0.
    """
    z, weight, taps = layer.z, layer.weight, layer.weight[0].numel()
    matrix = matrix_rows.with_bias(weight, layer.bias)
    grad_z, grad_matrix = torch.empty_like(z), torch.zeros_like(matrix)
    spiked = fired.slope > 0
    outputs = (torch.where(spiked, fired.z_out, 0.0), torch.where(spiked, grads.z_out / fired.slope, 0.0))
    grad_slope = None if grads.slope is None else torch.where(spiked, grads.slope, 0.0)
    for images in matrix_rows.chunks(len(z), taps * layer.pixels):
        rows = _rows(layer, images)
        at, per_slope = (matrix_rows.by_row(tensor[images]) for tensor in outputs)
        slopes = None if grad_slope is None else matrix_rows.by_row(grad_slope[images])
        grad_rows = row_gradients(rows, matrix, at, per_slope, slopes, grad_matrix)
        grad_z[images] = matrix_rows.images(grad_rows, z[images], layer.kernel, layer.stride, layer.padding)
    grad_weight = grad_matrix[:taps].t().reshape(weight.shape).contiguous()
    return grad_z if need_z else z.new_empty(0), grad_weight, grad_matrix[taps:].clone()


def _rows(layer: Layer, images: slice) -> Tensor:
    """Return the spike times [row, input] of some images."""
    return matrix_rows.patches(layer.z[images], layer.kernel, layer.stride, layer.padding, layer.bias_z)
