"""A noise table inside a torch network: each layer's spikes move as the circuit's do, with gradients.

With s = W_C - 1 and a membrane disturbance m (noise/fit.py) a spike moves to t - ln(1 - m/s), that is z' = z s/(s - m):
gradients pass through z and s, m is a constant. A layer here knows slope and time of its spikes, so cells of other axes
are drawn by how often they occur, and the chip enters by the spread of its terms, one number for the die, one for each
neuron and one for its synapses, drawn once per chip. Spikes of neurons that eq. (4) leaves silent are not added: noise/
model.py does all of it, in numpy. Without causes the spikes come back untouched.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurocircuit.errors import InputError
from neurocircuit.noise.fit import QUANTILES, LayerFit
from neurocircuit.noise.model import CAUSES, Count
from neurocircuit.noise.table import NoiseTable
from neurocircuit.snn.layers import SpikingConv2d, SpikingLinear
from neurocircuit.snn.models import spiking_layers
from neurocircuit.snn.retime import Retime


class NoisyNetwork(nn.Module):
    """A network whose layers of neurons answer as one chip of a circuit does; `new_chip` takes another one."""

    def __init__(
        self, network: nn.Sequential, table: NoiseTable, causes: tuple[str, ...] = CAUSES, outside: str = "error",
        window_over_tau: float | None = None,
    ) -> None:  # fmt: skip
        """outside: "error", or "ideal": spikes beyond the table stay where they are, counted in `count`."""
        super().__init__()
        layers = spiking_layers(network)
        if len(layers) != len(table.layers):
            raise InputError(
                f"the noise table must have {len(layers)} layers like the network, got {len(table.layers)}"
            )
        if any(isinstance(module, Retime) for module in network.modules()):
            raise InputError("network.clock must be absolute under a noise table: its times count from arming")
        if outside not in ("error", "ideal"):
            raise InputError(f"outside must be error or ideal, got {outside!r}")
        unknown = [cause for cause in causes if cause not in CAUSES]
        if unknown:
            raise InputError(f"causes must be among {', '.join(CAUSES)}, got {unknown[0]!r}")
        neuron = table.provenance["network"]["neuron"]
        self.network, self.causes, self.outside, self.count = network, causes, outside, Count()
        self.window_over_tau = window_over_tau if window_over_tau is not None else _window(neuron)
        self._fits = [_Fit(fit) for fit in table.layers]
        self._chip: dict[int, Tensor] = {}
        self.event_rng = torch.Generator().manual_seed(0)
        self._seed, self._number = 0, 0

    def new_chip(self, seed: int, number: int) -> None:
        """From here on chip `number`: its die, neurons and synapses keep their draws until the next call."""
        self._seed, self._number = seed, number
        self._chip.clear()

    def forward(self, z: Tensor) -> Tensor:
        """Output spikes of the chip, from input spikes z [image, channel, row, column]."""
        k = 0
        for stage in self.network:
            if not isinstance(stage, SpikingConv2d | SpikingLinear):
                z = stage(z)
                continue
            kept, stage.keep_slope = stage.keep_slope, True
            z = stage(z)
            stage.keep_slope = kept
            if self.causes and stage.slope is not None:
                z = self._moved(k, z, stage.slope)
            k += 1
        return z

    def _moved(self, k: int, z: Tensor, slope: Tensor) -> Tensor:
        fit, fired = self._fits[k], torch.isfinite(z)
        s = torch.where(fired, slope, 1.0)
        t = torch.log(torch.where(fired, z.detach(), 1.0))
        log_s = torch.log(s.detach().clamp(min=1e-30))
        inside = fit.inside(log_s, t) | ~fired
        self.count.asked += z.numel()
        self.count.outside += int((~inside).sum())
        if self.outside == "error" and not bool(inside.all()):
            raise InputError(
                f"noise table layer {k}: ln(W_C - 1) and time must be within {fit.ranges}, got "
                f"{float(log_s[~inside][0]):.4g} and {float(t[~inside][0]):.4g}"
            )
        m = torch.zeros_like(t)
        cell = fit.cells(log_s, t, torch.rand(z.shape, generator=self.event_rng).to(z.device))
        if "systematic" in self.causes:
            m = m + fit.bias.to(z)[cell]
        if "event" in self.causes:
            m = m + fit.event(cell, torch.rand(z.shape, generator=self.event_rng).to(z.device)).to(z.dtype)
        m = m + self._chip_term(k, z)
        latest = float(np.exp(self.window_over_tau))
        possible = fired & inside & (m < s)
        moved = torch.where(possible, torch.where(fired, z, 1.0) * s / torch.where(possible, s - m, 1.0), torch.inf)
        moved = torch.where(moved < latest, moved.clamp(min=1.0), torch.inf)
        return torch.where(inside, moved, z)

    def _chip_term(self, k: int, z: Tensor) -> Tensor:
        """[neuron] of the chip, drawn once: spread of die, neuron and synapse terms."""
        if k not in self._chip:
            spread = self._fits[k].component_spread
            generators = [np.random.default_rng([self._seed, 21, self._number, *key]) for key in ((0,), (1, k), (2, k))]
            shapes: tuple[Any, ...] = (1, tuple(z.shape[1:]), tuple(z.shape[1:]))
            total = np.zeros(z.shape[1:])
            for name, size, generator, shape in zip(
                ("die", "neuron", "synapse"), spread, generators, shapes, strict=True
            ):
                drawn = generator.standard_normal(shape)
                if name in self.causes:
                    total = total + size * drawn
            self._chip[k] = torch.from_numpy(total)
        return self._chip[k].to(z)


class _Fit:
    """The cells of a layer over slope and time; the others are drawn by their number of samples."""

    def __init__(self, fit: LayerFit) -> None:
        self.slope_edges = torch.from_numpy(np.array(fit.edges["slope"], dtype=np.float64))
        self.time_edges = torch.from_numpy(np.array(fit.edges["time"], dtype=np.float64))
        slopes, times = fit.n.shape[:2]
        n = fit.n.reshape(slopes * times, -1) + 1e-9
        self.share = torch.from_numpy(np.cumsum(n, axis=1) / n.sum(axis=1, keepdims=True))
        self.others = n.shape[1]
        self.bias = torch.from_numpy(fit.bias.reshape(-1).copy())
        self.quantiles = torch.from_numpy(fit.quantiles.reshape(-1, len(QUANTILES)).copy())
        self.grid = torch.from_numpy(QUANTILES.copy())
        self.component_spread = fit.component_spread

    @property
    def ranges(self) -> str:
        """For messages."""
        low, high = (float(self.slope_edges[k]) for k in (0, -1))
        return f"{low:.4g} … {high:.4g} and {float(self.time_edges[0]):.4g} … {float(self.time_edges[-1]):.4g}"

    def inside(self, log_s: Tensor, t: Tensor) -> Tensor:
        """Whether the table speaks for these; an axis with one cell has no range."""
        ok = torch.ones_like(t, dtype=torch.bool)
        for edges, value in ((self.slope_edges, log_s), (self.time_edges, t)):
            if len(edges) > 2:
                ok &= (value >= float(edges[0]) - 1e-4) & (value <= float(edges[-1]) + 1e-4)
        return ok

    def cells(self, log_s: Tensor, t: Tensor, even: Tensor) -> Tensor:
        """Flat cell numbers, same shape."""
        numbers = [
            (torch.bucketize(value.double(), edges.to(value.device), right=True) - 1).clamp(0, len(edges) - 2)
            for edges, value in ((self.slope_edges, log_s), (self.time_edges, t))
        ]
        row = numbers[0] * (len(self.time_edges) - 1) + numbers[1]
        other = torch.searchsorted(self.share.to(t.device)[row], even.double()[..., None]).squeeze(-1)
        cell: Tensor = row * self.others + other.clamp(max=self.others - 1)
        return cell

    def event(self, cell: Tensor, even: Tensor) -> Tensor:
        """Draws of the event's disturbance, same shape."""
        grid, table = self.grid.to(even.device), self.quantiles.to(even.device)
        right = torch.bucketize(even.double(), grid, right=True).clamp(1, len(grid) - 1)
        share = (even.double() - grid[right - 1]) / (grid[right] - grid[right - 1])
        low, high = table[cell, right - 1], table[cell, right]
        return low + share * (high - low)


def _window(neuron: dict[str, Any]) -> float:
    from neurocircuit.spec import NeuronSpec

    return NeuronSpec.from_dict(neuron).window_over_tau
