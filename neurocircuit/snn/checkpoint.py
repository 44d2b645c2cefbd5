"""Checkpoints: networks into files of weights and back, and where training goes on."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurocircuit.core.files import write_atomically
from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.snn import relu, weights_file
from neurocircuit.snn.encode import OF_RELU as RELU_ENCODING
from neurocircuit.snn.layer_graph import LayerGraphNetwork
from neurocircuit.snn.models import NetworkSpec, build
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.weights_file import read_content as load
from neurocircuit.snn.windowed import WindowedNetwork, windowed_in
from neurocircuit.spec import FullScale
from neurocircuit.spec.fields import stated_over

__all__ = [
    "load",
    "load_network",
    "network_of",
    "new_network",
    "put_initial",
    "put_weights",
    "save",
    "stored",
    "to_bytes",
]


def save(
    path: Path,
    subject: Subject,
    network: nn.Module,
    training: dict[str, Any] | None = None,
    *,
    full_scale: FullScale | None = None,
) -> None:
    """Write the network that is to be evaluated, what it is for, and the state of training where it goes on.

    full_scale: of the bank to which training rounds the weights, if any.
    """
    write_atomically(path, to_bytes(subject, network, training, full_scale=full_scale))


def to_bytes(
    subject: Subject,
    network: nn.Module,
    training: dict[str, Any] | None = None,
    *,
    full_scale: FullScale | None = None,
) -> bytes:
    """Return the bytes of the file that `save` writes."""
    inner = windowed_in(network)
    weights = stored(network).state_dict()
    return weights_file.to_bytes(subject, weights, None if inner is None else inner.graph, training, full_scale)


def stored(network: nn.Module) -> nn.Module:
    """Return the part of a network whose weights stand in a file."""
    return windowed_in(network) or network


def load_network(path: Path) -> tuple[Subject, nn.Module]:
    """Return what the weights are for, and the network that holds them.

    Raise FileFormatError naming what does not fit, InputError for a windowed network without a data set.
    """
    return network_of(load(path), path)


def network_of(content: dict[str, Any], path: Path) -> tuple[Subject, nn.Module]:
    """Return what `load_network` does, from the content of the file."""
    if content.get("graph") is not None:
        windowed = WindowedNetwork.of(content, path).float()
        if windowed.subject is None:
            raise InputError(f"{path} names no data set: nc.snn.WindowedNetwork.load reads it")
        return windowed.subject, windowed.on_spikes
    subject = _subject(content, path)
    network = new_network(subject, torch.Generator().manual_seed(0))
    put_weights(network, content.get("weights"), path)
    return subject, network


def _subject(content: dict[str, Any], path: Path) -> Subject:
    subject = weights_file.subject_of(content, path)
    if subject is None:
        raise FileFormatError(f"{path} must say what its weights are for")
    return subject


def new_network(subject: Subject, generator: torch.Generator, initial: str = "") -> nn.Module:
    """Return the subject's network with weights drawn from `generator`; of a windowed one with the graph of `initial`.

    Raise SpecError for a windowed network without that file.
    """
    if subject.network.name == "windowed":
        if not initial:
            raise SpecError("network.name windowed needs initial, the file of a converted network (--initial)")
        windowed = WindowedNetwork.load(initial).float()
        windowed.subject = subject
        return windowed.on_spikes
    shape, classes = subject.data.shape, subject.data.class_count
    name = subject.network.name
    if name == "own":
        return _of_graph(subject, generator)
    if name in ("relu_compact", "relu_vgg16"):
        _check_linear(subject, name)
        if name == "relu_vgg16":
            return relu.build_vgg16(subject.encoding, shape, classes, generator)
        network = subject.network
        return relu.build_compact(subject.encoding, network.widths, shape, classes, generator, network.largest_fan_in)
    return build(subject.network, shape, classes, generator)


def _of_graph(subject: Subject, generator: torch.Generator) -> nn.Module:
    """Return the network of the subject's graph, weights drawn as its layers draw them."""
    graph, data = subject.network.graph, subject.data
    if graph is None:
        raise SpecError(f"network.code {subject.network.code} was not run: --allow-code runs it")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        network = LayerGraphNetwork(graph)
    if graph.shape != data.shape:
        raise InputError(f"the network takes images {list(graph.shape)}, those of {data.name} are {list(data.shape)}")
    if network.classes != data.class_count:
        raise InputError(f"the network has {network.classes} outputs, {data.name} has {data.class_count} classes")
    if graph.is_spiking:
        return network
    _check_linear(subject, "a ReLU network")
    return relu.ReluNetwork.of([network], subject.encoding)


def _check_linear(subject: Subject, name: str) -> None:
    if subject.encoding.kind != "linear":
        raise SpecError(
            f"encoding.kind must be linear for {name}, got {subject.encoding.kind}: in the recipe [encoding] "
            'kind = "linear", or --set encoding.kind=linear'
        )


def traced_in(network: nn.Module) -> LayerGraphNetwork | None:
    """Return the network of one's own inside what training and `Model` have; None for another network."""
    return next((module for module in network.modules() if isinstance(module, LayerGraphNetwork)), None)


def of_module(subject: Subject, module: nn.Module) -> tuple[Subject, nn.Module]:
    """Return a module of one's own as a network for the subject's data, with its present weights, and what it is for.

    Raise InputError naming what has no meaning here, and where module, data and encoding do not fit.
    """
    traced = LayerGraphNetwork.of(module, subject.data.shape)
    if not traced.graph.is_spiking:
        subject = subject.replace(encoding=stated_over(subject.encoding, RELU_ENCODING))
    network = NetworkSpec(name="own", code=subject.network.code, graph=traced.graph, parameterisation="free")
    subject = subject.replace(network=network)
    made = new_network(subject, torch.Generator().manual_seed(0))
    put_traced(made, traced)
    return subject, made


def put_traced(network: nn.Module, traced: nn.Module) -> None:
    """Copy the weights of a network of one's own into one that training or `Model` has."""
    inner = traced_in(network)
    assert inner is not None  # noqa: S101
    inner.load_state_dict(traced.state_dict())


def put_initial(network: nn.Module, subject: Subject, path: Path) -> None:
    """Copy the weights of a file whose network, data and encoding are the subject's. Raises FileFormatError naming."""
    content = load(path)
    trained_subject = _subject(content, path)
    if trained_subject.network != subject.network:
        raise FileFormatError(f"{path} must be for the recipe's network: it was trained with another one")
    if trained_subject.encoding != subject.encoding:
        recipe, trained = subject.encoding.formula, trained_subject.encoding
        raise FileFormatError(
            f"{path} must be for the recipe's encoding, {recipe}: it was trained with {trained.formula}; "
            f"set encoding.kind={trained.kind} and encoding.alpha={trained.alpha:g} in the recipe"
        )
    if trained_subject.data.name != subject.data.name:
        raise FileFormatError(f"{path} must be for the data {subject.data.name}, got {trained_subject.data.name}")
    put_weights(stored(network), content.get("weights"), path)


def put_weights(network: nn.Module, weights: Any, path: Path) -> None:
    """Copy the tensors of a checkpoint into a network. Raises FileFormatError naming file, tensor and shape."""
    state = network.state_dict()
    if not isinstance(weights, dict) or weights.keys() != state.keys():
        names = set(weights) if isinstance(weights, dict) else set()
        odd = sorted(map(str, names ^ state.keys()))
        raise FileFormatError(f"{path} must hold the weights of its network; missing or unknown: {', '.join(odd[:3])}")
    for name, tensor in state.items():
        shape = tuple(weights[name].shape) if isinstance(weights[name], Tensor) else type(weights[name]).__name__
        if shape != tuple(tensor.shape):
            raise FileFormatError(f"{path}: {name} must have the shape {tuple(tensor.shape)}, got {shape}")
        if not bool(torch.isfinite(weights[name]).all()):
            raise FileFormatError(f"{path}: {name} must be finite")
    network.load_state_dict(weights)
