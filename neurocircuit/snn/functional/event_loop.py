"""The causal-set layer in plain torch: event by event, on any device, in bounded memory.

Between two input spikes z(1 - V(z)) is linear in z = e^t. With C = 1 - Σ w and R = z(1 - V), both over the inputs
that have arrived, an event at z_k brings C -= w_k, and R += C (z_next - z_k) leads to the next one. The neuron fires
before z_next when R would fall to 0 or below there, at z_k - R/C, and its slope is W_C - 1 = -C (eq. 3, 4).
"""

from functools import partial

import torch
from torch import Tensor

from neurocircuit.errors import InputError
from neurocircuit.snn.functional import layer_of_rows
from neurocircuit.snn.functional import rows as matrix_rows
from neurocircuit.snn.functional.arguments import Fired, Layer


def name() -> str:
    """Name of this implementation."""
    return "event loop"


def forward(layer: Layer) -> Fired:
    """Return what a layer gives."""
    if not bool((layer.z > 0).all()):
        raise InputError("z must be > 0 everywhere (inf: silent); it has values that are not, or nan")
    return layer_of_rows.forward(fire, layer)


def fire(rows: Tensor, matrix: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
    """As `layer_of_rows.Fire`."""
    z_sorted, order = torch.sort(rows, dim=1, stable=True)
    z_sorted = torch.cat([z_sorted, torch.full_like(z_sorted[:, :1], torch.inf)], dim=1)
    shape = (len(rows), matrix.shape[1])
    C, R = torch.ones(shape, dtype=rows.dtype, device=rows.device), z_sorted[:, :1].expand(shape)
    if state is not None:
        C, R = state
    z_out, slope = torch.full_like(C, torch.inf), torch.zeros_like(C)
    infinity = torch.full_like(z_sorted[:, :1], torch.inf)
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
        if k % 64 == 63 and not torch.isfinite(R).any():
            break
    return z_out, slope


def gradients(
    rows: Tensor, matrix: Tensor, z_out: Tensor, per_slope: Tensor, grad_slope: Tensor | None, grad_matrix: Tensor
) -> Tensor:
    """As `layer_of_rows.RowGradients`."""
    grad_rows = torch.empty_like(rows)
    for inputs in matrix_rows.chunks(rows.shape[1], z_out.numel()):
        z_i, z_j = rows[:, inputs, None], z_out[:, None, :]
        causal = z_i < z_j
        grad_rows[:, inputs] = torch.einsum("nio,io->ni", causal * per_slope[:, None, :], matrix[inputs])
        per_weight = (z_i - z_j) * per_slope[:, None, :]
        if grad_slope is not None:
            per_weight = per_weight + grad_slope[:, None, :]
        grad_matrix[inputs] += torch.where(causal, per_weight, 0.0).sum(0)
    return grad_rows


backward = partial(layer_of_rows.backward, gradients)
