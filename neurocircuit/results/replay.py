"""Whole images and single neurons of a network on its circuit, as verification leaves them."""

from neurocircuit.core.result import Number, Values

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


class ImagesReplay(Values):
    """Whole images on chips: accuracies and agreements by name, with intervals over images and, of five on, chips.

    outside: operating points beyond the noise table, of `points`; valid: whether they are few enough to predict.
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
