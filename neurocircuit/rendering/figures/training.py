"""Figure of a training run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neurocircuit.rendering import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neurocircuit.rendering.read.training import Epoch

_COLOURS = style.SERIES_COLOURS


def training_figure(epochs: "Sequence[Epoch]") -> "Figure":
    """Draw the loss, and accuracy in training and on held-out images, over the epochs."""
    figure, (loss, accuracy) = style.new_figure(4.0, rows=2, sharex=True)
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.12, hspace=0.14)
    x = [epoch.epoch for epoch in epochs]
    marker = "o" if len(x) < 12 else None
    loss.plot(x, [epoch.loss for epoch in epochs], color=_COLOURS[0], marker=marker)
    loss.set(ylabel="loss (a.u.)", yscale="log")
    style.set_log_plain(loss.yaxis)
    accuracy.plot(
        x, [100 * epoch.train_accuracy for epoch in epochs], color=_COLOURS[0], marker=marker, label="training"
    )
    held_out = [(epoch.epoch, 100 * epoch.held_out_accuracy) for epoch in epochs if epoch.held_out_accuracy is not None]
    if held_out:
        accuracy.plot(*zip(*held_out, strict=True), color=_COLOURS[1], marker="s" if marker else None, label="held out")
    accuracy.set(xlabel="epoch (number)", ylabel="accuracy (%)")
    style.set_whole_numbers(accuracy.xaxis)
    accuracy.legend(loc="lower right")
    return figure
