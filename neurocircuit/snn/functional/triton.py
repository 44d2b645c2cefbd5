# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
"""The causal-set layer on CUDA by Triton; equations as in `event_loop.py`. That z > 0 is not checked here."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
import triton
import triton.language as tl
from torch import Tensor

from neurocircuit.snn.functional import layer_of_rows
from neurocircuit.snn.functional.arguments import Fired, Layer

_OUTPUTS, _INPUTS, _ROWS = 64, 32, 32  # of a program's block


def name() -> str:
    """Name of this implementation."""
    return "triton"


def forward(layer: Layer) -> Fired:
    """Return what a layer gives."""
    return layer_of_rows.forward(fire, layer)


def fire(rows: Tensor, matrix: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
    """As `layer_of_rows.Fire`."""
    z_sorted, order = torch.sort(rows, dim=1)
    (count, inputs), outputs = rows.shape, matrix.shape[1]
    z_out, slope = rows.new_empty(count, outputs), rows.new_empty(count, outputs)
    if count > 0:
        grid = (count, triton.cdiv(outputs, _OUTPUTS))
        C, R = (z_out, z_out) if state is None else (part.contiguous() for part in state)
        with _current(rows.device):
            _fire[grid](z_sorted, order, matrix, C, R, z_out, slope, inputs, outputs, state is not None, _OUTPUTS)
    return z_out, slope


def gradients(
    rows: Tensor, matrix: Tensor, z_out: Tensor, per_slope: Tensor, grad_slope: Tensor | None, grad_matrix: Tensor
) -> Tensor:
    """As `layer_of_rows.RowGradients`."""
    (count, inputs), outputs = rows.shape, matrix.shape[1]
    grad_rows = torch.empty_like(rows)
    if count == 0:
        return grad_rows
    rows, z_out, per_slope = rows.contiguous(), z_out.contiguous(), per_slope.contiguous()
    slopes = per_slope if grad_slope is None else grad_slope.contiguous()
    for_inputs = (triton.cdiv(count, _ROWS), triton.cdiv(inputs, _INPUTS))
    for_weights = (triton.cdiv(inputs, _INPUTS), triton.cdiv(outputs, _OUTPUTS))
    sizes = (count, inputs, outputs)
    with _current(rows.device):
        _input_gradient[for_inputs](rows, matrix, z_out, per_slope, grad_rows, *sizes, _ROWS, _INPUTS)
        _weight_gradient[for_weights](
            rows, z_out, per_slope, slopes, grad_matrix, *sizes, grad_slope is not None, _INPUTS, _OUTPUTS
        )
    return grad_rows


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Return the triton launches on the current GPU, whichever the tensors are on."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


backward = partial(layer_of_rows.backward, gradients)


@triton.jit
def _after(z):
    """The next number above a positive one."""
    if z.dtype == tl.float64:
        return (z.to(tl.int64, bitcast=True) + 1).to(tl.float64, bitcast=True)
    return (z.to(tl.int32, bitcast=True) + 1).to(tl.float32, bitcast=True)


@triton.jit
def _fire(
    z_sorted,
    order,
    matrix,
    C_start,
    R_start,
    z_out,
    slope,
    inputs,
    outputs,
    STATE: tl.constexpr,
    OUTPUTS: tl.constexpr,
):
    """One row, a block of outputs; the scan ends when all have fired or the inputs are silent."""
    row = tl.program_id(0).to(tl.int64)
    j = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    real = j < outputs
    z_k = tl.load(z_sorted + row * inputs)
    infinity = tl.full((OUTPUTS,), float("inf"), z_k.dtype)
    C = tl.full((OUTPUTS,), 1.0, z_k.dtype)
    R = tl.where(real, z_k, infinity)
    if STATE:
        C = tl.load(C_start + row * outputs + j, mask=real, other=1.0)
        R = tl.load(R_start + row * outputs + j, mask=real, other=float("inf"))
    at = infinity
    slopes = tl.zeros((OUTPUTS,), z_k.dtype)
    silent = tl.sum((infinity > R).to(tl.int32))
    k = 0
    while (k < inputs) & (silent > 0) & (z_k < float("inf")):
        C -= tl.load(matrix + tl.load(order + row * inputs + k) * outputs + j, mask=real, other=0.0)
        z_next = tl.load(z_sorted + row * inputs + k + 1, mask=k + 1 < inputs, other=float("inf"))
        R_next = R + C * (z_next - z_k)  # nan if C = 0 behind the last spike: compares false
        crossing = tl.minimum(tl.maximum(z_k - R / C, _after(z_k)), z_next)
        fires = (R_next <= 0) & (crossing < float("inf"))
        at = tl.where(fires, crossing, at)
        slopes = tl.where(fires, -C, slopes)
        silent -= tl.sum(fires.to(tl.int32))
        R = tl.where(fires, infinity, R_next)
        z_k = z_next
        k += 1
    tl.store(z_out + row * outputs + j, at, mask=real)
    tl.store(slope + row * outputs + j, slopes, mask=real)


@triton.jit
def _input_gradient(
    rows, matrix, z_out, per_slope, grad_rows, count, inputs, outputs, ROWS: tl.constexpr, INPUTS: tl.constexpr
):
    """A block of rows and inputs: Σ_j w_ij dL/dz_j / slope_j over z_i < z_j."""
    n = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    i = tl.program_id(1) * INPUTS + tl.arange(0, INPUTS)
    inside = (n < count)[:, None] & (i < inputs)[None, :]
    z = tl.load(rows + n[:, None] * inputs + i[None, :], mask=inside, other=float("inf"))
    total = tl.zeros((ROWS, INPUTS), z.dtype)
    for j in range(outputs):
        at = tl.load(z_out + n * outputs + j, mask=n < count, other=0.0)
        factor = tl.load(per_slope + n * outputs + j, mask=n < count, other=0.0)
        w = tl.load(matrix + i * outputs + j, mask=i < inputs, other=0.0)
        total += tl.where(z < at[:, None], w[None, :] * factor[:, None], 0.0)
    tl.store(grad_rows + n[:, None] * inputs + i[None, :], total, mask=inside)


@triton.jit
def _weight_gradient(
    rows,
    z_out,
    per_slope,
    grad_slope,
    grad_matrix,
    count,
    inputs,
    outputs,
    SLOPE: tl.constexpr,
    INPUTS: tl.constexpr,
    OUTPUTS: tl.constexpr,
):
    """A block of inputs and outputs: Σ_rows (z_i - z_j) dL/dz_j / slope_j + dL/dslope_j over z_i < z_j."""
    i = tl.program_id(0) * INPUTS + tl.arange(0, INPUTS)
    j = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    inside = (i < inputs)[:, None] & (j < outputs)[None, :]
    target = grad_matrix + i[:, None] * outputs + j[None, :]
    total = tl.load(target, mask=inside, other=0.0)
    for n in range(count):
        z = tl.load(rows + n * inputs + i, mask=i < inputs, other=float("inf"))[:, None]
        at = tl.load(z_out + n * outputs + j, mask=j < outputs, other=0.0)[None, :]
        term = (z - at) * tl.load(per_slope + n * outputs + j, mask=j < outputs, other=0.0)[None, :]
        if SLOPE:
            term += tl.load(grad_slope + n * outputs + j, mask=j < outputs, other=0.0)[None, :]
        total += tl.where(z < at, term, 0.0)
    tl.store(target, total, mask=inside)
