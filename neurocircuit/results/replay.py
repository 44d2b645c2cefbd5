"""Whole images and single neurons of a network on its circuit, as verification leaves them."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, PrivateAttr

from neurocircuit.core.result import Number, Result, Values
from neurocircuit.core.stats import binomial_p_value, exact_interval, random_effects, smallest_detectable_shortfall
from neurocircuit.results.inference import InferenceCost

SIGNIFICANCE = 0.05  # of a coverage that is rejected

Interval = tuple[Number, Number, Number]  # value, and the ends of its 95 % interval


class LayerReplay(Values):
    """Mean over images and chips of what a layer did, and of what the noise model says."""

    name: str
    latency: Interval
    deviation: Interval
    late_05: Interval
    late_95: Interval
    missed: Interval
    false: Interval
    wrapped: Interval
    beyond_xor: Interval
    model_latency: Interval | None = None
    model_deviation: Interval | None = None
    model_late_05: Interval | None = None
    model_late_95: Interval | None = None
    model_missed: Interval | None = None
    model_false: Interval | None = None


class WithoutCause(Values):
    """The first so many images on the same chips, with the same events, without one cause.

    with_it: accuracy on these images with everything on; gain: of accuracy over it, pair by pair.
    """

    cause: str
    images: int
    accuracy: Interval
    with_it: Interval
    gain: Interval


class ImagesReplay(Values):
    """Whole images on chips: accuracies and agreements by name, with intervals over images and, of five on, chips.

    outside: operating points beyond the noise table, of `points`; valid: whether they are few enough to predict. cost:
    in energy and time. without: what they do without a cause; None: not asked for.
    """

    images: int
    chips: int
    accuracy: dict[str, Interval]
    agreement: dict[str, Interval]
    by_chip: dict[str, float]
    undecided: int
    decision_over_tau: Interval
    layers: tuple[LayerReplay, ...]
    outside: int
    points: int
    outside_share: float
    tail_share: float
    valid: bool
    accuracy_difference: Interval | None = None
    cost: InferenceCost | None = None
    without: Annotated[tuple[WithoutCause, ...] | None, Field(exclude_if=lambda value: value is None)] = None


class LevelDifference(Values):
    """Fire times of a layer's neurons at one level less those at another, units of τ.

    median; mean_error: standard error of the mean; low, high: 95 % of the differences; only_here, only_there: runs that
    fire at one of the levels only; sentence: the same in words.
    """

    layer: str
    runs: int
    median: Number
    mean_error: Number
    low: Number
    high: Number
    only_here: int
    only_there: int
    sentence: str


class TransferReplay(Values):
    """The same images by the paper's reading: each layer's jitter by a transfer table's curve."""

    curve_level: str
    curve_jitter: tuple[float, ...]
    curve_mean: tuple[Number, ...]
    jitter_by_layer: tuple[float, ...]
    extrapolated_layers: int
    images: int
    accuracy: Interval
    agreement: Interval
    deviation: tuple[float, ...]


class Coverage(Values):
    """Runs in a central interval: their share, its 95 % interval, and the exact binomial test of the nominal share.

    The test counts as many independent runs as have the same clustered error; detectable: the largest share below the
    nominal one that so many reject four times in five, nan where none.
    """

    nominal: float
    share: float
    inside: int
    independent_runs: int
    low: float
    high: float
    p_value: float
    rejected: bool
    detectable: Number

    @classmethod
    def counted(cls, nominal: float, inside: int, runs: int, independent_runs: int | None = None) -> Self:
        """Return the coverage of so many of the runs, by default all independent. P is two-sided."""
        independent, share = independent_runs or runs, inside / runs
        count = round(share * independent)
        low, high = exact_interval(count, independent)
        p_value = binomial_p_value(count, independent, nominal)
        return cls(
            nominal=nominal,
            share=share,
            inside=inside,
            independent_runs=independent,
            low=low,
            high=high,
            p_value=p_value,
            rejected=p_value < SIGNIFICANCE,
            detectable=smallest_detectable_shortfall(independent, nominal, SIGNIFICANCE),
        )


class Case(Values):
    """One run far out in its prediction, and its membrane over time (units of τ and thresholds)."""

    pit_value: float
    measured_over_tau: Number
    predicted_over_tau: Number
    ideal_over_tau: Number
    slope: Number
    highest: Number
    chip: int
    image: int
    neuron: int
    wave: dict[str, tuple[Number, ...]]


class TransistorCase(Values):
    """One neuron in transistors beside the fast levels, times in units of τ."""

    neuron: int
    image: int
    slope: Number
    ideal: Number
    model: Number
    edge: Number
    transistor: Number


class LayerCheck(Values):
    """Single neurons of a layer against the noise table, or level against level where the causes differ.

    `sentence` says what was measured. A field that the kind of check does not have is None: coverage, scores and
    pit_histogram need a prediction of the same causes; median to only_there compare levels; failures and what follows
    are of neurons in transistors.
    """

    layer: str
    runs: int
    sentence: str
    chips: int | None = None
    coverage: tuple[Coverage, ...] | None = None
    rejected: bool | None = None
    score_mean: Number | None = None
    score_error: Number | None = None
    score_spread: Number | None = None
    deviation_median: Number | None = None
    deviation_spread: Number | None = None
    missed: int | None = None
    false: int | None = None
    pit_histogram: tuple[int, ...] | None = None
    points_of_all_images: int | None = None
    outside_share: float | None = None
    tail_share: float | None = None
    left_out: int | None = None
    valid: bool | None = None
    worst: tuple[Case, ...] | None = None
    correlation: dict[str, Number] | None = None
    median: Number | None = None
    mean_error: Number | None = None
    low: Number | None = None
    high: Number | None = None
    only_here: int | None = None
    only_there: int | None = None
    failures: int | None = None
    held: float | None = None
    eligible: float | None = None
    fan_in: int | None = None
    vco1_shift: float | None = None
    jump_gain: float | None = None
    late_median: Number | None = None
    late_quartiles: tuple[Number, Number] | None = None
    late_mean: Number | None = None
    late_spread: Number | None = None
    cases: tuple[TransistorCase, ...] | None = None
    fan_in_limit: float | None = None
    not_run: tuple[str, ...] | None = None

    def with_fields(self, **fields: Any) -> "LayerCheck":
        """Return the check with further fields, validated."""
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return LayerCheck(**kept | fields)


class NeuronsReplay(Values):
    """Single neurons at a level, against a table of `table_level`; differing_causes: what only one of them models.

    inputs: chips: spikes of whole images on chips; ideal: those of eq. (4). images: from which they are; None: unknown.
    """

    level: str
    table_level: str
    differing_causes: tuple[str, ...]
    inputs: str = "chips"
    images: int | None = None
    layers: tuple[LayerCheck, ...]


class Replay(Result):
    """What a network did on the circuit: whole images, single neurons, and what the paper's reading says."""

    kind: ClassVar[str] = "replay"

    name: str
    level: str
    split: str
    seed: int
    images: ImagesReplay | None = None
    transfer: TransferReplay | None = None
    neurons: NeuronsReplay | None = None
    _images_csv: str = PrivateAttr("")  # a row for each image on each chip

    def to_dict(self) -> dict[str, Any]:
        """Return the content of result.json; what was not asked for is left out."""
        return {"kind": self.kind, "schema": self.schema_version} | self.model_dump(mode="json", exclude_none=True)

    def files(self) -> Mapping[str, bytes | str]:
        """Return images.csv, a row for each image on each chip."""
        return {"images.csv": self._images_csv} if self._images_csv else {}

    def summary(self) -> str:
        """Return accuracies, agreements and layers, and a sentence for each layer of single neurons."""
        lines = []
        split = self.split or "given"
        if self.images is not None:
            chips = self.images.chips
            lines.append(f"{self.images.images} {split} images on {chips} chips at level {self.level}")
            lines.append(f"  95 % intervals {random_effects.scope(chips)}")
            for kind, shares in (("accuracy", self.images.accuracy), ("agreement", self.images.agreement)):
                lines += [f"  {kind} {name}: {_percent(value)}" for name, value in shares.items()]
            difference = self.images.accuracy_difference
            if difference is not None and math.isfinite(difference[1]):
                verdict = "they differ" if difference[1] > 0 or difference[2] < 0 else "no difference beyond chance"
                lines.append(
                    f"  circuit less noise model: {100 * difference[0]:+.1f} points ({100 * difference[1]:+.1f} to "
                    f"{100 * difference[2]:+.1f}): {verdict}"
                )
            lines += [
                f"  without {item.cause}, {item.images} images: accuracy {_percent(item.accuracy)}, with it "
                f"{_percent(item.with_it)}"
                for item in self.images.without or ()
            ]
            lines += [
                f"  layer {layer.name}: latency {layer.latency[0]:.4f}, deviation {layer.deviation[0]:.4f} tau, missed "
                f"{layer.missed[0]:.2%}, false {layer.false[0]:.2%}, wrapped {layer.wrapped[0]:.3%}"
                for layer in self.images.layers
            ]
            if self.images.cost is not None:
                lines.append(f"  energy and latency {self.images.cost.sentence()}")
            if not self.images.valid:
                share = f"{self.images.outside_share:.2%}"
                lines.append(f"  INVALID prediction: {share} of operating points beyond the table")
        if self.transfer is not None:
            accuracy = f"accuracy {_percent(self.transfer.accuracy)} on {self.transfer.images} {split} images"
            lines.append(f"  paper's reading (Table 3's curve): {accuracy}")
        if self.neurons is not None:
            lines += [layer.sentence for layer in self.neurons.layers]
        return "\n".join(lines)


def _percent(value: Interval) -> str:
    if not math.isfinite(value[1]):
        return f"{value[0]:.2%} (too few images or chips for an interval)"
    return f"{value[0]:.2%} ({value[1]:.2%} to {value[2]:.2%})"
