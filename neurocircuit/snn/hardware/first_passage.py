"""First passages of a layer's neurons (neuron/membrane.py) in torch.

Membranes on a grid of instants: a fully connected layer visits each spike once; a convolution is dense at each instant,
of what each spike has become by then, which costs much more than its spikes. No gradient runs through them: a moved
spike is a factor on that of eq. (4).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neurocircuit.neuron.membrane import (
    event_scale,
    first_passage,
    grid_of,
    loop_poles,
    unit_response,
    with_both_poles,
)
from neurocircuit.neuron.pulse_overlap import (
    SINK_AFTER_SOURCE,
    SINKS,
    SOURCE_AFTER_SINK,
    SOURCES,
    PulseOverlap,
    share,
)
from neurocircuit.neuron.sensitivity import drift
from neurocircuit.noise.cells import AXES
from neurocircuit.noise.curves import QUANTILES
from neurocircuit.noise.fit import LayerFit
from neurocircuit.snn.functional import rows
from neurocircuit.snn.functional.geometry import Padding, resolve_padding
from neurocircuit.snn.hardware.on_chips import RippleOnChips
from neurocircuit.snn.layers import SpikingConv2d
from neurocircuit.spec import NeuronSpec

STEP_over_tau = 0.03
_GRID = 2048


class PassageCells:
    """What a table says of first passages of one layer, by slope and time; other axes' cells are mixed by samples."""

    def __init__(self, fit: LayerFit, spec: NeuronSpec, causes: tuple[str, ...]) -> None:
        """For circuits whose loop is overdamped; `fits` says whether it is."""
        passage_fit = fit.first_passage
        assert passage_fit is not None  # noqa: S101
        self.causes = causes
        self.half_width = spec.spike_width_s / (2.0 * spec.tau_s)
        fast, slow = (float(np.real(pole)) for pole in loop_poles(spec.loop_ratio))
        self.poles = (fast, slow)
        slopes, times = passage_fit.n.shape[:2]
        weights = passage_fit.n.reshape(slopes * times, -1) + 1e-9
        weights = weights / weights.sum(axis=1, keepdims=True)
        bias = (passage_fit.bias.reshape(weights.shape) * weights).sum(axis=1) * ("systematic" in causes)
        events = np.einsum("cq,cqk->ck", weights, passage_fit.quantiles.reshape(*weights.shape, -1)) * (
            "event" in causes
        )
        uniform = (np.arange(_GRID) + 0.5) / _GRID
        self.bias = torch.from_numpy(bias.astype(np.float32))
        self.xi = torch.from_numpy(np.stack([np.interp(uniform, QUANTILES, row) for row in events]).astype(np.float32))
        self.edges = [torch.from_numpy(passage_fit.edges[name][1:-1].astype(np.float32)) for name in AXES[:2]]
        self.spread = fit.component_spread * passage_fit.kappa / np.where(fit.kappa == 0, 1.0, fit.kappa)

    @staticmethod
    def fits(fit: LayerFit, spec: NeuronSpec) -> bool:
        """Return whether table and circuit have what first passages need."""
        return fit.first_passage is not None and not np.iscomplexobj(loop_poles(spec.loop_ratio)[0])

    def event(self, cell: Tensor, uniform: Tensor) -> Tensor:
        """Return ξ at draws in 0 … 1 of the events of cells, which extend to the shape of `uniform`."""
        quantile = (uniform * _GRID).long().clamp_(max=_GRID - 1)
        return self.xi.flatten()[quantile + cell * _GRID]


class FirstPassages(PassageCells):
    """First passages of a layer of free neurons, whose membranes are followed on a grid of instants."""

    def __init__(self, fit: LayerFit, spec: NeuronSpec, causes: tuple[str, ...]) -> None:
        """As `PassageCells`."""
        super().__init__(fit, spec, causes)
        grid = grid_of(spec, STEP_over_tau)
        self.step, self.window, self.overlap = float(grid[1]), spec.window_over_tau, PulseOverlap.of(spec)
        lag = np.subtract.outer(np.arange(len(grid)), np.arange(len(grid))) * self.step
        decay = [np.where(lag >= 0, np.exp(-pole * np.maximum(lag, 0.0)), 0.0) for pole in self.poles]
        self.grid, self.g, self.drift, *self.decay = (
            torch.from_numpy(values.astype(np.float32))
            for values in (grid, event_scale(spec, grid), drift(spec, grid), *decay)
        )

    def to(self, device: torch.device) -> None:
        """Move the tables."""
        for name in ("grid", "g", "drift", "bias", "xi"):
            setattr(self, name, getattr(self, name).to(device))
        self.decay = [tensor.to(device) for tensor in self.decay]
        self.edges = [tensor.to(device) for tensor in self.edges]

    def spikes(
        self,
        stage: Any,
        received: Tensor,
        z: Tensor,
        slope: Tensor,
        uniform: Tensor,
        shift: Tensor | None,
        flicker: Tensor | None = None,
        ripple: RippleOnChips | None = None,
    ) -> Tensor:
        """Spikes of layer `stage`, shaped like `uniform` [chip, image, neuron ...], of those that it received.

        received: [1 or chip · image, ...]; the others as in `move`, neurons in any shape.
        """
        inputs = received.view(*z.shape[:2], *received.shape[1:])
        each = len(self.grid) * max(inputs[0, 0].numel() * len(z), uniform[0, 0].numel() * len(uniform))
        z_, s_, uniform_ = z.flatten(2), slope.flatten(2), uniform.flatten(2)
        term, rate = (None if values is None else values.flatten(2) for values in (shift, flicker))
        of_ripple = None if ripple is None else ripple.taken(self.grid[None, None])[..., None]
        parts = []
        for part in rows.chunks(z.shape[1], each):
            v = self.membranes(stage, inputs[:, part].flatten(0, 1))
            v = v.view(len(z), -1, *v.shape[1:])
            drifts = None if rate is None else rate[:, part]
            taken = None if of_ripple is None else of_ripple[:, part]
            shifts = term[:, part] if term is not None and term.shape[1] > 1 else term
            parts.append(self.move(v, z_[:, part], s_[:, part], uniform_[:, part], shifts, drifts, taken))
        return torch.cat(parts, dim=1).view(uniform.shape)

    def membranes(self, stage: Any, received: Tensor) -> Tensor:
        """V [image, instant, neuron], thresholds, of a layer's neurons from the spikes [image, ...] they received."""
        weight, bias = stage.used
        if not self.overlap.is_none:
            return self._by_neuron(stage, received, weight, bias)
        if not isinstance(stage, SpikingConv2d):
            return self._by_event(received, weight, bias, stage.bias_z)
        padding = list(_padding_of(stage, received, weight))
        response = functional.pad(self._response(received.float().log()).flatten(0, 1), padding)
        v = functional.conv2d(response, weight.float(), stride=stage.stride)
        v = v.view(len(received), len(self.grid), len(weight), -1)
        if bias is not None:
            of_bias = self._response(self.grid.new_full((1, 1), float(np.log(stage.bias_z))))[0]  # [instant, 1]
            v += (of_bias * bias.float())[:, :, None]
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
        fast, slow = (torch.matmul(decay, part) for decay, part in zip(self.decay, (fast, slow), strict=True))
        v: Tensor = with_both_poles(total.cumsum(1), fast, slow, self.poles)
        return v - self.drift[:, None]

    def _by_neuron(self, stage: Any, received: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """V [image, instant, neuron] where spikes overlap: each neuron has weights of its own by its spikes' lags."""
        if isinstance(stage, SpikingConv2d):
            padding = _padding_of(stage, received, weight)
            kernel = (weight.shape[2], weight.shape[3])
            z = rows.patches(received, kernel, stage.stride, padding, () if bias is None else (stage.bias_z,))
        else:
            z = received
            if bias is not None:
                z = torch.cat([z, torch.full_like(z[:, :1], stage.bias_z)], dim=1)
        matrix, t = rows.with_bias(weight, bias).float(), z.float().log()  # [input, neuron], [row, input]
        inputs, neurons = matrix.shape
        each = inputs * (3 * inputs + 2 * len(self.grid) + 4 * neurons)
        v = torch.cat([self._of_rows(t[part], matrix) for part in rows.chunks(len(t), each)])
        v = v.view(len(received), -1, len(self.grid), neurons).permute(0, 2, 3, 1)  # [image, instant, neuron, place]
        return v.flatten(2) - self.drift[:, None]

    def _of_rows(self, t: Tensor, matrix: Tensor) -> Tensor:
        """V [row, instant, neuron] of neurons with weights [input, neuron] that get the spikes t [row, input]."""
        heard, overlap = torch.isfinite(t), self.overlap
        source, sink = matrix.clamp(min=0.0), matrix.clamp(max=0.0)
        known = torch.where(heard, t, 0.0)
        lag = known[:, None, :] - known[:, :, None]  # of the second spike after the first
        meets = heard[:, None, :] & heard[:, :, None] & ~torch.eye(t.shape[1], dtype=torch.bool, device=t.device)

        def strength(kind: int) -> Tensor:
            return torch.where(meets, share(lag.abs(), overlap.width[kind], overlap.strength[kind], torch), 0.0)

        mixed = torch.where(lag >= 0, strength(SINK_AFTER_SOURCE), strength(SOURCE_AFTER_SINK))  # [row, source, sink]
        by_source = torch.matmul(strength(SOURCES), source) + torch.matmul(mixed, sink)
        by_sink = torch.matmul(strength(SINKS), sink) + torch.matmul(mixed.transpose(1, 2), source)
        early = (t - overlap.sink_advance).clamp(min=0.0)
        v: Tensor = torch.matmul(self._response(t), overlap.left(source, by_source))
        return v + torch.matmul(self._response(early), overlap.left(sink, by_sink))

    def _response(self, t: Tensor) -> Tensor:
        """Return the membrane [image, instant, ...] by a unit weight, from spike times t [image, ...]; units of tau."""
        x = self.grid.view(-1, *(1 for _ in t.shape[1:])) - (t + self.half_width).unsqueeze(1)
        response: Tensor = unit_response(x.clamp_(min=0.0), self.poles, torch)
        return response

    def move(
        self,
        v: Tensor,
        z: Tensor,
        slope: Tensor,
        uniform: Tensor,
        shift: Tensor | None,
        flicker: Tensor | None = None,
        taken: Tensor | None = None,
    ) -> Tensor:
        """Spikes e^t [chip, image, neuron], inf where none, of membranes v [1 or chip, image, instant, neuron].

        z and slope [1 or chip, image, neuron] are those of eq. (4), `uniform` draws [chip, image, neuron], `shift` the
        chips' thresholds, like them, `flicker` thresholds that it takes in each τ, like the draws, `taken` those that
        the supply's ripple takes by each instant, [chip, image, instant, 1].
        """
        cell = self._cell(z, slope)
        xi = self.event(cell, uniform)
        moved = self.bias[cell].expand_as(xi)
        if shift is not None:
            moved = moved + shift
        drifting = v if flicker is None else v - flicker[:, :, None] * self.grid[:, None]
        t = self._first(drifting if taken is None else drifting - taken, moved, xi)
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
        t: Tensor = first_passage(above, self.grid, self.step, 2, torch)
        return t

    def _cell(self, z: Tensor, slope: Tensor) -> Tensor:
        """Give silent neurons the least slope and the latest time."""
        slope_bin = torch.bucketize(slope.float().clamp(min=1e-30).log(), self.edges[0], right=True)
        return slope_bin * (len(self.edges[1]) + 1) + torch.bucketize(z.float().log(), self.edges[1], right=True)


def _padding_of(stage: SpikingConv2d, received: Tensor, weight: Tensor) -> Padding:
    kernel, image = (weight.shape[2], weight.shape[3]), (received.shape[2], received.shape[3])
    return resolve_padding(stage.padding, image, kernel, stage.stride)
