"""What the page shows of a mapped network: its accuracy while causes of its noise table grow or shrink."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from neurocircuit.errors import InputError
from neurocircuit.noise.table import SCALABLE, NoiseTable
from neurocircuit.results.evaluation import ChipEvaluation
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.sets import Dataset
from neurocircuit.snn.model import Model
from neurocircuit.snn.model import load as load_model
from neurocircuit.studies.evaluation import evaluate

ALONG = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # factors of the first quantity
BESIDE = (0.0, 1.0, 2.0)  # of the second, a line for each
IMAGES, CHIPS = 200, 3


@dataclass(frozen=True)
class Accuracy:
    """Accuracy on chips with its 95 % interval (ratios), for factors of the table's causes."""

    factors: Mapping[str, float]
    accuracy: float
    low: float
    high: float


@dataclass
class OnChips:
    """A network on chips of its noise table: accuracies for factors of the table's causes, each computed once."""

    model: Model
    images: Dataset
    table: NoiseTable
    chips: int = CHIPS
    known: dict[tuple[tuple[str, float], ...], Accuracy] = field(default_factory=dict)

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
        key = tuple(sorted((name, factor) for name, factor in factors.items() if factor != 1.0))
        if key not in self.known:
            result = evaluate(self.model, self.images, noise=self.table.scaled(dict(key)), chips=self.chips, tables=0)
            assert isinstance(result, ChipEvaluation)  # noqa: S101
            self.known[key] = Accuracy(dict(key), result.accuracy, result.accuracy_low, result.accuracy_high)
        return self.known[key]

    def sentence(self, points: int) -> str:
        """Say what a point is, and how many there are."""
        return (
            f"{points} of {len(ALONG) * len(BESIDE)} points: {len(self.images)} test images of {self.images.name} on "
            f"{self.chips} chips each"
        )

    def against(self, first: str, second: str) -> Iterator[tuple[float, float, Accuracy]]:
        """Yield factor of `first`, factor of `second` and the accuracy there, the table's own circuit first.

        Raise InputError for a cause that is unknown or named twice.
        """
        for cause in (first, second):
            if cause not in SCALABLE:
                raise InputError(f"quantity must be among {', '.join(SCALABLE)}, got {cause!r}")
        if first == second:
            raise InputError(f"quantities must differ, got {first} twice")
        rows = sorted(BESIDE, key=lambda factor: factor != 1.0)
        for beside in rows:
            for along in ALONG:
                yield along, beside, self.accuracy({first: along, second: beside})
