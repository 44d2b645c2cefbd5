"""One layer of a noise table as flat lookup tables in float32, so that a spike costs three reads and no search.

An axis is read through the upper bits of the float itself, a logarithmic grid of 0.1 %: edges of cells and ranges are
kept to that. Event disturbances are read at GRID evenly spaced probabilities. Cells of axes that a torch layer does not
know (margin, headroom, root_sum_w2) are mixed by how many samples each holds.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurocircuit.core.arrays import Floats
from neurocircuit.noise.curves import APPROACH_EDGES, QUANTILES
from neurocircuit.noise.fit import LayerFit

GRID = 2048
SHIFT = 13  # bits of the float that are dropped: 10 bits of its fraction stay
_TOLERANCE = 1e-4
_APPROACH_STEP = 0.05  # of which all of APPROACH_EDGES are multiples


class NoiseLookup:
    """Disturbances m by slope s = W_C - 1 and spike z of a layer, and the chances of false spikes."""

    def __init__(self, fit: LayerFit, causes: tuple[str, ...]) -> None:
        """Beyond the table's ranges its nearest cell answers; `beyond` says where that is."""
        slopes, times = fit.n.shape[:2]
        weights = fit.n.reshape(slopes * times, -1) + 1e-9
        bias = fit.bias.reshape(weights.shape) * ("systematic" in causes)
        events = fit.quantiles.reshape(*weights.shape, -1) * ("event" in causes)
        rows = [_mixed(*cell) for cell in zip(bias, events, weights, strict=True)]
        self.disturbance = torch.from_numpy(np.stack(rows).astype(np.float32))  # [cell, GRID]
        self.ranges = {name: (float(fit.edges[name][0]), float(fit.edges[name][-1])) for name in ("slope", "time")}
        with np.errstate(over="ignore"):  # both ends of slope and time, as they are compared with
            low, high = np.exp(list(self.ranges.values())).T * np.array([[1 - _TOLERANCE], [1 + _TOLERANCE]])
            self.ends = torch.from_numpy(np.stack([low, high], axis=1).ravel().astype(np.float32))
        self.axes: list[tuple[str, Tensor]] = []
        for name, stride in (("slope", GRID * times), ("time", GRID)):
            if len(fit.edges[name]) > 2:  # an axis with one cell has no range
                self.axes.append((name, self._numbers(fit.edges[name], stride)))
        self._set_false(fit, causes)
        self._set_early(fit, causes)
        self.component_spread = fit.component_spread

    def _numbers(self, edges: Floats, stride: int) -> Tensor:
        """Return the cell number times stride for the upper bits of every positive float32."""
        low = (np.arange(2 ** (31 - SHIFT), dtype=np.int64) << SHIFT).astype(np.int32).view(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            middle = np.sqrt(low.astype(np.float64) * np.append(low[1:], np.float32(np.inf)))
        cell = np.clip(np.searchsorted(np.exp(edges), middle, side="right") - 1, 0, len(edges) - 2) * stride
        return torch.from_numpy(cell.astype(np.int32))

    def _set_false(self, fit: LayerFit, causes: tuple[str, ...]) -> None:
        share = fit.false_fire
        if "event" not in causes:  # as in noise/model.py: the more likely answer, or the chip's alone
            edges = APPROACH_EDGES[:-1]
            share = (share > 0.5).astype(float) if "systematic" in causes else (edges < 0).astype(float)
        bins = np.arange(np.round((APPROACH_EDGES[-2] - APPROACH_EDGES[1]) / _APPROACH_STEP) + 2)
        middle = APPROACH_EDGES[1] + (bins - 0.5) * _APPROACH_STEP
        self.false_share = torch.from_numpy(
            share[np.searchsorted(APPROACH_EDGES, middle, side="right") - 1].astype(np.float32)
        )
        uniform = (np.arange(GRID) + 0.5) / GRID if "event" in causes else np.full(GRID, 0.5)
        self.false_factor = torch.from_numpy(np.exp(np.interp(uniform, QUANTILES, fit.false_delay)).astype(np.float32))
        self.ever_false = bool((share > 0).any())

    def _set_early(self, fit: LayerFit, causes: tuple[str, ...]) -> None:
        """Spikes long before their time, and wraps: how often (numbers), and their times at GRID probabilities."""
        drawn = "systematic" in causes and "event" in causes
        self.early, self.wrap = (float(share[0]) * drawn for share in (fit.early_share, fit.wrap_share))
        uniform = (np.arange(GRID) + 0.5) / GRID
        self.early_ratio = torch.from_numpy(np.interp(uniform, QUANTILES, fit.early_time).astype(np.float32))
        self.wrap_z = torch.from_numpy(np.exp(np.interp(uniform, QUANTILES, fit.wrap_at)).astype(np.float32))

    def to(self, device: torch.device) -> None:
        """Move the tables."""
        for name in ("disturbance", "ends", "false_share", "false_factor", "early_ratio", "wrap_z"):
            setattr(self, name, getattr(self, name).to(device))
        self.axes = [(name, numbers.to(device)) for name, numbers in self.axes]

    def cells(self, z: Tensor, slope: Tensor) -> Tensor | None:
        """Return the first place of each spike's row in `disturbance`, int32, shape of z; None: one row for all."""
        total: Tensor | None = None
        for name, numbers in self.axes:
            value = slope if name == "slope" else z
            bits = value.detach().contiguous().float().view(torch.int32) >> SHIFT
            axis_numbers = numbers.index_select(0, bits.flatten()).view(z.shape)
            total = axis_numbers if total is None else total.add_(axis_numbers)
        return total

    def beyond(self, z: Tensor, slope: Tensor) -> Tensor | None:
        """Return where z or slope is out of the ranges of the table's axes; None where it has no axes."""
        outside: Tensor | None = None
        for name, _ in self.axes:
            value, (low, high) = (slope, self.ends[:2]) if name == "slope" else (z, self.ends[2:])
            outside_axis = (value < low) | (value > high)
            outside = outside_axis if outside is None else outside.logical_or_(outside_axis)
        return outside

    def disturb(self, cell: Tensor | None, uniform: Tensor) -> Tensor:
        """Return m, shape of `uniform` (evenly distributed in 0 … 1) to which that of `cell` extends, thresholds."""
        index = (uniform * GRID).to(torch.int32)
        if cell is not None:
            index += cell
        return self.disturbance.flatten().index_select(0, index.flatten()).view(uniform.shape)

    def split(self, uniform: Tensor, early_too: bool = True) -> Tensor:
        """Return what is left of `uniform` for m or ξ where the lowest draws are early spikes and the highest wraps."""
        early = self.early if early_too else 0.0
        if early + self.wrap == 0.0:
            return uniform
        return ((uniform - early) / (1.0 - early - self.wrap)).clamp_(0.0, 1.0 - 1e-7)

    def early_spikes(self, z: Tensor, fired: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Flat places in `uniform` of early spikes, of those that fire under eq. (4), and of wraps of any; their z."""
        flat = uniform.flatten()
        wraps = (flat >= 1.0 - self.wrap).nonzero()[:, 0] if self.wrap else flat.new_empty(0, dtype=torch.long)
        early = ((uniform < self.early) & fired).flatten().nonzero()[:, 0]
        quantile = (flat[early] / max(self.early, 1e-30)).clamp_(max=1.0 - 1e-7)
        z_ideal = (
            z.expand(uniform.shape).flatten()[early] if z.shape == uniform.shape else z.flatten()[early % z.numel()]
        )
        before = z_ideal.clamp(min=1.0) ** self.early_ratio[(quantile * GRID).to(torch.int32)].to(z_ideal.dtype)
        wrap_quantile = ((flat[wraps] - (1.0 - self.wrap)) / max(self.wrap, 1e-30)).clamp_(0.0, 1.0 - 1e-7)
        return torch.cat([early, wraps]), torch.cat(
            [before, self.wrap_z[(wrap_quantile * GRID).to(torch.int32)].to(z_ideal.dtype)]
        )

    def false_spikes(self, approach: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Return whether silent neurons fire, and by what factor their z differs from that of the closest approach."""
        approach_bin = ((approach - float(APPROACH_EDGES[1])) / _APPROACH_STEP).floor().to(torch.int32).add_(1)
        share = self.false_share[approach_bin.clamp_(0, len(self.false_share) - 1)]
        quantile = (uniform / share.clamp(min=1e-30)).clamp_(max=1.0 - 1e-7)
        return uniform < share, self.false_factor[(quantile * GRID).to(torch.int32)]


def _mixed(bias: Floats, quantiles: Floats, weights: Floats) -> NDArray[np.float64]:
    """Return the bias + event of several cells [cell] mixed by weight, at GRID evenly spaced probabilities."""
    uniform = (np.arange(GRID) + 0.5) / GRID
    each = np.stack(
        [cell_bias + np.interp(uniform, QUANTILES, values) for cell_bias, values in zip(bias, quantiles, strict=True)]
    )
    if len(each) == 1:
        return np.asarray(each[0])
    share = np.repeat(weights / weights.sum() / GRID, GRID)
    order = np.argsort(each, axis=None)
    reached = np.cumsum(share[order]) - share[order] / 2
    return np.asarray(np.interp(uniform, reached, each.ravel()[order]))
