"""Relay neurons: earlier activations once more, a window later, where a layer would read spikes that are too old.

A spike that came D before the arming acts there with e^-D of its current, so its weight is e^D times as large: more
current, which costs phase per weight, and the errors of all that the bias spike takes off again. A relay neuron reads
one spike, of age 0, and spikes in its own window with the same activation (form ramp bends it, as every layer's).
"""

import math
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from neurocircuit.snn.conversion.values import Affine, Layer, Part, Step
from neurocircuit.spec.windowed import INPUT, ConcatNode, MaxNode

_LATER = re.compile(r"_at_\d+$")


@dataclass
class Relays:
    """Puts relays before the steps of a network; all windows are of one length, and times count in windows.

    after: age from which on a spike is too old. values: of all nodes so far; largest: X of all nodes so far.
    """

    after: float
    values: dict[str, Tensor]
    largest: dict[str, float]
    relays_pixels: bool
    _nodes: dict[str, Step] = field(default_factory=dict)
    _ends: dict[str, tuple[int, int]] = field(default_factory=lambda: {INPUT: (0, 0)})  # first and last, of channels

    def before(self, step: Step) -> Iterator[Step]:
        """Yield the relays that a step needs, and the step as it reads them."""
        if isinstance(step, Layer):
            arming = max(self._ends[part.source][1] for part in step.affine.parts)
            parts = []
            for part in step.affine.parts:
                source = yield from self._later(part.source, arming)
                parts.append(replace(part, source=source))
            step = replace(step, affine=replace(step.affine, parts=tuple(parts)))
        yield self._noted(step)

    def _later(self, name: str, arming: int) -> Generator[Step, None, str]:
        """Yield the relays of a node for a layer that is armed then; return the node to read instead."""
        node, (first, last) = self._nodes.get(name), self._ends[name]
        if arming - first <= self.after or (name == INPUT and not self.relays_pixels):
            return name
        root = _LATER.sub("", name)
        if isinstance(node, ConcatNode):
            sources = []
            for source in node.sources:
                sources.append((yield from self._later(source, arming)))
            later = f"{root}_at_{arming}"
            if later not in self._ends and tuple(sources) != node.sources:
                yield self._noted(ConcatNode(name=later, sources=tuple(sources)))
            return later if later in self._ends else name
        if last == arming:  # channels that differ behind one pooling
            return name
        later = f"{root}_at_{last + 1}"
        if later not in self._ends:
            yield self._noted(Layer(later, self._again(name), math.inf, self.largest[name]))
        return (yield from self._later(later, arming))

    def _again(self, name: str) -> Affine:
        channels, is_image = self.values[name].shape[1], self.values[name].dim() == 4
        v = torch.ones(channels, dtype=torch.double)
        part = Part(name, v.view(-1, 1, 1, 1), groups=channels) if is_image else Part(name, torch.diag(v))
        return Affine((part,), torch.zeros(channels, dtype=torch.double))

    def _noted(self, step: Step) -> Step:
        if isinstance(step, Layer):
            end = 1 + max(self._ends[part.source][1] for part in step.affine.parts)
            self._ends[step.name] = (end, end)
        else:
            sources = [step.source] if isinstance(step, MaxNode) else step.sources
            firsts, lasts = zip(*(self._ends[source] for source in sources), strict=True)
            self._ends[step.name] = (min(firsts), max(lasts))
        self._nodes[step.name] = step
        return step
