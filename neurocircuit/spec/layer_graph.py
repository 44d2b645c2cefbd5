"""LayerGraph: a torch network as data, its layers in the order they compute; its weights stand beside it.

A network of one's own travels so in recipes and checkpoints: whoever reads one runs no code of its author's.
"""

from collections.abc import Container
from itertools import chain, count
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from neurocircuit.spec.fields import Spec

INPUT = "input"  # name of what the network gets
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
Option = bool | int | float | str | tuple[int, ...] | None
SpikingKind = Literal[
    "spiking_conv2d",
    "spiking_linear",
    "earliest_pool2d",
    "latest_pool2d",
    "average_pool2d",
    "average_time_pool2d",
    "retime",
    "rebase",
]
ReluKind = Literal[
    "conv2d",
    "linear",
    "batch_norm1d",
    "batch_norm2d",
    "relu",
    "hardtanh",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "dropout",
    "dropout2d",
    "add",
]
CommonKind = Literal["flatten", "identity", "cat"]
Kind = SpikingKind | ReluKind | CommonKind
SPIKING: tuple[str, ...] = get_args(SpikingKind)
RELU: tuple[str, ...] = get_args(ReluKind)


def name_of_path(path: str) -> str:
    """Return the name of a node for a module at `path`: _ for dots, m before a leading digit, 56 letters at most.

    >>> name_of_path("features.0"), name_of_path("0.conv")
    ('features_0', 'm0_conv')
    """
    name = path.replace(".", "_")
    return (f"m{name}" if name[0].isdigit() else name)[-56:]


def free_name(name: str, taken: Container[str]) -> str:
    """Return a name that is not taken: the name itself, or it with the first free number behind it, from 2.

    >>> free_name("conv", {"conv", "conv_2"})
    'conv_3'
    """
    numbered = (f"{name}_{number}" for number in count(2))
    return next(each for each in chain((name,), numbered) if each not in taken)


class Node(Spec):
    """One layer: what it is, which nodes it reads, and the arguments of its torch module that are not the default."""

    name: Annotated[Name, Field(description="its weights are NAME.weight, NAME.bias …")]
    kind: Kind
    sources: Annotated[tuple[Name, ...], Field(min_length=1, description="nodes; input: what the network gets")]
    options: Annotated[
        dict[str, Option], Field(default_factory=dict, description="arguments of the layer, as its module names them")
    ]


class LayerGraph(Spec):
    """Nodes in the order they compute; the last one is the output [image, class]."""

    shape: Annotated[tuple[int, int, int], Field(description="channel, row, column of what the network gets")]
    nodes: Annotated[tuple[Node, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _in_order(self) -> "LayerGraph":
        known = {INPUT}
        for node in self.nodes:
            for source in node.sources:
                if source not in known:
                    raise ValueError(f"nodes: {node.name} must come after its source, got {source}")
            if node.name in known:
                raise ValueError(f"nodes must have names of their own, got {node.name} twice")
            if len(node.sources) > 1 and node.kind not in ("cat", "add"):
                raise ValueError(f"nodes: {node.name} must read one node, got {len(node.sources)}")
            known.add(node.name)
        spiking = [node for node in self.nodes if node.kind in SPIKING]
        relu = [node for node in self.nodes if node.kind in RELU]
        if spiking and relu:
            raise ValueError(
                f"nodes must be of spiking layers or of a ReLU network, got {spiking[0].name} ({spiking[0].kind}) and "
                f"{relu[0].name} ({relu[0].kind})"
            )
        return self

    @property
    def is_spiking(self) -> bool:
        """Whether it takes spikes z in and gives spikes; else pixels in, values of the classes out."""
        return any(node.kind in SPIKING for node in self.nodes)
