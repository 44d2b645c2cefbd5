"""A trained network with what it was trained for: what `nc.snn.load` and `nc.snn.train` give."""

import copy
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from neurocircuit.core.files import file_sha256
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.sets import Dataset
from neurocircuit.snn.models import count_weights
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.windowed import WindowedNetwork
from neurocircuit.spec import FullScale


@dataclass(frozen=True)
class Model:
    """Trained weights in a torch network, and their subject: data set, encoding, architecture.

    path: the checkpoint that holds them; None before `save`. full_scale: of the bank to which training rounded the
    weights, one for each layer or neuron; None: it did not, or that is not known.
    """

    subject: Subject
    network: nn.Sequential
    path: Path | None = None
    full_scale: FullScale | None = None

    @property
    def sha256(self) -> str:
        """Hash of the checkpoint (before `save`: of what it will write), by which a mapped network knows it."""
        if self.path is not None:
            return file_sha256(self.path)
        return hashlib.sha256(checkpoint.to_bytes(self.subject, self.network, full_scale=self.full_scale)).hexdigest()

    @property
    def weights(self) -> int:
        """Number of synapses: weights and bias weights of all layers."""
        return count_weights(self.network)

    def images(self, split: str, data: Path | str | None = None) -> Dataset:
        """Return one split of the data set that the weights are for."""
        return sets.load(self.subject.data, split, data)

    def save(self, path: Path | str) -> "Model":
        """Write the weights into a checkpoint and return the model with its path. Raise InputError naming the path."""
        checkpoint.save(Path(path), self.subject, self.network, full_scale=self.full_scale)
        return replace(self, path=Path(path))


def load(path: Path | str) -> Model:
    """Return the trained network of a checkpoint, as `train`, `import-weights` and `Model.save` write it.

    Nothing in the file is executed. Raise InputError for a file that cannot be read, FileFormatError for a foreign,
    damaged or unfinished one.
    """
    path = Path(path)
    content = checkpoint.load(path)
    return Model(*checkpoint.network_of(content, path), path, content.get("full_scale"))


def as_model(network: Model | WindowedNetwork | Path | str) -> Model:
    """Return a trained or windowed network, or that of a checkpoint, as a model.

    Raise as `load`; InputError for a windowed network that names no data set.
    """
    if isinstance(network, Model):
        return network
    if not isinstance(network, WindowedNetwork):
        return load(network)
    single = copy.deepcopy(network).float()
    on_spikes = single.on_spikes
    assert single.subject is not None  # noqa: S101
    return Model(single.subject, on_spikes)
