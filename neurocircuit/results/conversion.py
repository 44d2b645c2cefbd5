"""How a ReLU network became windowed neurons, layer by layer."""

from typing import ClassVar

from neurocircuit.core.result import Number, Result, Values
from neurocircuit.core.stats import wilson_interval
from neurocircuit.spec.windowed import Form


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

    accuracy: on test images, where both networks were compared.
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
            lines.append(
                "form ramp bends activations, fine-tune it: neurocircuit train mnist_windowed_finetune --initial FILE "
                f"--set encoding.alpha={self.layers[0].window_over_tau:g}, and for other data than MNIST the data's "
                "settings too (--set data.name=…, data.held_out=…)"
            )
        return "\n".join(lines)
