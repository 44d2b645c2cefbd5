"""What a network decides and how its layers spike: sections that evaluations and training runs share."""

from collections.abc import Iterable, Sequence
from functools import partial

from neurocircuit.core.stats import wilson_interval
from neurocircuit.rendering.document import Figure, Section, Table, draw, section
from neurocircuit.rendering.figures import evaluation as figures
from neurocircuit.rendering.layers import shown_names
from neurocircuit.rendering.text import ABSENT, interval, is_number
from neurocircuit.results.evaluation import Confusion, LayerEvents, LayerSpikes, LayerTimes

_MOST_MISTAKES = 10


def spikes_section(layers: Sequence[LayerSpikes], decision_over_tau: float, *remarks: str) -> Section:
    """Return the share of each layer's neurons that spike under eq. (4), and when: sparsity and latency by layer."""
    figure = draw("sparsity", "Share of each layer's neurons that spike.", partial(figures.sparsity_figure, layers))
    cells = [(f"{layer.overall:.1%}", f"{layer.before_decision:.1%}") for layer in layers]
    return _layers_section(layers, figure, ("at all", "before the decision"), cells, decision_over_tau, remarks)


def events_section(layers: Sequence[LayerEvents], decision_over_tau: float) -> Section:
    """Return the share of each layer's neurons that spike on chips, missed and false spikes, and when they come."""
    figure = draw("events", "What each layer's neurons do on the chips.", partial(figures.events_figure, layers))
    cells = [(f"{layer.fired:.1%}", f"{layer.missed:.2%}", f"{layer.false:.2%}") for layer in layers]
    note = "missed: spikes of eq. (4) that do not come; false: of neurons silent there; shares of all neurons."
    return _layers_section(layers, figure, ("spike", "missed", "false"), cells, decision_over_tau, (), note)


def _layers_section(
    layers: Sequence[LayerTimes],
    figure: Figure,
    header: tuple[str, ...],
    cells: Iterable[tuple[str, ...]],
    decision_over_tau: float,
    remarks: tuple[str, ...],
    note: str = "",
) -> Section:
    names = shown_names([layer.name for layer in layers])
    shown = [figure]
    if any(is_number(layer.first_over_tau) for layer in layers):
        caption = "When each layer spikes, from the image's start; dashed: the decision, mean over images."
        shown.append(draw("times", caption, partial(figures.times_figure, layers, decision_over_tau)))
        header = (*header, "first spike (τ)", "mean spike (τ)")
        cells = [
            (*shares, _time(layer.first_over_tau), _time(layer.mean_over_tau))
            for shares, layer in zip(cells, layers, strict=True)
        ]
        note += " First spike: of the layer, mean over images; mean spike: over all its spikes."
    rows = [(names[layer.name], f"{layer.neurons}", *shares) for layer, shares in zip(layers, cells, strict=True)]
    table = Table("Neurons by layer", ("layer", "neurons", *header), tuple(rows), note.strip())
    return section("Sparsity and latency by layer", remarks, shown, table)


def confusion_section(confusion: Confusion | None) -> tuple[Section, ...]:
    """Return what is taken for what; nothing for a result of before that was kept."""
    if confusion is None:
        return ()
    figure = draw(
        "confusion",
        "Of the images of each class (row), the share that is taken for each class (%)"
        + ("; “none”: no output spike." if confusion.matrix[:, -1].any() else "."),
        partial(figures.confusion_figure, confusion),
    )
    mistakes = confusion.mistakes()
    shown = mistakes[:_MOST_MISTAKES]
    rows = tuple(
        (image_class, decided or "none", f"{times}", interval((times / of, *wilson_interval(times, of))))
        for image_class, decided, times, of in shown
    )
    table = Table(
        "Most frequent mistakes" if len(shown) < len(mistakes) else "All mistakes",
        ("class", "taken for", "images", "share of the class"),
        rows,
        note="With 95 % intervals of Wilson.",
        prose=(1,),
    )
    return (section("Confusion matrix", figure, table if rows else "Every image is right."),)


def _time(value: float) -> str:
    return f"{value:.3f}" if is_number(value) else ABSENT
