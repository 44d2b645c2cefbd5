"""The causal-set layer in plain torch: event by event, on any device, in bounded memory.

Between two input spikes z(1 - V(z)) is linear in z = e^t. With C = 1 - Σ w and R = z(1 - V), both over the inputs
that have arrived, an event at z_k brings C -= w_k, and R += C (z_next - z_k) leads to the next one. The neuron fires
before z_next when R would fall to 0 or below there, at z_k - R/C, and its slope is W_C - 1 = -C (eq. 3, 4).
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from neurocircuit.errors import InputError
from neurocircuit.snn._geometry import Padding, output_size

ELEMENTS_AT_ONCE = 1 << 22  # of an unfolded chunk of images, and of the product of inputs and outputs in backward


def name() -> str:
    """Name of this implementation."""
    return "event loop"


def forward(
    z: Tensor, weight: Tensor, bias: Tensor | None, bias_z: float, stride: int, padding: Padding
) -> tuple[Tensor, Tensor]:
    """z_out and slope, both [N, out, h, w], from z [N, in, H, W] and weight [out, in, kh, kw]."""
    if not bool((z > 0).all()):
        raise InputError("z must be > 0 everywhere (inf: silent); it has values that are not, or nan")
    out, _, *kernel = weight.shape
    height, width = output_size((z.shape[2], z.shape[3]), (kernel[0], kernel[1]), stride, padding)
    z_out, slope = z.new_empty(len(z), out, height, width), z.new_empty(len(z), out, height, width)
    matrix = _with_bias(weight, bias)
    for images in _chunks(len(z), weight[0].numel() * height * width):
        rows = _rows(z[images], (kernel[0], kernel[1]), stride, padding, bias, bias_z)
        for result, value in zip((z_out, slope), _fire(rows, matrix), strict=True):
            result[images] = value.reshape(-1, height, width, out).permute(0, 3, 1, 2)
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
    """Gradients of z (empty where not needed), weight and bias (empty without one).

    ∂z_j/∂z_i = w_i/(W_C - 1), ∂z_j/∂w_i = (z_i - z_j)/(W_C - 1) and ∂slope_j/∂w_i = 1 for i in C, else 0.
    """
    taps, pixels = weight[0].numel(), z_out.shape[2] * z_out.shape[3]
    kernel = (weight.shape[2], weight.shape[3])
    size = (z.shape[2] + padding.top + padding.bottom, z.shape[3] + padding.left + padding.right)
    matrix = _with_bias(weight, bias)
    grad_z, grad_matrix = torch.empty_like(z), torch.zeros_like(matrix)
    for images in _chunks(len(z), taps * pixels):
        rows = _rows(z[images], kernel, stride, padding, bias, bias_z)
        outputs = [_by_row(tensor, images) for tensor in (grad_z_out, grad_slope, z_out, slope)]
        grad_rows = _backward_rows(rows, matrix, outputs, grad_matrix)
        columns = grad_rows[:, :taps].reshape(-1, pixels, taps).transpose(1, 2)
        padded = functional.fold(columns, size, kernel, stride=stride)
        grad_z[images] = functional.pad(padded, [-side for side in padding])
    grad_weight = grad_matrix[:taps].t().reshape(weight.shape).contiguous()
    return grad_z if need_z else z.new_empty(0), grad_weight, grad_matrix[taps:].flatten().clone()


def _backward_rows(
    rows: Tensor, matrix: Tensor, outputs: Iterable[Tensor | None], grad_matrix: Tensor
) -> Tensor:
    """Gradient of rows [row, input]; adds that of the weights to grad_matrix [input, out]."""
    grad_z_out, grad_slope, z_out, slope = outputs
    assert grad_z_out is not None and z_out is not None and slope is not None
    fired = slope > 0
    per_slope = torch.where(fired, grad_z_out / slope, 0.0)[:, None, :]
    grad_rows = torch.empty_like(rows)
    for inputs in _chunks(rows.shape[1], z_out.numel()):
        z_i = rows[:, inputs, None]
        causal = (z_i < z_out[:, None, :]) & fired[:, None, :]
        grad_rows[:, inputs] = torch.einsum("nio,io->ni", causal * per_slope, matrix[inputs])
        per_weight = (z_i - z_out[:, None, :]) * per_slope
        if grad_slope is not None:
            per_weight = per_weight + grad_slope[:, None, :]
        grad_matrix[inputs] += torch.where(causal, per_weight, 0.0).sum(0)
    return grad_rows


def _fire(rows: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """z_out and slope, both [row, out], from spike times [row, input] (inf: silent) and weights [input, out]."""
    z_sorted, order = torch.sort(rows, dim=1, stable=True)
    z_sorted = torch.cat([z_sorted, torch.full_like(z_sorted[:, :1], torch.inf)], dim=1)
    shape = (len(rows), matrix.shape[1])
    C, R = torch.ones(shape, dtype=rows.dtype, device=rows.device), z_sorted[:, :1].expand(shape)
    z_out, slope = torch.full_like(C, torch.inf), torch.zeros_like(C)
    infinity = torch.full_like(R, torch.inf)
    for k in range(rows.shape[1]):
        z_k, z_next = z_sorted[:, k, None], z_sorted[:, k + 1, None]
        C -= matrix[order[:, k]]
        R_next = R + C * (z_next - z_k)  # nan behind the last spike, which compares false
        fires = R_next <= 0
        # Rounding must not carry the spike out of its interval: {i: z_i < z_out} is the causal set, in backward too.
        crossing = torch.minimum(torch.maximum(z_k - R / C, torch.nextafter(z_k, infinity)), z_next)
        fires &= torch.isfinite(crossing)
        z_out, slope = torch.where(fires, crossing, z_out), torch.where(fires, -C, slope)
        R = torch.where(fires, torch.inf, R_next)
        if k % 64 == 63 and not (R < torch.inf).any():
            break
    return z_out, slope


def _rows(
    z: Tensor, kernel: tuple[int, int], stride: int, padding: Padding, bias: Tensor | None, bias_z: float
) -> Tensor:
    """Spike times [row, input] of each patch, channel first, bias input last; padding is silent."""
    padded = functional.pad(z, list(padding), value=torch.inf)
    patches = padded.unfold(2, kernel[0], stride).unfold(3, kernel[1], stride).permute(0, 2, 3, 1, 4, 5)
    rows = patches.reshape(-1, z.shape[1] * kernel[0] * kernel[1])
    if bias is None:
        return rows
    return torch.cat([rows, torch.full_like(rows[:, :1], bias_z)], dim=1)


def _by_row(tensor: Tensor | None, images: slice) -> Tensor | None:
    """[row, out] of some images, from [N, out, h, w]."""
    return None if tensor is None else tensor[images].permute(0, 2, 3, 1).reshape(-1, tensor.shape[1])


def _with_bias(weight: Tensor, bias: Tensor | None) -> Tensor:
    """Weights [input, out] in the order of `_rows`."""
    matrix = weight.flatten(1).t()
    return matrix if bias is None else torch.cat([matrix, bias[None]])


def _chunks(length: int, elements_each: int) -> Iterator[slice]:
    """Slices of `length` things so that a slice holds about ELEMENTS_AT_ONCE elements."""
    step = max(1, ELEMENTS_AT_ONCE // max(1, elements_each))
    return (slice(begin, min(begin + step, length)) for begin in range(0, length, step))
