"""A trained network with what it was trained for: what `nc.snn.load` and `nc.snn.train` give."""

import copy
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from neurocircuit.core.files import file_sha256
from neurocircuit.errors import InputError
from neurocircuit.snn import checkpoint
from neurocircuit.snn._module import SpikingLayer
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.augment import Augmentation
from neurocircuit.snn.data.sets import Data, Dataset
from neurocircuit.snn.data.spec import DataSpec
from neurocircuit.snn.data.torch_sets import MapStyle
from neurocircuit.snn.encode import OF_RELU, Encoding
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
    network: nn.Module
    path: Path | None = None
    full_scale: FullScale | None = None

    def __str__(self) -> str:
        """What it is, of which data set, and where it stands."""
        where = "not saved" if self.path is None else str(self.path)
        return f"{self.subject.name}: {self.weights} weights for images of {self.subject.data.name}; {where}"

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

    def images(self, split: str, data: Data | None = None) -> Dataset:
        """Return one split of the data set that the weights are for."""
        return sets.load(self.subject.data, split, data)

    @classmethod
    def of(
        cls,
        module: nn.Module,
        images: Dataset | DataSpec,
        encoding: Encoding | None = None,
        *,
        augmentation: Augmentation | None = None,
        name: str = "own",
    ) -> "Model":
        """Return a torch module of one's own as a model: its layers as traced, with its present weights.

        Args:
            module: of the layers of `nc.snn.layers`, from spikes z [image, channel, row, column] to spikes
                [image, class]; or a ReLU network from pixels 0 … 1, to be converted (`nc.snn.convert`).
            images: of the data set that it is for.
            encoding: how a pixel becomes a spike time; it must be given for spiking layers.
            augmentation: what is done to pixels; default: nothing.
            name: a label.

        Raise InputError naming an operation that has no meaning here, its place in the module and what would serve,
        and where module and images do not fit.

        >>> from neurocircuit.snn.data.sets import digits
        >>> from neurocircuit.snn.layers import SpikingLinear
        >>> module = nn.Sequential(nn.Flatten(), SpikingLinear(64, 10))
        >>> Model.of(module, digits("test"), Encoding(kind="bright_first", alpha=2.0)).weights
        650
        """
        data = images.data if isinstance(images, Dataset) else images
        if encoding is None:
            if any(isinstance(layer, SpikingLayer) for layer in module.modules()):
                raise InputError("encoding must be given with a module: nc.snn.Encoding(kind=..., alpha=...)")
            encoding = OF_RELU
        subject = Subject(name=name, data=data, encoding=encoding, augmentation=augmentation or Augmentation())
        return cls(*checkpoint.of_module(subject, module))

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


def as_model(network: Model | nn.Module | Path | str, images: object = None, encoding: Encoding | None = None) -> Model:
    """Return a trained or windowed network, a module of one's own, or the network of a checkpoint, as a model.

    images, encoding: of a module, as in `Model.of`. Raise as `load` and `Model.of`; InputError for a windowed network
    that names no data set, and for an encoding beside a network that has one.
    """
    if isinstance(network, nn.Module) and not isinstance(network, WindowedNetwork):
        if isinstance(images, MapStyle) and not isinstance(images, Dataset | str):
            images = sets.load(DataSpec(name="own"), "train", images)
        if not isinstance(images, Dataset):
            raise InputError("a module needs images of a data set, or nc.snn.Model.of(module, images, encoding)")
        return Model.of(network, images, encoding)
    if encoding is not None:
        raise InputError("encoding must be left out: the network names its own")
    if isinstance(network, Model):
        return network
    if not isinstance(network, WindowedNetwork):
        return load(network)
    single = copy.deepcopy(network).float()
    on_spikes = single.on_spikes
    assert single.subject is not None  # noqa: S101
    return Model(single.subject, on_spikes)
