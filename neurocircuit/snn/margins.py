"""Mapping margins as a training term: what the circuit can hold of a layer's synaptic current and membrane.

A phase of a per weight keeps a·max|I| within the XOR's range, and a lead θ keeps θ(1 + |v_min|) below π (mapping/
limits.py). The larger the peak current and the deeper the membrane, the smaller both must be, and the more the phase
noise and the XOR's ripple weigh. The term charges what exceeds `largest_current` and `largest_depth`, on neurons drawn
anew at each step: with spikes in order, C = Σ w and R = Σ w z up to each of them, I = R/z and V = C - R/z'.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from neurocircuit.snn import _rows
from neurocircuit.snn._geometry import resolve_padding
from neurocircuit.snn.layers import SpikingConv2d, SpikingLinear
from neurocircuit.snn.models import spiking_layers
from neurocircuit.spec import MappedNetwork

USE = 0.9  # share of a limit that `map` uses
ROWS_AT_ONCE = 16  # sets of inputs that are looked at in each layer and step; all channels share them


def mapped_limits(mapped: MappedNetwork) -> tuple[list[float], list[float]]:
    """Largest current and depth of each layer, thresholds, that its scales hold with the share USE of each limit.

    A phase counter has no limit of depth; the mapping's own are those of mapping/limits.py.
    """
    currents = [USE * math.pi / 2 / own.phase_per_weight_rad for own in mapped.layers]
    if mapped.neuron.comparator != "modulo_2pi":
        return currents, [math.inf for _ in mapped.layers]
    # the guard is 0.75 of the ripple, which weighs beside it
    depths = [(USE * math.pi - own.ripple_guard_rad * (1 + 1 / 0.75)) / own.lead_rad - 1 for own in mapped.layers]
    return currents, [max(depth, 0.0) for depth in depths]


class Margins:
    """Keeps what each layer of neurons last received, and charges for it."""

    def __init__(
        self, network: nn.Module, largest_current: float | Sequence[float], largest_depth: float | Sequence[float],
        window_over_tau: float,
    ) -> None:  # fmt: skip
        """largest_current, largest_depth: one for all layers, or one for each."""
        self._layers = spiking_layers(network)
        self.largest_current, self.largest_depth = (
            [limit] * len(self._layers) if isinstance(limit, int | float) else list(limit)
            for limit in (largest_current, largest_depth)
        )
        self.window = window_over_tau
        self._received: dict[int, Tensor] = {}
        for k, layer in enumerate(self._layers):
            layer.register_forward_pre_hook(self._keep(k))

    def term(self, generator: torch.Generator) -> Tensor:
        """Mean over layers of the squared excess of current and depth, a scalar that has gradients."""
        total = torch.zeros(())
        for k, layer in enumerate(self._layers):
            current, depth = extremes(*sampled_rows(layer, self._received[k], generator), self.window)
            excess = (current - self.largest_current[k]).relu().square()
            excess = excess + (depth - self.largest_depth[k]).relu().square()
            total = total.to(excess.device) + excess.mean() / len(self._layers)
        return total

    def _keep(self, k: int):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if module.training:
                self._received[k] = inputs[0]

        return hook


def sampled_rows(layer: SpikingConv2d | SpikingLinear, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs z [row, input] of some positions of some images, and weights [input, out]; bias input last."""
    matrix = _rows.with_bias(layer.weight, layer.bias)
    images = min(8, len(z))
    which = torch.randperm(len(z), generator=generator)[:images].to(z.device)
    if isinstance(layer, SpikingLinear):
        rows = z[which].flatten(1)
        if layer.bias is not None:
            rows = torch.cat([rows, torch.full_like(rows[:, :1], layer.bias_z)], dim=1)
        return rows, matrix
    kernel = (layer.weight.shape[2], layer.weight.shape[3])
    padding = resolve_padding(layer.padding, (z.shape[2], z.shape[3]), kernel, layer.stride)
    rows = _rows.patches(z[which], kernel, layer.stride, padding, layer.bias, layer.bias_z)
    chosen = torch.randperm(len(rows), generator=generator)[:ROWS_AT_ONCE].to(z.device)
    return rows[chosen], matrix


def extremes(rows: Tensor, matrix: Tensor, window_over_tau: float) -> tuple[Tensor, Tensor]:
    """Largest |I| and depth -min V, both [row, out], until each neuron fires or the window ends.

    rows [row, input] are spikes z (inf: silent), matrix [input, out] weights; threshold 1.
    """
    latest = torch.exp(torch.tensor(window_over_tau, dtype=rows.dtype, device=rows.device))
    inside = rows < latest
    z, order = torch.where(inside, rows, latest).sort(dim=1)
    weights = torch.where(inside.gather(1, order)[:, :, None], matrix[order], 0.0)
    total = weights.cumsum(dim=1)
    moment = (weights * z[:, :, None]).cumsum(dim=1)
    following = torch.cat([z[:, 1:], latest.expand(len(z), 1)], dim=1)
    reached = total - moment / following[:, :, None]
    current = (moment / z[:, :, None]).abs()
    fired_before = ((reached >= 1.0).cumsum(dim=1) - (reached >= 1.0).int()) > 0
    fired_by_next = (reached >= 1.0).cumsum(dim=1) > 0
    peak = torch.where(fired_before, 0.0, current).amax(dim=1)
    depth = torch.where(fired_by_next, 0.0, -reached).amax(dim=1).clamp(min=0.0)
    return peak, depth
