"""What an eye would object to, checked on the drawn figures: small text, cut text, axes without units."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurocircuit.errors import InputError
from neurocircuit.neuron.record import Waveforms
from neurocircuit.rendering import figures, style
from neurocircuit.rendering.read.agreement import agreements
from neurocircuit.rendering.read.sweep import Run, read_run
from tests.rendering.conftest import RunMaker


def linear_transfer(run: Run) -> Figure:
    figure = figures.transfer_curve(run)
    style.set_linear(figure)
    return figure


FIGURES: dict[str, Callable[[Run], Figure]] = {
    "transfer": figures.transfer_curve,
    "transfer on linear axes": linear_transfer,
    "quantisation": figures.quantisation_curve,
    "edge": lambda run: figures.level_scatter(agreements(run)[0]),
    "bsource": lambda run: figures.level_scatter(agreements(run)[-1]),
    "interpretations jitter": lambda run: figures.interpretations_figure(run, "jitter"),
    "interpretations bits": lambda run: figures.interpretations_figure(run, "bits"),
    "waveforms": lambda run: figures.waveform_figure(run.waveforms, "threshold", run.shown_inputs_over_tau),
}


@pytest.fixture(scope="module")
def run(written_run: Path) -> Run:
    return read_run(written_run)


def test_linear_axes_begin_at_0_without_the_line_far_from_the_data(run: Run) -> None:
    logarithmic, linear = figures.transfer_curve(run), linear_transfer(run)
    far = "output = input"
    assert far in [text.get_text() for text, _ in drawn_texts(logarithmic)]
    assert far not in [text.get_text() for text, _ in drawn_texts(linear)]
    (axes,) = linear.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")
    assert (axes.get_xlim()[0], axes.get_ylim()[0]) == (0.0, 0.0)


def drawn_texts(figure: Figure) -> list[tuple[Text, Any]]:
    """Every drawn text with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    undrawn = {id(label) for axes in figure.axes for label in _labels_outside(axes)}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text, text.get_window_extent(canvas.get_renderer())) for text in texts if id(text) not in undrawn]


def assert_legible(figure: Figure, texts: list[tuple[Text, Any]]) -> None:
    """Assert that no drawn text is smaller than 8 pt, cut by the edge of the figure, or on another."""
    width, height = figure.canvas.get_width_height()
    for text, box in texts:
        assert text.get_fontsize() >= 8, text
        assert -1 <= box.x0 <= box.x1 <= width + 1, text
        assert -1 <= box.y0 <= box.y1 <= height + 1, text
    for k, (first, one) in enumerate(texts):
        for second, other in texts[:k]:
            apart = one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
            assert apart, (first, second)


def _labels_outside(axes: Any) -> list[Text]:
    """matplotlib keeps the labels of ticks outside the view, undrawn, and those of inner shared axes."""
    found = []
    for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
        for tick in [*axis.majorTicks, *axis.minorTicks]:
            if not low <= tick.get_loc() <= high:
                found += [tick.label1, tick.label2]
            found += [label for label in (tick.label1, tick.label2) if not (label.get_visible() and tick.get_visible())]
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_text_is_8_pt_uncut_and_does_not_overlap(run: Run, name: str) -> None:
    with style.styled():
        figure = FIGURES[name](run)
        texts = drawn_texts(figure)
    assert figure.get_size_inches()[0] == style.WIDTH_INCH
    assert_legible(figure, texts)


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_a_unit(run: Run, name: str) -> None:
    with style.styled():
        figure = FIGURES[name](run)
    *upper, lowest = figure.axes
    assert "(" in lowest.get_xlabel()
    for axes in [*upper, lowest]:
        assert "(" in axes.get_ylabel() or not axes.get_yticks().size


def test_drawing_leaves_no_trace_in_matplotlib(run: Run) -> None:
    before = dict(mpl.rcParams)
    with style.styled():
        style.render(FIGURES["transfer"](run), "svg")
    assert dict(mpl.rcParams) == before


def test_palettes_differ_in_lightness_or_hue_for_every_eye() -> None:
    """Pairs stay apart when red and green are confused (Viénot 1999, deuteranopia)."""
    matrix = np.array([[0.29275, 0.70725, -0.02234], [0.29275, 0.70725, -0.02234], [-0.02234, 0.02234, 1.0]]).T

    def linear(colour: str) -> Any:
        return (np.array(mpl.colors.to_rgb(colour)) ** 2.2) @ matrix

    seen = [linear(colour) for colour in style.LEVEL_COLOURS.values()]
    for k, one in enumerate(seen):
        for other in seen[:k]:
            assert np.linalg.norm(one - other) > 0.1


def _waves(fires: bool) -> Waveforms:
    time = np.linspace(0, 10, 500)
    membrane = (1.5 if fires else 0.5) * (1 - np.exp(-time))
    return Waveforms(
        time, np.tile(membrane, (4, 1)), membrane * 0, membrane * 0, membrane, (membrane > 1).astype(float)
    )


@pytest.mark.parametrize("suffix", ["png", "svg", "PNG"])
@pytest.mark.parametrize("fires", [True, False])
def test_waveforms_are_written_by_suffix(tmp_path: Path, suffix: str, fires: bool) -> None:
    path = tmp_path / f"w.{suffix}"
    figures.draw_waveforms({"edge": _waves(fires)}, "threshold", (0.1, float("inf")), path)
    content = path.read_bytes()
    assert content.startswith(b"<?xml" if suffix == "svg" else b"\x89PNG")
    assert b"<dc:date>" not in content


def test_another_suffix_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.png or \.svg, got .*w\.pdf"):
        figures.draw_waveforms({"edge": _waves(True)}, "threshold", (0.1,), tmp_path / "w.pdf")
    assert list(tmp_path.iterdir()) == []


def test_small_and_large_percentages_stand_plain_or_as_powers() -> None:
    assert [style.plain_number(value) for value in (0.01, 1.0, 10.0, 1e-6, 1e-14)] == [
        "0.01",
        "1",
        "10",
        "10⁻⁶",
        "10⁻¹⁴",
    ]


def test_run_maker_gives_runs_without_a_level(make_run: RunMaker) -> None:
    run = read_run(make_run(levels=("averaged", "ideal"), level="averaged"))
    with style.styled():
        assert len(drawn_texts(figures.transfer_curve(run))) > 5
