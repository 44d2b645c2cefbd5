"""How a ReLU network became windowed neurons, layer by layer."""

import shlex
from pathlib import Path
from typing import ClassVar

from neurocircuit.core.result import Number, Result, Values
from neurocircuit.core.stats import wilson_interval
from neurocircuit.spec.windowed import Form

_FINE_TUNING = "windowed_finetune"  # recipe of one epoch of tens of thousands of images
_STEPS, _BATCH = 300, 100  # that are enough; of few images a batch is a tenth, so that an epoch has steps
_STEPS_OF_AN_EPOCH, _SMALLEST_BATCH = 10, 10


class LayerConversion(Values):
    """One converted layer: X, what it clips, how many of its neurons spike, and what its circuit would have to hold.

    clipped: share of activations beyond X; spikes: share that spikes before the window's end; of neurons and images.
    slope: smallest, median and largest. largest_current: max |Σ w e^-(t - ti)| over partial sums, thresholds.
    """

    name: str
    neurons: int
    fan_in: int
    largest: Number
    clipped: Number
    spikes: Number
    window_over_tau: Number
    slope: tuple[Number, Number, Number]
    largest_current: Number

    @property
    def current_over_slope(self) -> float:
        """Largest current over the median slope, units of tau: the phase noise of a circuit weighs in proportion."""
        return self.largest_current / self.slope[1]


class AccuracyComparison(Values):
    """How many test images the original and the converted network decide right, and how many alike."""

    split: str
    images: int
    right_before: int
    right_after: int
    same_decisions: int

    def __str__(self) -> str:
        intervals = [
            "{:.2%} ({:.2%} to {:.2%})".format(right / self.images, *wilson_interval(right, self.images))
            for right in (self.right_before, self.right_after)
        ]
        return (
            f"{self.images} {self.split} images: {intervals[0]} right before, {intervals[1]} as windowed neurons; "
            f"{self.same_decisions / self.images:.2%} decided alike"
        )


class Conversion(Result):
    """How a ReLU network became windowed neurons, on the images that chose X. quantile: None: X is a bound.

    accuracy: on test images, where both networks were compared. checkpoint: file of the converted network, once it has
    one; training_images: how many its data set has to fine-tune it, where the command converted it; data: their folder.
    """

    kind: ClassVar[str] = "conversion"

    form: Form
    quantile: float | None
    images: int
    same_decisions: int
    largest_error: Number
    latency_over_tau: Number
    layers: tuple[LayerConversion, ...]
    accuracy: AccuracyComparison | None = None
    checkpoint: str | None = None
    training_images: int | None = None
    data: str | None = None

    @property
    def fine_tuning(self) -> str:
        """The command that fine-tunes the network, whole where its file and data are known."""
        if self.checkpoint is None or self.training_images is None:
            return f"neurocircuit train {_FINE_TUNING} --initial FILE --out DIR"
        path = Path(self.checkpoint)
        words = ["neurocircuit", "train", _FINE_TUNING, "--initial", str(path)]
        words += [] if self.data is None else ["--data", self.data]
        batch = min(_BATCH, max(_SMALLEST_BATCH, self.training_images // _STEPS_OF_AN_EPOCH))
        epochs = max(1, round(_STEPS * batch / self.training_images))
        words += [] if epochs == 1 else ["--set", f"epochs={epochs}"]
        words += [] if batch == _BATCH else ["--set", f"batch_size={batch}"]
        return shlex.join([*words, "--out", str(path.with_name(f"{path.stem}-tuned"))])

    @property
    def spikes(self) -> float:
        """Share of all neurons that spike before their window's end."""
        return sum(row.spikes * row.neurons for row in self.layers) / sum(row.neurons for row in self.layers)

    def summary(self) -> str:
        """Return one line on agreement, one for each layer, and what form ramp wants."""
        lines = [
            f"{self.form}: {self.same_decisions / self.images:.1%} of {self.images} images are decided as before, "
            f"outputs within {self.largest_error:.1e} of their largest; decided after {self.latency_over_tau:.2f} tau "
            "at the latest"
        ]
        lines += [
            f"  {row.name}: {row.neurons} neurons of {row.fan_in} inputs, X {row.largest:.4g}, "
            f"clipped {row.clipped:.2%}, spike {row.spikes:.1%}, window {row.window_over_tau:g} tau, "
            f"slope {row.slope[1]:.3g}, largest current {row.largest_current:.3g}"
            for row in self.layers
        ]
        if self.accuracy is not None:
            lines.append(str(self.accuracy))
        if self.form == "ramp":
            lines.append(f"form ramp bends activations, fine-tune it: {self.fine_tuning}")
        return "\n".join(lines)
