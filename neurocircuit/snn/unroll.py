"""From a torch network to the physical one: every neuron of a mapped network by number, its weights as numpy arrays.

Re-basing between layers is numerical only and vanishes here; a time constant for each layer becomes that of its
neurons. A pooling that needs values cannot be built and is refused by name.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import file_sha256
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network import physical
from neurocircuit.network.physical import PhysicalNetwork
from neurocircuit.network.run import EncodedImages
from neurocircuit.network.windowed import WindowedLayer, WindowedNetwork
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.sets import Dataset
from neurocircuit.snn.data.torch_sets import MapStyle
from neurocircuit.snn.functional.geometry import output_size, resolve_padding
from neurocircuit.snn.inputs import spikes_and_labels
from neurocircuit.snn.layer_graph import stages_of
from neurocircuit.snn.layers import AveragePool2d, EarliestPool2d, LatestPool2d, SpikingConv2d, SpikingLinear
from neurocircuit.snn.models import layer_names
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.relu import ReluNetwork
from neurocircuit.snn.retime import tau_of_layers
from neurocircuit.snn.stages import check_clocks
from neurocircuit.snn.windowed import windowed_in
from neurocircuit.spec import MappedNetwork
from neurocircuit.spec.layer_graph import INPUT

_TAU_TOLERANCE = 1e-6  # relative, of a mapped layer's time constant
_BUILT = ("earliest_pool2d", "rebase", "retime", "flatten", "identity", "cat")
_NOT_FREE = "the network must be free, of causal sets without windows, got a windowed one"


@dataclass(frozen=True)
class Unrolled:
    """What a set of weights is for, and its neurons one by one."""

    subject: Subject
    physical: PhysicalNetwork | WindowedNetwork

    @property
    def free(self) -> PhysicalNetwork:
        """The network of one that is not windowed. Raise InputError for a windowed one."""
        if isinstance(self.physical, WindowedNetwork):
            raise InputError(_NOT_FREE)
        return self.physical

    def images(self, split: str, data: Path | None, count: int | None) -> EncodedImages:
        """Return the first `count` images (all for None) of a split of the subject's data set, as input spikes.

        Raise InputError when there are fewer.
        """
        return encoded(self.subject, sets.load(self.subject.data, split, data).first(count))


def encoded(subject: Subject, images: Dataset | MapStyle) -> EncodedImages:
    """Return images as input spikes by the subject's encoding. Raise InputError for another data set's images."""
    images = sets.images_for(subject.data, images)
    return EncodedImages(*spikes_and_labels(subject, images), images.split)


def load(path: Path) -> Unrolled:
    """Return the network of a checkpoint. Raise InputError for what the circuit cannot build."""
    return unrolled(*checkpoint.load_network(path))


def unrolled(subject: Subject, network: nn.Module) -> Unrolled:
    """Return the neurons of a network, free or windowed. Raise InputError for what the circuit cannot build."""
    windowed = windowed_in(network)
    if windowed is None:
        return Unrolled(subject, unroll(subject, network))
    weights = {name: _double(value) for name, value in windowed.state_dict().items()}
    return Unrolled(subject, WindowedNetwork(windowed.graph, weights))


def load_mapped(path: Path) -> tuple[MappedNetwork, Unrolled]:
    """Return a mapped network and its weights.

    Raise FileFormatError when the checkpoint is not the one that was mapped.
    """
    mapped = MappedNetwork.from_toml(path)
    weights = mapped.checkpoint_path(path)
    if file_sha256(weights) != mapped.checkpoint_sha256:
        raise FileFormatError(f"{weights} must be the checkpoint that {path} maps: its sha256 differs")
    network = load(weights)
    names = tuple(layer.name for layer in network.physical.layers)
    mapped_names = tuple(layer.name for layer in mapped.layers)
    numbered = len(names) == len(mapped_names) and all(name[0].isdigit() for name in mapped_names)  # of older files
    if names != mapped_names and not numbered:
        raise FileFormatError(f"{path}: layers must be {', '.join(names)}, as in {weights}")
    layers: tuple[physical.Layer | WindowedLayer, ...] = network.physical.layers
    for layer, scale in zip(layers, mapped.layers, strict=True):
        if abs(scale.tau_over_base / layer.tau_over_base - 1.0) > _TAU_TOLERANCE:
            raise FileFormatError(
                f"{path}: tau_over_base of layer {layer.name} must be {layer.tau_over_base:g}, as in {weights}, "
                f"got {scale.tau_over_base:g}"
            )
    return mapped, network


def unroll(subject: Subject, network: nn.Module) -> PhysicalNetwork:
    """Return the neurons of a free network. Raise InputError for what the circuit cannot build."""
    if windowed_in(network) is not None:
        raise InputError(_NOT_FREE)
    check_mappable(subject, network)
    shape = subject.data.shape
    return physical.unroll(shape, *describe(network, shape))


def check_mappable(subject: Subject, network: nn.Module) -> None:
    """Raise InputError naming the field or the stage of a network that the circuit cannot build, and what it can."""
    if windowed_in(network) is not None:
        return
    if isinstance(network, ReluNetwork):
        raise InputError("a ReLU network has no circuit: convert it first (neurocircuit convert, nc.snn.convert)")
    stages = stages_of(network)
    for stage in stages:
        if isinstance(stage.module, LatestPool2d | AveragePool2d) and subject.network.name != "own":
            raise InputError(f"network.pooling must be earliest to be mapped, got {subject.network.pooling}")
        if not (stage.kind in _BUILT or stage.is_layer):
            raise InputError(
                f"network stage {stage.path} ({stage.kind}) has no circuit; what would serve: EarliestPool2d, or a "
                "converted ReLU network"
            )
        if stage.is_layer and (at := stage.module.bias_z) != 1.0:  # type: ignore[union-attr]
            raise InputError(f"{stage.path}.bias_z must be 1 on a circuit, whose bias spike comes at t = 0, got {at}")
    check_clocks(stages)


@torch.no_grad()
def describe(
    network: nn.Module, shape: tuple[int, int, int]
) -> tuple[list[physical.Convolution | physical.Dense | physical.EarliestPooling], list[physical.Reads]]:
    """Return the stages of a network for images [channel, row, column] = shape, and which of them each reads.

    Weights are in double precision. What only reshapes spikes or moves their clock vanishes.
    """
    built: list[physical.Convolution | physical.Dense | physical.EarliestPooling] = []
    reads: list[physical.Reads] = []
    taus, names = iter(tau_of_layers(network)), layer_names(network)
    numbers: dict[str, physical.Reads] = {INPUT: (physical.IMAGE,)}
    images = {INPUT: shape[1:]}
    for stage in stages_of(network):
        read = tuple(number for source in stage.sources for number in numbers[source])
        image, layer = images[stage.sources[0]], stage.module
        numbers[stage.name], images[stage.name] = (len(built),), image
        if isinstance(layer, SpikingLinear):
            built.append(physical.Dense(names[layer], _double(layer.weight), _bias(layer), next(taus)))
            images[stage.name] = (1, 1)
        elif isinstance(layer, SpikingConv2d | EarliestPool2d):
            size = layer.weight.shape[2:] if isinstance(layer, SpikingConv2d) else (layer.kernel_size,) * 2
            kernel = (int(size[0]), int(size[1]))
            sides = resolve_padding(layer.padding, image, kernel, layer.stride)
            images[stage.name] = output_size(image, kernel, layer.stride, sides)
            built.append(
                physical.Convolution(names[layer], _double(layer.weight), _bias(layer), layer.stride, sides, next(taus))
                if isinstance(layer, SpikingConv2d)
                else physical.EarliestPooling(layer.kernel_size, layer.stride, sides)
            )
        else:
            numbers[stage.name] = read
            continue
        reads.append(read)
    return built, reads


def _bias(stage: SpikingConv2d | SpikingLinear) -> Floats | None:
    return None if stage.bias is None else _double(stage.bias)


def _double(values: Tensor) -> Floats:
    return np.asarray(values.detach().double().numpy())
