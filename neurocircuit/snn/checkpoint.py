"""Files of weights: written whole or not at all, read without evaluating anything, refused by name when damaged."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurocircuit.core.files import write_atomically
from neurocircuit.errors import FileFormatError, SpecError
from neurocircuit.snn import relu
from neurocircuit.snn.data.library import DATA_SETS
from neurocircuit.snn.models import build
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.weights_file import read_content

FORMAT, VERSION = "neurocircuit-weights", 1


def save(path: Path, subject: Subject, weights: dict[str, Tensor], training: dict[str, Any] | None = None) -> None:
    """Write the weights that are to be evaluated, what they are for, and the state of training where it goes on."""
    write_atomically(path, to_bytes(subject, weights, training))


def to_bytes(subject: Subject, weights: dict[str, Tensor], training: dict[str, Any] | None = None) -> bytes:
    """Return the bytes of the file that `save` writes."""
    values = {
        "format": FORMAT,
        "version": VERSION,
        "subject": subject.to_dict(),
        "weights": weights,
        "training": training,
    }
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def load(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint: subject, weights, training.

    Raises InputError or FileFormatError naming the file.
    """
    return read_content(path, FORMAT, VERSION)


def load_network(path: Path) -> tuple[Subject, nn.Sequential]:
    """Return what the weights are for, and the network that holds them.

    Raises FileFormatError naming what does not fit.
    """
    content = load(path)
    try:
        subject = Subject.from_dict(content["subject"])
    except (SpecError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: subject: {error}") from None
    network = new_network(subject, torch.Generator().manual_seed(0))
    put_weights(network, content.get("weights"), path)
    return subject, network


def new_network(subject: Subject, generator: torch.Generator) -> nn.Sequential:
    """Return the subject's network with weights drawn from `generator`."""
    data = DATA_SETS[subject.data.name]
    if subject.network.name == "relu_compact":
        if subject.encoding.kind != "linear":
            raise SpecError(f"encoding.kind must be linear for relu_compact, got {subject.encoding.kind}")
        return relu.build(subject.encoding, subject.network.widths, data.shape, data.classes, generator)
    return build(subject.network, data.shape, data.classes, generator)


def put_initial(network: nn.Module, subject: Subject, path: Path) -> None:
    """Copy the weights of a file whose network, data and encoding are the subject's. Raises FileFormatError naming."""
    content = load(path)
    try:
        trained_subject = Subject.from_dict(content["subject"])
    except (SpecError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: subject: {error}") from None
    for name in ("network", "encoding"):
        if getattr(trained_subject, name) != getattr(subject, name):
            raise FileFormatError(f"{path} must be for the recipe's {name}: it was trained with another one")
    if trained_subject.data.name != subject.data.name:
        raise FileFormatError(f"{path} must be for the data {subject.data.name}, got {trained_subject.data.name}")
    put_weights(network, content.get("weights"), path)


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
