"""A trained network on a circuit: mapped, saved, read again."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from neurocircuit.core.files import make_directory, write_atomically
from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError
from neurocircuit.network.limits import Choice, Limit
from neurocircuit.network.mapping import Mapping, build
from neurocircuit.network.run import Circuit, EncodedImages
from neurocircuit.snn import unroll
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.sets import Data, Dataset
from neurocircuit.snn.data.torch_sets import MapStyle
from neurocircuit.snn.encode import Encoding
from neurocircuit.snn.model import Model, as_model
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.unroll import Unrolled
from neurocircuit.spec import FullScale, MappedNetwork, NeuronSpec, Variation
from neurocircuit.spec.network import LIMIT_USE
from neurocircuit.spec.variation import EMBEDDED


@dataclass(frozen=True)
class NetworkOnCircuit:
    """A trained network on a circuit: what `neurocircuit.map` gives and `calibrate` and `verify` take.

    fit: how it was mapped; None for a network that was read from its file. model: its weights where they are at hand.
    """

    mapped: MappedNetwork
    unrolled: Unrolled
    fit: Mapping | None = None
    model: Model | None = None

    @classmethod
    def load(cls, path: Path | str) -> "NetworkOnCircuit":
        """Return the network of a file that `save` wrote.

        Raise InputError for a file that cannot be read, FileFormatError when its weights are not those of the mapping.
        """
        return cls(*unroll.load_mapped(Path(path)))

    @property
    def subject(self) -> Subject:
        """What the weights are for: data set, encoding, architecture."""
        return self.unrolled.subject

    @cached_property
    def circuit(self) -> Circuit:
        """The mapped network, ready to run: its weights as its banks make them."""
        return Circuit.of(self.mapped, self.unrolled.physical)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Every constraint of the circuit on the membranes of the images that it was mapped with."""
        return self._fit.limits

    @property
    def met(self) -> bool:
        """Whether every limit is met."""
        return self._fit.met

    def images(self, split: str, data: Data | None = None) -> Dataset:
        """Return one split of the data set that the network was trained for."""
        return sets.load(self.subject.data, split, data)

    def encoded(self, images: Dataset | MapStyle | EncodedImages) -> EncodedImages:
        """Return images as input spikes. Raise InputError for images of another data set."""
        return images if isinstance(images, EncodedImages) else unroll.encoded(self.subject, images)

    def save(self, path: Path | str) -> Path:
        """Write the mapped network (.toml), and beside it NAME.mapping.json with how it fits; return that file's path.

        A model that has no file yet is saved beside them as NAME.pt. Raise InputError naming what cannot be written.
        """
        path = Path(path)
        if path.suffix != ".toml":
            raise InputError(f"the file of a mapped network must end in .toml, got {str(path)!r}")
        make_directory(path.parent)
        weights = self.model.path if self.model is not None else None
        if self.model is not None and weights is None:
            weights = self.model.save(path.with_suffix(".pt")).path
        checkpoint = self.mapped.checkpoint if weights is None else os.path.relpath(weights, path.parent)
        mapped = self.mapped.replace(checkpoint=checkpoint)
        write_atomically(path, mapped.to_toml())
        if self.fit is None:
            return path
        return self.fit.model_copy(update={"network": mapped}).write(path.with_suffix(".mapping.json"))

    def to_dict(self) -> dict[str, Any]:
        """Return the content of NAME.mapping.json."""
        return self._fit.to_dict()

    @property
    def exit_code(self) -> int:
        """3 where a limit is broken."""
        return self._fit.exit_code

    def summary(self) -> str:
        """Return scales, limits and accuracy in a few lines."""
        return self._fit.summary()

    def __str__(self) -> str:
        return self.mapped.name if self.fit is None else self.summary()

    @property
    def _fit(self) -> Mapping:
        if self.fit is None:
            raise InputError(f"{self.mapped.name} was read from its file: how it fits is in its .mapping.json")
        return self.fit


def map_network(
    model: Model | nn.Module | Path | str,
    spec: NeuronSpec | None = None,
    *,
    images: Dataset | MapStyle | EncodedImages,
    encoding: Encoding | None = None,
    variation: Variation | None = None,
    xor_quantile: float = 0.999,
    wrap_quantile: float = 1.0,
    use: float = LIMIT_USE,
    largest_fan_in: int | None = None,
    window_over_tau: float | None = None,
    keep_scale: bool = False,
    full_scale: FullScale | None = None,
    name: str = "network",
    progress: Progress = silent,
) -> NetworkOnCircuit:
    """Lay a trained network onto a circuit: phase per weight, lead, bank and bias delay of each layer.

    The scales are the largest that the circuit's limits allow on the membranes of `images` under eq. (4), but for a
    share 1 - `use` of each limit and the quantiles beyond `xor_quantile` and `wrap_quantile`; training images serve.

    Args:
        model: the trained or windowed network, a torch module of one's own, or the file of its weights.
        spec: the circuit; default: the embedded one.
        images: images of the network's data set; the deepest membrane of all sets the lead, so hundreds are better.
        encoding: of a module of one's own: how a pixel becomes a spike time.
        variation: how chips differ; default: the embedded numbers.
        xor_quantile: share of neurons and images that must stay within the XOR's range.
        wrap_quantile: share that must not wrap.
        use: share of each limit that is used.
        largest_fan_in: synapses that a neuron carries; default: as many as `spec` was characterised to carry, any
            number without transistors.
        window_over_tau: observation window; default: 2 τ after the latest decision. A windowed network has its own.
        keep_scale: keep phase per weight and lead of `spec` in every layer, and the bank of a characterised circuit.
        full_scale: of the weight bank, one for each "layer" or "neuron"; default: that to which training rounded the
            weights, a layer's where it did not. The bias spikes of windowed layers have one for each layer.
        name: of the mapped network.
        progress: hears how far it is.

    Returns:
        The network on the circuit; `met` says whether every limit is met, `limits` how closely.

    Raise InputError for a network that has no circuit, images of another data set, or a number out of bounds.
    """
    clock = RunClock()
    choice = Choice(xor_quantile, wrap_quantile, use, largest_fan_in)
    model = as_model(model, images, encoding)
    unrolled = unroll.unrolled(model.subject, model.network)
    fit = build(
        unrolled.physical,
        NeuronSpec() if spec is None else spec,
        EMBEDDED if variation is None else variation,
        images if isinstance(images, EncodedImages) else unroll.encoded(model.subject, images),
        choice,
        name=name,
        checkpoint="weights.pt" if model.path is None else model.path.name,
        checkpoint_sha256=model.sha256,
        window_over_tau=window_over_tau,
        keep_scale=keep_scale,
        full_scale=full_scale or model.full_scale or "layer",
        progress=progress,
    )
    return NetworkOnCircuit(
        fit.mapped,
        unrolled,
        fit.model_copy(update={"run": clock.record(), "trained_full_scale": model.full_scale}),
        model,
    )
