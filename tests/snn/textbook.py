"""The layer as one writes it down in PyTorch: unfold, sort, gather, cumsum. An oracle, and the yardstick of speed."""

import torch
from torch import Tensor
from torch.nn import functional

from neurocircuit.snn.functional.geometry import output_size, resolve_padding


def causal_rows(z: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """z_out and slope [row, out] from z [row, in] and weight [out, in]: eq. (4) for every prefix of the sorted inputs.

    The first prefix whose spike falls between its last input and the next one is the causal set.
    """
    z_sorted, order = torch.sort(z, dim=1)
    w = weight[:, order].permute(1, 0, 2)
    came = torch.isfinite(z_sorted)[:, None, :]
    finite = torch.where(torch.isfinite(z_sorted), z_sorted, 0.0)[:, None, :]
    total = torch.cumsum(w, dim=2) - 1
    candidate = torch.cumsum(w * finite, dim=2) / total
    z_next = functional.pad(z_sorted[:, 1:], (0, 1), value=torch.inf)[:, None, :]
    valid = came & (total > 0) & (candidate > finite) & (candidate <= z_next)
    fired, first = valid.any(dim=2), valid.int().argmax(dim=2, keepdim=True)
    z_out = torch.where(fired, candidate.gather(2, first).squeeze(2), torch.inf)
    return z_out, torch.where(fired, total.gather(2, first).squeeze(2), 0.0)


def causal_conv2d(
    z: Tensor, weight: Tensor, bias: Tensor | None = None, bias_z: float = 1.0, stride: int = 1, padding: int | str = 0
) -> tuple[Tensor, Tensor]:
    """As `functional.causal_conv2d`."""
    out, channels, *kernel = weight.shape
    image = (z.shape[2], z.shape[3])
    sides = resolve_padding(padding, image, (kernel[0], kernel[1]), stride)
    height, width = output_size(image, (kernel[0], kernel[1]), stride, sides)
    patches = functional.pad(z, list(sides), value=torch.inf)
    patches = patches.unfold(2, kernel[0], stride).unfold(3, kernel[1], stride).permute(0, 2, 3, 1, 4, 5)
    rows, matrix = patches.reshape(-1, channels * kernel[0] * kernel[1]), weight.flatten(1)
    if bias is not None:
        rows = torch.cat([rows, torch.full_like(rows[:, :1], bias_z)], dim=1)
        matrix = torch.cat([matrix, bias[:, None]], dim=1)
    results = causal_rows(rows, matrix)
    z_out, slope = (result.reshape(len(z), height, width, out).permute(0, 3, 1, 2) for result in results)
    return z_out, slope
