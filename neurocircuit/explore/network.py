"""What the page shows of a mapped network: its accuracy while causes of its noise table grow or shrink."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from neurocircuit.core.stats import random_effects
from neurocircuit.errors import InputError
from neurocircuit.noise.table import SCALABLE, NoiseTable
from neurocircuit.rendering.text import interval
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.sets import Dataset
from neurocircuit.snn.hardware.evaluate import HardwareAccuracy, evaluate_on_chips
from neurocircuit.snn.model import Model
from neurocircuit.snn.model import load as load_model
from neurocircuit.spec import MappedNetwork

IMAGES, CHIPS = 200, 3


@dataclass(frozen=True)
class Accuracy:
    """Accuracy on chips for factors of the table's causes, with its 95 % interval: (value, low, high), ratios.

    change: over the table's own causes, with its interval; the images, chips and events are the same for both.
    """

    factors: Mapping[str, float]
    interval: tuple[float, float, float]
    change: tuple[float, float, float]


@dataclass
class OnChips:
    """A network on chips of its noise table: accuracies for factors of the table's causes, each computed once.

    Several threads may ask.
    """

    model: Model
    images: Dataset
    table: NoiseTable
    chips: int = CHIPS
    _known: dict[tuple[tuple[str, float], ...], HardwareAccuracy] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)  # the network's weights are rounded in place while it is on chips

    @classmethod
    def open(
        cls,
        weights: Path | str,
        noise: Path | str,
        data: Path | str | None = None,
        images: int = IMAGES,
        chips: int = CHIPS,
    ) -> "OnChips":
        """Read weights, table and the first test images. Raise InputError where one is missing or does not fit."""
        model = load_model(Path(weights))
        test = sets.load(model.subject.data, "test", data)
        return cls(model, test.first(images), NoiseTable.load(Path(noise)), chips)

    def accuracy(self, factors: Mapping[str, float]) -> Accuracy:
        """Return the accuracy with the causes so many times as large; those not named are the table's own.

        The images meet the same chips and events each time, so that differences are of the factors, not of luck. The
        interval is over images, chips and events; the calibration's own error is left out.
        """
        scaled, unscaled = self._on_chips(factors), self._on_chips({})
        difference = scaled.right.astype(float) - unscaled.right
        change = (
            (0.0, 0.0, 0.0)
            if scaled is unscaled
            else (
                float(difference.mean()),
                *random_effects.difference_interval(random_effects.components(difference), difference),
            )
        )
        return Accuracy(dict(factors), (scaled.accuracy, *scaled.interval), change)

    @property
    def software(self) -> float:
        """Accuracy in software, of the same images."""
        return float(self._on_chips({}).software.mean())

    def _on_chips(self, factors: Mapping[str, float]) -> HardwareAccuracy:
        key = tuple(sorted((name, factor) for name, factor in factors.items() if factor != 1.0))
        if key in self._known:
            return self._known[key]
        with self._lock:
            if key not in self._known:
                table = self.table.scaled(dict(key))
                self._known[key] = evaluate_on_chips(
                    self.model.network, self.images, self.model.subject, table, self.chips, 1, tables=0
                )
            return self._known[key]

    def sentence(self) -> str:
        """Return what the table's own noise does to the network, and on how many images and chips that is known."""
        circuit = MappedNetwork.from_dict(self.table.provenance["network"]).neuron.name
        return (
            f"On chips of the circuit {circuit} the network {self.model.subject.network.name} has "
            f"{interval(self.accuracy({}).interval, 1)} of {len(self.images)} test images of {self.images.name} right, "
            f"{self.software:.1%} in software. Each point: the same images on the same {self.chips} chips."
        )

    def against(
        self, first: str, second: str, along: Sequence[float], beside: Sequence[float]
    ) -> Iterator[tuple[float, float, Accuracy]]:
        """Yield factor of `first`, factor of `second` and the accuracy there, the table's own circuit first.

        along, beside: factors of `first` and of `second`. Raise InputError for a cause that is unknown or named twice.
        """
        for cause in (first, second):
            if cause not in SCALABLE:
                raise InputError(f"quantity must be among {', '.join(SCALABLE)}, got {cause!r}")
        if first == second:
            raise InputError(f"quantities must differ, got {first} twice")
        for of_second in sorted(beside, key=_own_first):
            for of_first in sorted(along, key=_own_first):
                yield of_first, of_second, self.accuracy({first: of_first, second: of_second})


def _own_first(factor: float) -> bool:
    return factor != 1.0
