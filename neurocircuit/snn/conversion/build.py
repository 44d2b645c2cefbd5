"""X of every layer from images or bounds, and the graph of the converted network."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as dense

from neurocircuit.snn import functional
from neurocircuit.snn.conversion.reader import Layer, Normalisation, Step
from neurocircuit.snn.functional.geometry import Padding
from neurocircuit.snn.windowed import readout_range
from neurocircuit.spec.windowed import INPUT, Form, LayerNode, MaxNode, Node, Term, WindowedGraph


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

    def build(self, steps: list[Step]) -> tuple[WindowedGraph, dict[str, Tensor]]:
        """Return the graph and its weights, in double precision."""
        values = {INPUT: self.pixels}
        nodes: list[Node] = []
        weights: dict[str, Tensor] = {}
        bounds = {INPUT: torch.ones_like(self.pixels[:1])}
        for step in steps:
            if isinstance(step, Layer):
                names = [f"layers.{step.name}.weights.{k}" for k in range(len(step.affine.parts))]
                y = self._affine(step, values, self.normal.mean)
                node = self._node(step, names, y, bounds)
                nodes.append(node)
                weights |= dict(zip(names, (part.v for part in step.affine.parts), strict=True))
                weights[node.bias] = step.affine.c
                values[step.name] = y if node.is_readout else y.clamp(0, node.largest)
                bounds[step.name] = torch.full_like(y[:1], node.largest)
                continue
            nodes.append(step)
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

    def _affine(
        self,
        layer: Layer,
        values: dict[str, Tensor],
        pixel_padding: Tensor,
        *,
        is_bound: bool = False,
    ) -> Tensor:
        """Return the values y of a layer; by its positive weights alone for a bound."""
        total: Tensor | None = None
        for part in layer.affine.parts:
            x, v = values[part.source], part.v.clamp(min=0) if is_bound else part.v
            if v.dim() == 2:
                y = x.flatten(1) @ v.t()
            else:
                level: Tensor | float = pixel_padding if part.source == INPUT else 0.0
                padded = functional.pad(x, Padding(*part.padding), level)
                y = dense.conv2d(padded, v, None, part.stride, 0, part.dilation, part.groups)
            total = y if total is None else total + y
        assert total is not None  # noqa: S101
        return total + layer.affine.c.view(1, -1, *(1 for _ in total.shape[2:]))

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
        else:
            if self.quantile is None:
                largest = float(self._affine(step, bounds, torch.ones_like(self.normal.mean), is_bound=True).max())
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
