"""A causal-set convolution from two functions on rows of a matrix: what the event loop and Triton share."""

from typing import Protocol

import torch
from torch import Tensor

from neurocircuit.snn.functional import rows as matrix_rows
from neurocircuit.snn.functional.geometry import Padding, output_size


class Fire(Protocol):
    """z_out and slope, both [row, out], from spike times [row, input] (inf: silent) and weights [input, out]."""

    def __call__(self, rows: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Fire times and slopes of one matrix of rows."""
        ...


class Gradients(Protocol):
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


def forward(
    fire: Fire, z: Tensor, weight: Tensor, bias: Tensor | None, bias_z: float, stride: int, padding: Padding
) -> tuple[Tensor, Tensor]:
    """z_out and slope, both [N, out, h, w], from z [N, in, H, W] and weight [out, in, kh, kw]."""
    image, kernel = (z.shape[2], z.shape[3]), (weight.shape[2], weight.shape[3])
    shape = (len(z), len(weight), *output_size(image, kernel, stride, padding))
    z_out, slope = z.new_empty(shape), z.new_empty(shape)
    matrix = matrix_rows.with_bias(weight, bias)
    for images in matrix_rows.chunks(len(z), weight[0].numel() * shape[2] * shape[3]):
        rows = matrix_rows.patches(z[images], kernel, stride, padding, bias, bias_z)
        for target, fired in zip((z_out[images], slope[images]), fire(rows, matrix), strict=True):
            target.copy_(matrix_rows.by_image(fired, target.shape))
    return z_out, slope


def backward(
    gradients: Gradients,
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
    """Gradients of z (empty where not needed), weight and bias (empty without one).

    ∂z_j/∂z_i = w_i/(W_C - 1), ∂z_j/∂w_i = (z_i - z_j)/(W_C - 1) and ∂slope_j/∂w_i = 1 for i in C, else 0.
    """
    kernel, taps = (weight.shape[2], weight.shape[3]), weight[0].numel()
    matrix = matrix_rows.with_bias(weight, bias)
    grad_z, grad_matrix = torch.empty_like(z), torch.zeros_like(matrix)
    fired = slope > 0
    outputs = (torch.where(fired, z_out, 0.0), torch.where(fired, grad_z_out / slope, 0.0))
    grad_slope = None if grad_slope is None else torch.where(fired, grad_slope, 0.0)
    for images in matrix_rows.chunks(len(z), taps * z_out.shape[2] * z_out.shape[3]):
        rows = matrix_rows.patches(z[images], kernel, stride, padding, bias, bias_z)
        at, per_slope = (matrix_rows.by_row(tensor[images]) for tensor in outputs)
        slopes = None if grad_slope is None else matrix_rows.by_row(grad_slope[images])
        grad_rows = gradients(rows, matrix, at, per_slope, slopes, grad_matrix)
        grad_z[images] = matrix_rows.images(grad_rows, z[images], kernel, stride, padding)
    grad_weight = grad_matrix[:taps].t().reshape(weight.shape).contiguous()
    return grad_z if need_z else z.new_empty(0), grad_weight, grad_matrix[taps:].flatten().clone()
