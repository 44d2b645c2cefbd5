"""Mapping margins as a training term: what the circuit can hold of a layer's synaptic current and membrane.

A phase of a per weight keeps a·max|I| within the XOR's range, and a lead θ keeps θ(1 + |v_min|) below π (network/
limits.py). The larger the peak current and the deeper the membrane, the smaller both must be, and the more the phase
noise and the XOR's ripple weigh. The term charges what exceeds `largest_current` and `largest_depth`, on neurons drawn
anew at each step: with spikes in order, C = Σ w and R = Σ w z up to each of them, I = R/z and V = C - R/z'.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neurocircuit.snn.functional import rows as matrix_rows
from neurocircuit.snn.functional.geometry import resolve_padding
from neurocircuit.snn.layers import SpikingConv2d, SpikingLinear
from neurocircuit.snn.models import spiking_layers

ROWS_AT_ONCE = 16  # sets of inputs that are drawn in each layer and step; all channels share them


class Margins:
    """Keeps what each layer of neurons last received, and charges for it."""

    def __init__(
        self,
        network: nn.Module,
        largest_current: float | Sequence[float],
        largest_depth: float | Sequence[float],
        window_over_tau: float | Sequence[float],
    ) -> None:
        """Each is one for all layers, or one for each."""
        self._layers = spiking_layers(network)
        self.largest_current, self.largest_depth, self.window = (
            [limit] * len(self._layers) if isinstance(limit, int | float) else list(limit)
            for limit in (largest_current, largest_depth, window_over_tau)
        )
        self._received: dict[int, Tensor] = {}
        for k, layer in enumerate(self._layers):
            layer.register_forward_pre_hook(self._keep(k))

    def term(self, generator: torch.Generator) -> Tensor:
        """Return the mean over layers of the squared excess of current and depth, a scalar that has gradients."""
        total = torch.zeros(())
        for k, layer in enumerate(self._layers):
            rows, matrix = sampled_rows(layer, self._received[k], generator)
            charge = excess(rows, matrix, self.largest_current[k], self.largest_depth[k], self.window[k])
            total = total.to(charge.device) + charge / (len(rows) * matrix.shape[1] * len(self._layers))
        return total

    def _keep(self, k: int):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if module.training:
                self._received[k] = inputs[0]

        return hook


def sampled_rows(layer: SpikingConv2d | SpikingLinear, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the inputs z [row, input] of some positions of some images, and weights [input, out]; bias input last."""
    matrix = matrix_rows.with_bias(layer.weight, layer.bias)
    images = min(8, len(z))
    which = torch.randperm(len(z), generator=generator)[:images].to(z.device)
    if isinstance(layer, SpikingLinear):
        rows = z[which].flatten(1)
        if layer.bias is not None:
            rows = matrix_rows.with_bias_spikes(rows, (layer.bias_z,))
        return rows, matrix
    kernel = (layer.weight.shape[2], layer.weight.shape[3])
    padding = resolve_padding(layer.padding, (z.shape[2], z.shape[3]), kernel, layer.stride)
    rows = matrix_rows.patches(z[which], kernel, layer.stride, padding, () if layer.bias is None else (layer.bias_z,))
    chosen = torch.randperm(len(rows), generator=generator)[:ROWS_AT_ONCE].to(z.device)
    return rows[chosen], matrix


def excess(
    rows: Tensor, matrix: Tensor, largest_current: float, largest_depth: float, window_over_tau: float
) -> Tensor:
    """Sum over rows and neurons of the squares by which |I| and -V go too far: a scalar with gradients to both.

    Where a neuron goes farthest is found without gradients; only those that go too far are then computed with them.
    """
    with torch.no_grad():
        extreme = extremes(rows, matrix, window_over_tau)
    inside = rows < extreme.latest
    z = torch.where(inside, rows, extreme.latest)

    def until(too_far: Tensor, rank: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Of what goes too far [case]: Σ w and Σ w z of the spikes up to the place; row, its spikes and the place."""
        row, out = too_far.nonzero(as_tuple=True)
        at = rank[row, out]
        acting = matrix.T.index_select(0, out) * (inside[row] & (extreme.rank[row] <= at[:, None]))
        z_own = z.index_select(0, row)
        return acting.sum(dim=1), (acting * z_own).sum(dim=1), row, z_own, at

    _, moment, row, z_own, at = until(extreme.peak > largest_current, extreme.peak_place)
    current = moment.abs() / z_own.gather(1, extreme.order[row, at][:, None])[:, 0]
    total, moment, row, z_own, at = until(extreme.depth > largest_depth, extreme.depth_place)
    following = extreme.order[row, (at + 1).clamp(max=z.shape[1] - 1)][:, None]
    last = at + 1 == z.shape[1]
    depth = moment / torch.where(last, extreme.latest, z_own.gather(1, following)[:, 0]) - total
    return (current - largest_current).square().sum() + (depth - largest_depth).square().sum()


@dataclass(frozen=True)
class Extremes:
    """Largest |I| and depth -min V, and at which spike in order, all [row, out]; order and rank [row, input]."""

    peak: Tensor
    peak_place: Tensor
    depth: Tensor
    depth_place: Tensor
    order: Tensor
    rank: Tensor
    latest: float


def extremes(rows: Tensor, matrix: Tensor, window_over_tau: float) -> Extremes:
    """Until each neuron fires (threshold 1) or the window ends.

    rows [row, input] are spikes z (inf: silent), matrix [input, out] weights.
    """
    latest = math.exp(window_over_tau)
    inside = rows < latest
    z, order = torch.where(inside, rows, latest).sort(dim=1)
    # [out, row, input]: sums run along what lies side by side in memory, five times as fast as across it
    weights = matrix.T[:, order] * inside.gather(1, order)
    total, moment = weights.cumsum(dim=2), (weights * z).cumsum(dim=2)
    following = torch.cat([z[:, 1:], torch.full_like(z[:, :1], latest)], dim=1)
    reached = total - moment / following
    rank = torch.arange(z.shape[1], device=rows.device)
    over_threshold = reached >= 1.0
    first = torch.where(over_threshold.any(dim=2), over_threshold.byte().argmax(dim=2), z.shape[1])[:, :, None]
    peak, peak_place = (moment / z).abs_().masked_fill_(rank > first, 0.0).max(dim=2)
    depth, depth_place = reached.neg_().masked_fill_(rank >= first, 0.0).max(dim=2)
    return Extremes(
        peak.T,
        peak_place.T,
        depth.T.clamp(min=0.0),
        depth_place.T,
        order,
        torch.empty_like(order).scatter_(1, order, rank.expand_as(order)),
        latest,
    )
