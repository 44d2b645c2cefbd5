"""Networks whose layers spike in windows: in training dense layers of activations, by the exact rule spike times.

Between layers go the activations that spikes carry; neuron/windows.py says which spike that is. `WindowedNetwork` runs
a `WindowedGraph` either way, with the same decisions.
"""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as dense

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import write_atomically
from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.neuron import windows
from neurocircuit.neuron.windows import Code
from neurocircuit.results.conversion import Conversion
from neurocircuit.snn import functional, weights_file
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.functional import windowed
from neurocircuit.snn.functional.geometry import Padding
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.relu import PixelNetwork, PixelsOf, SpikesOf
from neurocircuit.spec.windowed import INPUT, ConcatNode, Form, LayerNode, MaxNode, Term, WindowedGraph

HEADROOM_LOW, HEADROOM_HIGH = 0.25, 0.1  # of the spread of the winners, kept free in the read-out's window
Move = Callable[[LayerNode | None, Tensor], Tensor]
Disturb = Callable[["WindowedSum", Tensor], Tensor]


class WindowedConv2d(nn.Conv2d):
    """A convolution of windowed neurons: nn.Conv2d and the activation that its spikes carry, 0 … `largest`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        largest: float,
        window_over_tau: float = 0.5,
        form: Form = "forced",
        **geometry: Any,
    ) -> None:
        """`largest` is X, `window_over_tau` T, `form` the way of silence; `geometry` as in nn.Conv2d."""
        super().__init__(in_channels, out_channels, kernel_size, **geometry)
        self.largest, self.window_over_tau, self.form = largest, window_over_tau, form

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations [N, out, h, w]."""
        return windowed.carried(super().forward(x), self.largest, self.window_over_tau, self.form, in_place=True)

    def extra_repr(self) -> str:
        """Return the geometry, X, window and form."""
        shapes = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{shapes}, largest={self.largest:g}, window={self.window_over_tau:g}, {self.form}"


class WindowedLinear(nn.Linear):
    """Fully connected windowed neurons: nn.Linear and the activation that its spikes carry."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        largest: float,
        window_over_tau: float = 0.5,
        form: Form = "forced",
        **options: Any,
    ) -> None:
        """As `WindowedConv2d`; `options` as in nn.Linear."""
        super().__init__(in_features, out_features, **options)
        self.largest, self.window_over_tau, self.form = largest, window_over_tau, form

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations [..., out]."""
        return windowed.carried(super().forward(x), self.largest, self.window_over_tau, self.form, in_place=True)

    def extra_repr(self) -> str:
        """Return the shapes, X, window and form."""
        return f"{super().extra_repr()}, largest={self.largest:g}, window={self.window_over_tau:g}, {self.form}"


class WindowedSum(nn.Module):
    """One layer of a graph: y = Σ v x + c over its inputs, and what its spikes carry; a read-out gives y itself."""

    def __init__(
        self, node: LayerNode, form: Form, weights: list[Tensor], bias: Tensor, known: dict[str, Code]
    ) -> None:
        """weights: v of each term; bias: c; known: code of every node."""
        super().__init__()
        self.node, self.form, self.known = node, form, known
        self.weights = nn.ParameterList(weights)
        for weight in self.weights:  # a weight of 0 is no synapse, and training makes none
            if not weight.all():
                weight.register_hook(lambda gradient, weight=weight: gradient * (weight != 0))
        self.bias = nn.Parameter(bias)
        padding = [known[term.source].padding for term in node.terms]
        self._levels = [torch.from_numpy(level.copy()) if level.any() else None for level in padding]
        self.rounding: Callable[[list[Tensor], list[Tensor]], list[Tensor]] | None = None

    def in_force(self) -> list[Tensor]:
        """Return the weights v of each term as the hardware holds its synapses; c is not rounded."""
        if self.rounding is None:
            return list(self.weights)
        with torch.no_grad():
            synapses = Synapses(self)
            scale = synapses.scale(self.form, self.node)
            gains = [gain * scale.view(-1, *(1 for _ in gain.shape[1:])) for gain in synapses.gains]
        return self.rounding(list(self.weights), gains)

    def affine(
        self, inputs: list[Tensor], levels: list[Tensor | None] | None = None, bias_of_layer: Tensor | None = None
    ) -> Tensor:
        """Return the values y [N, out, h, w] or [N, out] from the activations of each term's source.

        levels: activations [channel] of each term's padding, and bias_of_layer [neuron], where not the layer's own.
        """
        y: Tensor | None = None
        levels = self._levels if levels is None else levels
        for term, x, v, level in zip(self.node.terms, inputs, self.in_force(), levels, strict=True):
            bias = None if y is not None else self.bias if bias_of_layer is None else bias_of_layer
            part = weighted(term, x, v, bias, level)
            y = part if y is None else y + part
        assert y is not None  # noqa: S101
        return y

    def forward(self, *inputs: Tensor, disturb: Disturb | None = None) -> Tensor:
        """Return the activations that the spikes carry; of a read-out y. disturb: what becomes of y before them."""
        y = self.affine(list(inputs))
        node = self.node
        if disturb is not None:
            y = disturb(self, y)
        return (
            y if node.is_readout else windowed.carried(y, node.largest, node.window_over_tau, self.form, in_place=True)
        )

    def extra_repr(self) -> str:
        """Return the sources, X and window."""
        node = self.node
        names = ", ".join(term.source for term in node.terms)
        return f"{names} -> {node.channels}, largest={node.largest:g}, window={node.window_over_tau:g}"


class Synapses:
    """Weights of one layer as its neurons get them, in double precision, for each term, and its bias spikes."""

    def __init__(self, layer: WindowedSum, weights: list[Tensor] | None = None) -> None:
        """weights: v of each term; default: the layer's own."""
        node, known = layer.node, layer.known
        self.arming_over_tau = windows.arming_over_tau(node, known)
        self.z_first = math.exp(windows.opening_over_tau(node, known) - self.arming_over_tau)
        self.per_slope: list[Tensor] = []  # w/σ [out, in, h, w] or [out, in]
        self.gains: list[Tensor] = []  # w/σ of v = 1, by input, shaped as v or to broadcast
        late = total = torch.zeros(node.channels, dtype=torch.double)
        for term, v in zip(node.terms, layer.weights if weights is None else weights, strict=True):
            gain = windows.gain(layer.form, node, known[term.source], self.arming_over_tau)
            per_slope, age = (_by_input(values, v, term.groups) for values in (gain.per_slope, gain.late))
            w = v.double() * per_slope
            self.gains.append(per_slope)
            self.per_slope.append(w if term.kind == "linear" else _ungrouped(w, term.groups))
            total = total + w.flatten(1).sum(1)
            late = late + (w * age).flatten(1).sum(1)
        self.bias = windows.bias_spikes(layer.form, node, self.z_first, layer.bias.double(), total, late, torch)

    def scale(self, form: Form, node: LayerNode) -> Tensor:
        """Return what w/σ is multiplied by, [neuron]: σ, or r T."""
        slope: Tensor = self.bias.slope
        return slope if form == "forced" else slope * node.window_over_tau


def _by_input(values: Floats, v: Tensor, groups: int) -> Tensor:
    """Return values [channel] for each input of the weights v, [1 or out, in, 1, 1] or [1, in], in double precision."""
    column = torch.from_numpy(np.array(values))
    if v.dim() == 2:
        return column.repeat_interleave(v.shape[1] // len(column))[None]
    return column.view(groups, -1).repeat_interleave(len(v) // groups if groups > 1 else 1, dim=0)[:, :, None, None]


def _ungrouped(v: Tensor, groups: int) -> Tensor:
    """Return the weights [out, in, h, w] of a convolution, 0 between its groups."""
    if groups == 1:
        return v
    out, each = len(v), v.shape[1]
    full = v.new_zeros(out, each * groups, *v.shape[2:])
    rows = torch.arange(out)[:, None]
    columns = (torch.arange(out) // (out // groups) * each)[:, None] + torch.arange(each)
    return full.index_put((rows, columns), v)


class Carried(nn.Identity):
    """Where a layer's activations pass that another module than the layer computes."""


class WindowedNetwork(nn.Module):
    """A network of windowed layers. Called, it gives y of the read-out from pixels, by dense layers.

    `spikes` runs the same network as spike times by the armed causal-set rule of eq. (4). subject: the data set that it
    is for, where one is known; conversion: how it came about, where `convert` made it.
    """

    def __init__(self, graph: WindowedGraph, weights: dict[str, Tensor]) -> None:
        """Build the network of a graph. Raise InputError naming a weight that is missing."""
        super().__init__()
        self.graph = graph
        self.codes = windows.codes(graph)
        self.subject: Subject | None = None
        self.conversion: Conversion | None = None
        self.layers = nn.ModuleDict()
        for node in graph.layers:
            names = [*(term.weight for term in node.terms), node.bias]
            absent = [name for name in names if name not in weights]
            if absent:
                raise InputError(f"weights must hold those of {node.name}; missing: {', '.join(absent)}")
            tensors = [weights[name].detach().clone() for name in names]
            self.layers[node.name] = WindowedSum(node, graph.form, tensors[:-1], tensors[-1], self.codes)

    def follow(self, graph: WindowedGraph) -> None:
        """Take up another graph of the same layers: other windows, X, read-out."""
        self.graph, self.codes = graph, windows.codes(graph)
        for node in graph.layers:
            layer = self.layer(node)
            layer.node, layer.known = node, self.codes

    @torch.no_grad()
    def fit_readout(self, pixels: Tensor) -> None:
        """Set X and offset of the read-out so that the winners of these images spike within its window."""
        last = self.graph.layers[-1]
        offset, largest = readout_range(self(pixels).amax(dim=1))
        nodes = (*self.graph.nodes[:-1], last.replace(offset=offset, largest=largest))
        self.follow(self.graph.replace(nodes=nodes))

    def at_window(self, window_over_tau: float, pixels: Tensor) -> "WindowedNetwork":
        """Return a copy with one window for all layers and the pixels; its read-out fits these images.

        pixels: [N, channel, row, column], 0 … 1. Weights and X stay, so form `ramp` bends activations otherwise.
        """
        network = copy.deepcopy(self)
        network.follow(self.graph.with_windows(window_over_tau))
        network.fit_readout(pixels)
        network.conversion = None
        if self.subject is not None:
            network.subject = self.subject.replace(encoding=Encoding(kind="linear", alpha=window_over_tau))
        return network

    def layer(self, node: LayerNode) -> WindowedSum:
        """Return the layer of a node."""
        return cast(WindowedSum, self.layers[node.name])

    def activations(
        self, pixels: Tensor, move: Move | None = None, disturb: Disturb | None = None
    ) -> dict[str, Tensor]:
        """Return what every node carries, by name; of the read-out y. pixels [N, channel, row, column], 0 … 1.

        move: what becomes of the pixels (None) and of what each layer's spikes carry, on its way to the next. disturb:
        what becomes of the values y of each layer, before its neurons spike.
        """
        values = {INPUT: self._checked(pixels) if move is None else move(None, self._checked(pixels))}
        for node in self.graph.nodes:
            if isinstance(node, LayerNode):
                carried = self.layer(node)(*(values[term.source] for term in node.terms), disturb=disturb)
                values[node.name] = carried if move is None else move(node, carried)
            elif isinstance(node, MaxNode):
                values[node.name] = max_pool(values[node.source], node)
            else:
                values[node.name] = torch.cat([values[source] for source in node.sources], dim=1)
        return values

    def _checked(self, pixels: Tensor) -> Tensor:
        if pixels.shape[1:] != self.graph.shape:
            raise InputError(f"pixels must be [N, {str(self.graph.shape)[1:-1]}], got shape {list(pixels.shape)}")
        return pixels

    def times_over_tau(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the spike times of every layer, shaped as its activations, on the network's clock, units of tau.

        values: of `activations`. inf: no spike before the window's end; a read-out may spike at it.
        """
        times = {}
        for node in self.graph.layers:
            x = values[node.name]
            if node.is_readout:
                arming = windows.arming_over_tau(node, self.codes)
                times[node.name] = arming + windows.spike_over_tau(self.graph.form, node, x, torch)
            else:
                end = float(self.codes[node.name].end_over_tau[0])
                t = end + torch.log(windows.spike_z(x, node.largest, node.window_over_tau))
                times[node.name] = torch.where(x > 0, t, torch.inf)
        return times

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the values y [N, class] of the read-out."""
        return self.activations(pixels)[self.graph.nodes[-1].name]

    def spikes(self, pixels: Tensor, *, is_armed: bool = True) -> dict[str, Tensor]:
        """Return the spikes z of every node, each on the clock of its window's end, from pixels of float32 or float64.

        The read-out's stand on its own clock, 1 at its arming, and are inf where there is none: the earliest decides.
        forced: by the causal-set rule, armed or, for comparison, free; silent neurons and padding spike at the window's
        end. ramp: by eq. (W6); a silent neuron has z = 1, and whoever reads it takes it as silent or as forced.
        """
        z = {INPUT: windows.spike_z(self._checked(pixels), 1.0, self.graph.window_over_tau)}
        for node in self.graph.nodes:
            if isinstance(node, MaxNode):
                z[node.name] = -max_pool(-z[node.source], node)
            elif isinstance(node, ConcatNode):
                z[node.name] = torch.cat([z[source] for source in node.sources], dim=1)
            else:
                fired = self._fire(node, z, is_armed)
                latest = math.exp(node.window_over_tau)
                if node.is_readout:
                    z[node.name] = torch.where(fired <= latest, fired, torch.inf)
                else:
                    z[node.name] = fired.clamp(max=latest) / latest
        return z

    def _fire(self, node: LayerNode, z: dict[str, Tensor], is_armed: bool) -> Tensor:
        """Return the spikes of a layer on its own clock; inf or late where it does not spike in its window."""
        layer = self.layer(node)
        synapses = Synapses(layer, layer.in_force())
        scale = synapses.scale(layer.form, node)
        received, weights, sides, levels = [], [], [], []
        for term, per_slope in zip(node.terms, synapses.per_slope, strict=True):
            code = self.codes[term.source]
            age = torch.from_numpy(np.exp(code.end_over_tau - synapses.arming_over_tau)).to(z[term.source])
            source = z[term.source]
            received.append(source * age.view(1, -1, *(1 for _ in source.shape[2:])))
            weights.append((per_slope * scale.view(-1, *(1 for _ in per_slope.shape[1:]))).to(source))
            levels.append(windows.spike_z(code.padding, code.largest, code.window_over_tau) * age.double().numpy())
            sides.append(Padding(*term.padding))
        if layer.form == "ramp":
            return self._ramp(node, synapses, received, weights, levels)
        bias_z = (synapses.z_first, 1.0)
        bias = torch.stack([synapses.bias.first, synapses.bias.last]).to(received[0])
        arming_z = 1.0 if is_armed else None
        term = node.terms[0]
        if len(node.terms) == 1 and term.kind == "linear":
            return functional.causal_linear(received[0].flatten(1), weights[0], bias, bias_z, arming_z=arming_z)[0]
        if len(node.terms) == 1 and term.dilation == (1, 1) and term.stride[0] == term.stride[1]:
            level, (left, right, top, bottom) = torch.from_numpy(levels[0]), sides[0]
            options: dict[str, Any] = {"arming_z": arming_z, "padding_z": level}
            return functional.causal_conv2d(
                received[0], weights[0], bias, bias_z, term.stride[0], (left, right, top, bottom), **options
            )[0]
        rows, size = zip(*map(_rows, node.terms, received, weights, levels), strict=True)
        matrix = torch.cat([w.flatten(1) for w in weights], dim=1)
        fired = functional.causal_linear(torch.cat(rows, dim=2), matrix, bias, bias_z, arming_z=arming_z)[0]
        return fired.transpose(1, 2).reshape(len(fired), node.channels, *size[0])

    def _ramp(
        self,
        node: LayerNode,
        synapses: Synapses,
        received: list[Tensor],
        weights: list[Tensor],
        levels: list[Floats],
    ) -> Tensor:
        """Return the spikes z = e^t of eq. (W6): a spike at the arming or none adds nothing."""
        v: Tensor | float = 0.0
        for term, z, w, level in zip(node.terms, received, weights, levels, strict=True):
            if term.kind == "linear":
                v = v + dense.linear(1.0 - z.flatten(1), w)
            else:
                charge = functional.pad(1.0 - z, Padding(*term.padding), 1.0 - torch.from_numpy(level))
                v = v + dense.conv2d(charge, w, None, term.stride, 0, term.dilation)
        assert isinstance(v, Tensor)  # noqa: S101
        each = (1, -1, *(1 for _ in v.shape[2:]))
        start, slope = synapses.bias.first * (1.0 - synapses.z_first), synapses.bias.slope
        t = (1.0 - v - start.to(v).view(each)) / slope.to(v).view(each)
        return torch.exp(t.clamp(min=0.0))

    def first_spike(self, z_out: Tensor) -> Tensor:
        """Return the class of the first output spike [image] from the read-out's spikes; -1 where there is none."""
        earliest, decision = z_out.min(dim=1)
        return torch.where(torch.isfinite(earliest), decision, -1)

    def save(self, path: Path | str) -> Path:
        """Write graph and weights into a checkpoint, and beside it NAME.conversion.json; return that file's path.

        Without a conversion the path is the checkpoint's. Raise InputError naming a file that cannot be written.
        """
        path = Path(path)
        write_atomically(path, weights_file.to_bytes(self.subject, self.state_dict(), self.graph))
        if self.conversion is None:
            return path
        self.conversion = self.conversion.model_copy(update={"checkpoint": str(path)})
        return self.conversion.write(path.with_suffix(".conversion.json"))

    @classmethod
    def load(cls, path: Path | str) -> "WindowedNetwork":
        """Return the network of a checkpoint that `save` wrote; nothing in the file is executed.

        Raise InputError for a file that cannot be read, FileFormatError for a foreign or damaged one.
        """
        path = Path(path)
        content = weights_file.read_content(path)
        if content.get("graph") is None:
            raise FileFormatError(f"{path} must hold a windowed network, got the weights of another one")
        return cls.of(content, path)

    @classmethod
    def of(cls, content: dict[str, Any], path: Path) -> "WindowedNetwork":
        """Return the network of a file's content. Raise FileFormatError naming what does not fit."""
        try:
            network = cls(WindowedGraph.from_dict(content["graph"]), content["weights"])
        except (SpecError, InputError, KeyError, TypeError) as error:
            raise FileFormatError(f"{path}: graph: {error}") from None
        network.subject = weights_file.subject_of(content, path)
        return network

    @property
    def on_spikes(self) -> PixelNetwork:
        """From input spikes to z = e^-y, the largest y first, as training and `Model` have a network.

        Raise InputError where no data set is known.
        """
        if self.subject is None:
            raise InputError("the windowed network names no data set: convert it from images of one (nc.data)")
        return PixelNetwork(PixelsOf(self.subject.encoding), self, SpikesOf())

    @property
    def exit_code(self) -> int:
        """0: what cannot be converted is raised."""
        return 0

    def to_dict(self) -> dict[str, Any]:
        """Return the conversion's content; the graph's where none is known."""
        return self.graph.to_dict() if self.conversion is None else self.conversion.to_dict()

    def __str__(self) -> str:
        return repr(self) if self.conversion is None else str(self.conversion)


def readout_range(winners: Tensor) -> tuple[float, float]:
    """Return offset and X of a read-out from the largest y of each image, with room at both ends of its window."""
    spread = float(winners.max() - winners.min()) or float(winners.abs().max()) or 1.0
    offset = float(winners.min()) - HEADROOM_LOW * spread
    return offset, float(winners.max()) + HEADROOM_HIGH * spread - offset


def windowed_in(network: nn.Module) -> WindowedNetwork | None:
    """Return the windowed network inside what training and `Model` have; None for another network."""
    inner = network.inner if isinstance(network, PixelNetwork) else None
    return inner if isinstance(inner, WindowedNetwork) else None


def pixels_of(network: nn.Module, z: Tensor) -> Tensor:
    """Return the pixels that the windowed network inside another gets from its input spikes z."""
    assert isinstance(network, PixelNetwork)  # noqa: S101
    pixels: Tensor = network.pixels_of(z)
    return pixels


def weighted(term: Term, x: Tensor, v: Tensor, bias: Tensor | None = None, level: Tensor | None = None) -> Tensor:
    """Return Σ v x + bias over the inputs of a term, [N, out, h, w] or [N, out]; level [channel]: of its padding."""
    if term.kind == "linear":
        return dense.linear(x.flatten(1), v, bias)
    left, right, top, bottom = term.padding
    padding: tuple[int, int] = (top, left)
    if level is not None or left != right or top != bottom:
        x, padding = functional.pad(x, Padding(*term.padding), 0.0 if level is None else level), (0, 0)
    return dense.conv2d(x, v, bias, term.stride, padding, term.dilation, term.groups)


def max_pool(x: Tensor, node: MaxNode) -> Tensor:
    """Return the largest of each window [N, channel, row, column]: of activations, which is the earliest spike."""
    return dense.max_pool2d(x, node.kernel, node.stride, node.padding, ceil_mode=node.ceil)


def _rows(term: Term, z: Tensor, w: Tensor, level: Floats) -> tuple[Tensor, tuple[int, ...]]:
    """Return the inputs [image, position, input] of one term of several, and the size of its output."""
    if term.kind == "linear":
        return z.flatten(1)[:, None], ()
    padded = functional.pad(z, Padding(*term.padding), torch.from_numpy(level))
    kernel = (w.shape[2], w.shape[3])
    size = tuple(
        (pixels - dilation * (width - 1) - 1) // stride + 1
        for pixels, dilation, width, stride in zip(padded.shape[2:], term.dilation, kernel, term.stride, strict=True)
    )
    return dense.unfold(padded, kernel, term.dilation, 0, term.stride).transpose(1, 2), size
