"""Figures of what a network decides and when its layers spike: readable from one layer to a deep network's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from neurocircuit.rendering import style
from neurocircuit.rendering.figures import evaluation
from neurocircuit.results.evaluation import Confusion, LayerEvents, LayerSpikes
from tests.rendering.test_figures import assert_legible, drawn_texts


def _spikes(names: list[str]) -> list[LayerSpikes]:
    return [
        LayerSpikes(name=name, neurons=10, first_over_tau=k, mean_over_tau=k + 1, overall=0.5, before_decision=0.2)
        for k, name in enumerate(names)
    ]


def _confusion(names: list[str]) -> Confusion:
    generator = np.random.default_rng(1)
    return Confusion.of(tuple(names), generator.integers(0, 300, (len(names), len(names) + 1)))


DEEP = [f"conv{k}" for k in range(1, 58)] + ["fc1"]
LONG = ["a_name_that_is_longer_than_an_axis", "fc1"]
FIGURES: dict[str, Callable[[], Figure]] = {
    "one layer": lambda: evaluation.sparsity_figure(_spikes(["fc1"])),
    "deep": lambda: evaluation.sparsity_figure(_spikes(DEEP)),
    "long names": lambda: evaluation.sparsity_figure(_spikes(LONG)),
    "times": lambda: evaluation.times_figure(_spikes(["conv1", "conv2", "fc1"]), 3.0),
    "times of a deep network": lambda: evaluation.times_figure(_spikes(DEEP), 60.0),
    "events": lambda: evaluation.events_figure(
        [LayerEvents(name=name, neurons=3, ideal=0.5, fired=0.5, missed=0.1, false=0.1) for name in LONG]
    ),
    "ten classes": lambda: evaluation.confusion_figure(_confusion([str(k) for k in range(10)])),
    "named classes": lambda: evaluation.confusion_figure(_confusion(["aeroplane", "a_very_long_class_name", "ship"])),
    "fifteen classes": lambda: evaluation.confusion_figure(_confusion([f"n{k:08}" for k in range(15)])),
    "sixteen classes": lambda: evaluation.confusion_figure(_confusion([f"n{k:08}" for k in range(16)])),
    "a thousand classes": lambda: evaluation.confusion_figure(_confusion([f"n{k:08}" for k in range(1000)])),
}


@pytest.mark.parametrize("name", FIGURES)
def test_text_is_8_pt_uncut_and_does_not_overlap(name: str) -> None:
    with style.styled():
        figure = FIGURES[name]()
        texts = drawn_texts(figure)
    assert texts
    assert_legible(figure, texts)


def test_the_matrix_shows_each_share_where_it_belongs() -> None:
    """Rows are the classes of the images; a row that is decided for none stands in the last column."""
    matrix = np.array([[8, 2, 0], [0, 999, 1]])
    with style.styled():
        (axes,) = evaluation.confusion_figure(Confusion.of(("cat", "dog"), matrix)).axes
    shown: dict[tuple[Any, Any], str] = {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axes.texts
    }
    assert shown == {(0, 0): "80", (0, 1): "20", (1, 1): "100", (1, 2): "<1"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog", "none"]
