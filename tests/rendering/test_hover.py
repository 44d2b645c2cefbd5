"""What a page tells under the pointer: places and texts of points, bars, cells and intervals, read off the drawing."""

import json

import matplotlib.pyplot as plt
import pytest

from neurocircuit.rendering import hover, style
from neurocircuit.rendering.document import Document, draw, section, write


@pytest.fixture
def drawn():
    with style.styled():
        figure, axes = plt.subplots(figsize=(4, 2))
    yield figure, axes
    plt.close(figure)


def spots(figure) -> tuple[hover.Spot, ...]:
    figure.draw_without_rendering()
    return hover.spots(figure)


def texts(figure) -> list[str]:
    return [spot[2] for spot in spots(figure)]


def test_a_point_stands_where_it_is_drawn_and_says_its_values_with_units(drawn):
    figure, axes = drawn
    axes.plot([0.0, 1.0], [2.0, 4.0], label="edge")
    axes.set(xlabel="time (τ)", ylabel="output jitter (%)", xlim=(0, 1), ylim=(0, 4))
    box = axes.get_position()
    (x, y, low), (right, top, high) = spots(figure)
    assert (x, y) == pytest.approx((box.x0, 1 - (box.y0 + box.y1) / 2), abs=1e-3)
    assert (right, top) == pytest.approx((box.x1, 1 - box.y1), abs=1e-3)
    assert low == "edge\ntime: 0 τ\noutput jitter: 2 %"
    assert high == "edge\ntime: 1 τ\noutput jitter: 4 %"


def test_an_interval_is_that_of_its_own_colour_in_the_digits_that_it_carries(drawn):
    figure, axes = drawn
    axes.vlines([1.0], [1.5], [2.5], colors="#ff0000")
    axes.vlines([1.0], [0.0], [9.0], colors="#00ff00")
    axes.plot([1.0], [2.04], "o", color="#ff0000")
    axes.set(ylabel="output jitter (%)")
    assert texts(figure)[0].splitlines()[-1] == "output jitter: 2.0 (1.5 … 2.5) %"


def test_what_lies_beyond_the_axes_or_is_not_a_number_has_no_place(drawn):
    figure, axes = drawn
    axes.plot([0.0, 1.0, 2.0], [0.0, float("nan"), 5.0])
    axes.set(xlim=(0, 1.5), ylim=(0, 1))
    assert len(spots(figure)) == 1


def test_bars_have_their_categories_and_cells_their_values(drawn):
    figure, axes = drawn
    axes.bar([0, 1], [3.0, 7.0], label="armed")
    axes.set_xticks([0, 1], ["conv1", "fc1"])
    axes.set(ylabel="energy (nJ)")
    assert texts(figure) == ["armed\nconv1\nenergy: 3 nJ", "armed\nfc1\nenergy: 7 nJ"]
    axes.clear()
    axes.pcolormesh([[1.0, 2.0], [3.0, 4.0]])
    assert [text.splitlines()[0] for text in texts(figure)] == ["1", "2", "3", "4"]


def test_long_lines_are_thinned(drawn):
    figure, axes = drawn
    axes.plot(range(100_000), range(100_000))
    assert 700 < len(spots(figure)) <= 1500


def test_names_in_a_page_stay_text(tmp_path):
    """A name with markup or quotes is data: it ends neither the attribute nor the script."""
    name = "</script><b>'x' \"y\" & z"

    def drawing():
        figure, (axes,) = style.new_figure(2.0)
        axes.plot([0.0, 1.0], [1.0, 10.0], label=name)
        axes.set(yscale="log")
        return figure

    figure = draw("one", "A figure.", drawing, switch=True)
    page = write(Document("Title", "Answer.", (section("One", [figure]),)), tmp_path).read_text()
    assert "<b>" not in page
    attribute = page.split("data-spots='", 1)[1].split("'", 1)[0]
    assert json.loads(attribute)[0][2].splitlines()[0] == name
    assert page.count("<script>") == page.count("</script>") == 1
    assert "Linear axes" in page
