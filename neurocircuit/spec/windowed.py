"""WindowedGraph: a network whose layers spike in windows, one after another, as a graph; its weights stand beside it.

Weights are those of the ReLU network, batch norms folded in: y = Σ v x + c. What a synapse gets follows from the graph
(neuron/windows.py): no torch is needed to read it.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from neurocircuit.spec.fields import Ratio, Spec

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")]
Pair = tuple[int, int]
Form = Literal["forced", "ramp"]


class Term(Spec):
    """One input of a layer: weights v on the activations of a node."""

    kind: Annotated[Literal["conv", "linear"], Field(description="conv: [out, in/groups, h, w]; linear: [out, in]")]
    source: Annotated[Name, Field(description="node that spikes; linear: flattened, channel first")]
    weight: Annotated[str, Field(description="name of v among the weights")]
    stride: Pair = (1, 1)
    padding: Annotated[tuple[int, int, int, int], Field(description="left, right, top, bottom, px")] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: Annotated[int, Field(ge=1)] = 1


class LayerNode(Spec):
    """A layer of neurons, armed when the last window of its inputs has closed."""

    kind: Literal["layer"] = "layer"
    name: Name
    terms: Annotated[tuple[Term, ...], Field(min_length=1)]
    bias: Annotated[str, Field(description="name of c [channel] among the weights")]
    channels: Annotated[int, Field(ge=1)]
    largest: Annotated[Ratio, Field(gt=0, description="X: the activation that spikes at the arming; larger ones too")]
    window_over_tau: Annotated[Ratio, Field(gt=0, le=20, description="T: latest spike, from the arming")]
    slope: Annotated[
        Ratio | None,
        Field(description="of the membrane at the crossing, thresholds over tau: one for all; None: by one bias spike"),
    ] = None
    is_readout: Annotated[bool, Field(description="its earliest spike decides; y is not clipped in software")] = False
    offset: Annotated[Ratio, Field(description="the y that would spike at the window's end")] = 0.0


class MaxNode(Spec):
    """Max pooling: the earliest spike of each window."""

    kind: Literal["max"] = "max"
    name: Name
    source: Name
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil: bool = False


class ConcatNode(Spec):
    """Channels of several nodes side by side."""

    kind: Literal["concat"] = "concat"
    name: Name
    sources: Annotated[tuple[Name, ...], Field(min_length=1)]


Node = Annotated[LayerNode | MaxNode | ConcatNode, Field(discriminator="kind")]
INPUT = "input"  # name of the pixels


class WindowedGraph(Spec):
    """Nodes in the order they compute; the last one is the read-out. Pixels 0 … 1 are activations with X = 1."""

    form: Annotated[
        Form,
        Field(description="forced: a silent neuron spikes at its window's end; ramp: currents end at the arming"),
    ]
    shape: Annotated[tuple[int, int, int], Field(description="channel, row, column of an image")]
    window_over_tau: Annotated[Ratio, Field(gt=0, le=20, description="window of the pixels")]
    pixel_padding: Annotated[
        tuple[Ratio, ...], Field(description="the pixel that stands for padding, by channel: what is 0 to the network")
    ]
    nodes: Annotated[tuple[Node, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _in_order(self) -> "WindowedGraph":
        if len(self.pixel_padding) != self.shape[0]:
            raise ValueError(f"pixel_padding must have {self.shape[0]} entries, got {len(self.pixel_padding)}")
        known = {INPUT}
        for node in self.nodes:
            for source in sources(node):
                if source not in known:
                    raise ValueError(f"nodes: {node.name} must come after its source, got {source}")
            if node.name in known:
                raise ValueError(f"nodes must have names of their own, got {node.name} twice")
            known.add(node.name)
        last = self.nodes[-1]
        if not isinstance(last, LayerNode) or not last.is_readout:
            raise ValueError(f"nodes must end with the read-out, got {last.name}")
        return self

    def with_windows(self, window_over_tau: float) -> "WindowedGraph":
        """Return the graph with one window for all layers and the pixels; a ramp rises as far within its window."""

        def changed(node: Node) -> Node:
            if not isinstance(node, LayerNode):
                return node
            factor = node.window_over_tau / window_over_tau if self.form == "ramp" else 1.0
            slope = None if node.slope is None else factor * node.slope
            return node.replace(window_over_tau=window_over_tau, slope=slope)

        return self.replace(window_over_tau=window_over_tau, nodes=tuple(changed(node) for node in self.nodes))

    @property
    def layers(self) -> tuple[LayerNode, ...]:
        """The layers of neurons, in order."""
        return tuple(node for node in self.nodes if isinstance(node, LayerNode))


def sources(node: LayerNode | MaxNode | ConcatNode) -> tuple[str, ...]:
    """Return the names of the nodes that a node takes in."""
    if isinstance(node, LayerNode):
        return tuple(term.source for term in node.terms)
    return (node.source,) if isinstance(node, MaxNode) else node.sources
