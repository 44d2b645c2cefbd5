"""First passages of a layer's neurons (noise/passage.py) in torch.

Membranes on a grid of instants: a fully connected layer visits each spike once; a convolution is dense at each instant,
of what each spike has become by then, which costs much more than its spikes. No gradient runs through them: a moved
spike is a factor on that of eq. (4).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neurocircuit.neuron.membrane import event_scale, loop_poles
from neurocircuit.neuron.sensitivity import drift_per_time
from neurocircuit.noise.cells import AXES
from neurocircuit.noise.curves import QUANTILES
from neurocircuit.noise.fit import LayerFit
from neurocircuit.snn.functional import rows
from neurocircuit.snn.functional.geometry import resolve_padding
from neurocircuit.snn.layers import SpikingConv2d
from neurocircuit.spec import NeuronSpec

STEP_over_tau = 0.03
_GRID = 2048


class Passage:
    """What a table says of first passages of one layer, by slope and time; other axes' cells are mixed by samples."""

    def __init__(self, fit: LayerFit, spec: NeuronSpec, causes: tuple[str, ...]) -> None:
        """For circuits whose loop is overdamped; `fits` says whether it is."""
        own = fit.passage
        assert own is not None  # noqa: S101
        self.causes = causes
        window = spec.window_over_tau
        grid = np.linspace(0.0, window, int(np.ceil(window / STEP_over_tau)) + 1)
        self.step, self.window, self.half_width = float(grid[1]), window, spec.spike_width_s / (2.0 * spec.tau_s)
        fast, slow = (float(np.real(pole)) for pole in loop_poles(spec.loop_ratio))
        self.poles = (fast, slow)
        lag = np.subtract.outer(np.arange(len(grid)), np.arange(len(grid))) * self.step
        decay = [np.where(lag >= 0, np.exp(-pole * np.maximum(lag, 0.0)), 0.0) for pole in self.poles]
        self.grid, self.g, self.drift, *self.decay = (
            torch.from_numpy(values.astype(np.float32))
            for values in (grid, event_scale(spec, grid), drift_per_time(spec) * grid, *decay)
        )
        slopes, times = own.n.shape[:2]
        weights = own.n.reshape(slopes * times, -1) + 1e-9
        weights = weights / weights.sum(axis=1, keepdims=True)
        bias = (own.bias.reshape(weights.shape) * weights).sum(axis=1) * ("systematic" in causes)
        events = np.einsum("cq,cqk->ck", weights, own.quantiles.reshape(*weights.shape, -1)) * ("event" in causes)
        even = (np.arange(_GRID) + 0.5) / _GRID
        self.bias = torch.from_numpy(bias.astype(np.float32))
        self.xi = torch.from_numpy(np.stack([np.interp(even, QUANTILES, row) for row in events]).astype(np.float32))
        self.edges = [torch.from_numpy(own.edges[name][1:-1].astype(np.float32)) for name in AXES[:2]]
        self.spread = fit.component_spread * own.kappa / np.where(fit.kappa == 0, 1.0, fit.kappa)

    @staticmethod
    def fits(fit: LayerFit, spec: NeuronSpec) -> bool:
        """Whether table and circuit have what first passages need."""
        return fit.passage is not None and not np.iscomplexobj(loop_poles(spec.loop_ratio)[0])

    def to(self, device: torch.device) -> None:
        """Move the tables."""
        for name in ("grid", "g", "drift", "bias", "xi"):
            setattr(self, name, getattr(self, name).to(device))
        self.decay = [one.to(device) for one in self.decay]
        self.edges = [one.to(device) for one in self.edges]

    def spikes(
        self, stage: Any, received: Tensor, z: Tensor, slope: Tensor, even: Tensor, shift: Tensor | None
    ) -> Tensor:
        """Spikes of layer `stage`, shaped like `even` [chip, image, neuron ...], of those that it received.

        received: [1 or chip · image, ...]; the others as in `move`, neurons in any shape.
        """
        own = received.view(*z.shape[:2], *received.shape[1:])
        each = len(self.grid) * max(own[0, 0].numel() * len(z), even[0, 0].numel() * len(even))
        z_, s_, even_ = z.flatten(2), slope.flatten(2), even.flatten(2)
        term = None if shift is None else shift.flatten(2)
        parts = []
        for part in rows.chunks(z.shape[1], each):
            v = self.membranes(stage, own[:, part].flatten(0, 1))
            v = v.view(len(z), -1, *v.shape[1:])
            parts.append(self.move(v, z_[:, part], s_[:, part], even_[:, part], term))
        return torch.cat(parts, dim=1).view(even.shape)

    def membranes(self, stage: Any, received: Tensor) -> Tensor:
        """V [image, instant, neuron], thresholds, of a layer's neurons from the spikes [image, ...] they received."""
        weight, bias = stage.used
        if not isinstance(stage, SpikingConv2d):
            return self._by_event(received, weight, bias, stage.bias_z)
        kernel, image = (weight.shape[2], weight.shape[3]), (received.shape[2], received.shape[3])
        padding = list(resolve_padding(stage.padding, image, kernel, stage.stride))
        seen = functional.pad(self._response(received.float().log()).flatten(0, 1), padding)
        v = functional.conv2d(seen, weight.float(), stride=stage.stride)
        v = v.view(len(received), len(self.grid), len(weight), -1)
        if bias is not None:
            heard = self._response(self.grid.new_full((1, 1), float(np.log(stage.bias_z))))[0]  # [instant, 1]
            v += (heard * bias.float())[:, :, None]
        return v.flatten(2) - self.drift[:, None]

    def _by_event(self, z: Tensor, weight: Tensor, bias: Tensor | None, bias_z: float) -> Tensor:
        """V [image, instant, neuron] of spikes z [image, input] and weight [neuron, input], each spike visited once."""
        count, neurons = len(self.grid), len(weight)
        if bias is not None:
            z = torch.cat([z, torch.full_like(z[:, :1], bias_z)], dim=1)
            weight = torch.cat([weight, bias[:, None]], dim=1)
        t = z.float().log() + self.half_width
        heard = t < self.window
        image, source = heard.nonzero(as_tuple=True)
        t = t[heard]
        at = (t / self.step).ceil().long().clamp_(0, count - 1)
        after = self.grid[at] - t
        rows = weight.float().t()[source]
        parts = torch.cat([rows, *(rows * torch.exp(-pole * after)[:, None] for pole in self.poles)], dim=1)
        start = torch.zeros(len(z) * count, 3 * neurons, device=z.device)
        start.index_add_(0, image * count + at, parts)
        total, fast, slow = start.view(len(z), count, 3, neurons).unbind(2)
        total = total.cumsum(1)
        fast, slow = (torch.matmul(one, part) for one, part in zip(self.decay, (fast, slow), strict=True))
        p1, p2 = self.poles
        v = (p1 / p2 * (total - slow) - p2 / p1 * (total - fast)) / (p1 - p2)
        return v - self.drift[:, None]

    def _response(self, t: Tensor) -> Tensor:
        """Membrane [image, instant, ...] by a unit weight, from spike times t [image, ...]; units of tau."""
        p1, p2 = self.poles
        x = self.grid.view(-1, *(1 for _ in t.shape[1:])) - (t + self.half_width).unsqueeze(1)
        x.clamp_(min=0.0)
        fast, slow = torch.exp(-p1 * x), torch.exp_(x.mul_(-p2))
        return torch.add(fast.mul_(p2 / p1 / (p1 - p2)).add_(1.0), slow, alpha=-p1 / p2 / (p1 - p2))

    def move(self, v: Tensor, z: Tensor, slope: Tensor, even: Tensor, shift: Tensor | None) -> Tensor:
        """Spikes e^t [chip, image, neuron], inf where none, of membranes v [1 or chip, image, instant, neuron].

        z and slope [1 or chip, image, neuron] are those of eq. (4), `even` draws [chip, image, neuron], `shift` the
        chips' thresholds, like them.
        """
        cell = self._cell(z, slope)
        place = (even * _GRID).long().clamp_(max=_GRID - 1)
        xi = self.xi.flatten()[place + cell * _GRID]
        moved = self.bias[cell].expand_as(xi)
        if shift is not None:
            moved = moved + shift
        t = self._first(v, moved, xi)
        if "systematic" not in self.causes:  # as in noise/model.py: only what the other causes change
            none = torch.zeros_like(xi[:1]) if v.shape[0] == 1 else torch.zeros_like(xi)
            plain = self._first(v, none, none)
            late = t - plain.clamp(max=self.window)
            quiet = torch.where(torch.isfinite(plain), torch.inf, t)
            t = torch.where(torch.isfinite(z), z.float().log() + late, quiet)
        t = torch.where(t < self.window, t.clamp(min=0.0), torch.inf)
        return t.exp().to(z.dtype)

    def _first(self, v: Tensor, shift: Tensor, xi: Tensor) -> Tensor:
        above = v - (1.0 + shift)[:, :, None] - self.g[:, None] * xi[:, :, None]
        reached = above >= 0
        at = reached.to(torch.uint8).argmax(dim=2, keepdim=True)
        after = above.gather(2, at)[:, :, 0]
        before = above.gather(2, (at - 1).clamp(min=0))[:, :, 0]
        at = at[:, :, 0]
        back = torch.where(at > 0, after / (after - before), 0.0)
        t = self.grid[at] - back * self.step
        return torch.where(reached.any(dim=2), t, torch.inf)

    def _cell(self, z: Tensor, slope: Tensor) -> Tensor:
        """Silent neurons take the least slope and the latest time."""
        found = torch.bucketize(slope.float().clamp(min=1e-30).log(), self.edges[0], right=True)
        return found * (len(self.edges[1]) + 1) + torch.bucketize(z.float().log(), self.edges[1], right=True)
