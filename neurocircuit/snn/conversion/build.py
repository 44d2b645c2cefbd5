"""X of every layer from images or bounds, and the graph of the converted network."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as dense

from neurocircuit.errors import InputError
from neurocircuit.snn import functional
from neurocircuit.snn.conversion.relays import Relays
from neurocircuit.snn.conversion.values import Affine, Layer, Normalisation, Part, Step
from neurocircuit.snn.functional.geometry import Padding
from neurocircuit.snn.windowed import readout_range
from neurocircuit.spec.windowed import INPUT, Form, LayerNode, MaxNode, Node, Term, WindowedGraph, sources

BIAS_SPIKES = 2  # of each neuron, one of weight 0 in form ramp
_ROUNDING = 1e-9  # of ages in windows
PARTIAL_MARGIN = 0.1  # of their range, by which partial sums of other images may exceed it


@dataclass
class Builder:
    """Chooses X from images or bounds, layer by layer, and makes the graph."""

    pixels: Tensor
    form: Form
    window: float
    slope: float | None
    quantile: float | None
    headroom: float
    normal: Normalisation
    largest_fan_in: int | None = None
    relay_after: float = math.inf

    def build(self, steps: list[Step]) -> tuple[WindowedGraph, dict[str, Tensor]]:
        """Return the graph and its weights, in double precision."""
        values = {INPUT: self.pixels}
        nodes: list[Node] = []
        weights: dict[str, Tensor] = {}
        bounds = {INPUT: torch.ones_like(self.pixels[:1])}
        largest = {INPUT: 1.0}
        relays = Relays(self.relay_after / self.window + _ROUNDING, values, largest, not self.normal.mean.any())
        pieces = (piece for whole in steps for piece in self._pieces(whole, values, bounds))
        for step in (step for piece in pieces for step in relays.before(piece)):
            if isinstance(step, Layer):
                names = [f"layers.{step.name}.weights.{k}" for k in range(len(step.affine.parts))]
                y = self._affine(step.affine.parts, step.affine.c, values, self.normal.mean)
                node = self._node(step, names, y, bounds)
                nodes.append(node)
                weights |= dict(zip(names, (part.v for part in step.affine.parts), strict=True))
                weights[node.bias] = step.affine.c
                values[step.name] = y if node.is_readout else y.clamp(0, node.largest)
                bounds[step.name] = torch.full_like(y[:1], node.largest)
                largest[step.name] = node.largest
                continue
            nodes.append(step)
            largest[step.name] = max(largest[source] for source in sources(step))
            for known in (values, bounds):
                if isinstance(step, MaxNode):
                    options = (step.kernel, step.stride, step.padding)
                    known[step.name] = dense.max_pool2d(known[step.source], *options, ceil_mode=step.ceil)
                else:
                    known[step.name] = torch.cat([known[source] for source in step.sources], dim=1)
        channel, row, column = self.pixels.shape[1:]
        graph = WindowedGraph(
            form=self.form,
            shape=(channel, row, column),
            window_over_tau=self.window,
            pixel_padding=tuple(self.normal.mean.tolist()),
            nodes=tuple(nodes),
        )
        return graph, weights

    def _pieces(self, step: Step, values: dict[str, Tensor], bounds: dict[str, Tensor]) -> Iterator[Step]:
        """Yield the step; of a layer too wide partial sums as neurons of their own, and the layer that adds them.

        A partial sum s of a group of channels has either sign: its neuron carries p = s + d with d such that p stays
        within 0 … X, so that the sum of all p less all d is exact. Form ramp bends p to X φ(p/X), but
        X φ(u) - X φ(1 - u) = X sinh(T (u - 1/2))/sinh(T/2) is straight to third order: neurons of X - p stand beside.
        """
        room = None if self.largest_fan_in is None else self.largest_fan_in - BIAS_SPIKES
        if room is None or not isinstance(step, Layer) or step.synapses <= room:
            yield step
            return
        part, out = step.affine.parts[0], len(step.affine.c)
        x = values[part.source]
        each = 1 if self.form == "forced" else 2
        channels = x.shape[1]
        per_channel = part.v[0].numel() // channels
        fits = (
            count
            for count in range(2, channels + 1)
            if channels % count == 0 and per_channel * channels // count <= room and each * count <= room
        )
        groups = next(fits, None)
        if len(step.affine.parts) > 1 or part.groups > 1 or x.dim() != 4 or groups is None:
            raise InputError(
                f"{step.name}: its neurons have {step.synapses + BIAS_SPIKES} synapses, of {self.largest_fan_in}, and "
                "only one convolution, or a linear layer behind one, splits into partial sums of groups of its "
                "channels; what would serve: a smaller kernel, fewer inputs, or a tree of synapses "
                "(neurocircuit process fan-in --branch)"
            )
        v = part.v.view(out, groups, channels // groups, *(part.v.shape[2:] if part.v.dim() == 4 else x.shape[2:]))
        v = v.transpose(0, 1).flatten(0, 1)
        grouped = replace(part, v=v, groups=groups)
        zero = torch.zeros(len(v), dtype=v.dtype)
        if self.quantile is None:
            ones = torch.ones_like(self.normal.mean)
            positive, negative = (replace(grouped, v=w.clamp(min=0)) for w in (v, -v))
            high, low = (self._affine((sides,), zero, bounds, ones) for sides in (positive, negative))
            low = -low
        else:
            high = low = self._affine((grouped,), zero, values, self.normal.mean)
        low, high = low.amin(dim=(0, 2, 3)), high.amax(dim=(0, 2, 3))
        largest = (1.0 + PARTIAL_MARGIN) * max(float((high - low).max()), 1e-12)
        shift = (largest - low - high) / 2
        yield Layer(f"{step.name}_parts", Affine((grouped,), shift), math.inf, largest)
        same = torch.eye(out, dtype=v.dtype).repeat(1, groups) / each
        same = same if part.v.dim() == 2 else same[:, :, None, None]
        sums = [Part(f"{step.name}_parts", same)]
        if each == 2:
            complement = replace(grouped, v=-v)
            yield Layer(f"{step.name}_complement", Affine((complement,), largest - shift), math.inf, largest)
            sums.append(Part(f"{step.name}_complement", -same))
        back = shift.view(groups, out).sum(dim=0) - (0.0 if each == 1 else groups * largest / 2)
        yield replace(step, affine=Affine(tuple(sums), step.affine.c - back))

    def _affine(
        self,
        parts: tuple[Part, ...],
        c: Tensor,
        values: dict[str, Tensor],
        pixel_padding: Tensor,
        *,
        is_bound: bool = False,
    ) -> Tensor:
        """Return the values y of a layer; by its positive weights alone for a bound."""
        total: Tensor | None = None
        for part in parts:
            x, v = values[part.source], part.v.clamp(min=0) if is_bound else part.v
            if v.dim() == 2:
                y = x.flatten(1) @ v.t()
            else:
                level: Tensor | float = pixel_padding if part.source == INPUT else 0.0
                padded = functional.pad(x, Padding(*part.padding), level)
                y = dense.conv2d(padded, v, None, part.stride, 0, part.dilation, part.groups)
            total = y if total is None else total + y
        assert total is not None  # noqa: S101
        return total + c.view(1, -1, *(1 for _ in total.shape[2:]))

    def _node(self, step: Layer, names: list[str], y: Tensor, bounds: dict[str, Tensor]) -> LayerNode:
        terms = tuple(
            Term(
                kind="linear" if part.v.dim() == 2 else "conv",
                source=part.source,
                weight=name,
                stride=part.stride,
                padding=part.padding,
                dilation=part.dilation,
                groups=part.groups,
            )
            for part, name in zip(step.affine.parts, names, strict=True)
        )
        offset = 0.0
        if step.limit is None:
            offset, largest = readout_range(y.amax(dim=1))
        elif step.largest is not None:
            largest = step.largest
        else:
            if self.quantile is None:
                ones = torch.ones_like(self.normal.mean)
                largest = float(self._affine(step.affine.parts, step.affine.c, bounds, ones, is_bound=True).max())
            else:
                flat = y.flatten()
                largest = float(flat.kthvalue(max(1, math.ceil(self.quantile * flat.numel()))).values)
            largest = min(largest * self.headroom if largest > 0 else 1.0, step.limit)
        return LayerNode(
            name=step.name,
            terms=terms,
            bias=f"layers.{step.name}.bias",
            channels=len(step.affine.c),
            largest=largest,
            window_over_tau=self.window,
            slope=self.slope,
            is_readout=step.limit is None,
            offset=offset,
        )
