"""The page in a real browser: silent, offline, every figure drawn, no sideways scrolling."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rendering.browser import CHROMIUM, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_opens_clean_at_both_widths(page: Page, written_run: Path, width: int, dark: bool) -> None:
    page.open(written_run / "report.html", width, dark)
    assert page.complaints() == []
    outside = [url for url in page.requests() if not url.startswith(("data:", "file:"))]
    assert outside == []
    assert [url for url in page.requests() if url.startswith("file:")] == [(written_run / "report.html").as_uri()]
    assert page.evaluate("innerWidth") == width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    drawn = page.evaluate(
        "[...document.images].filter(i => !i.hidden).map(i => [i.naturalWidth, i.clientWidth, i.clientHeight])"
    )
    assert len(drawn) == 8
    assert all(natural > 100 and wide > 300 and high > 200 for natural, wide, high in drawn)


def test_the_pointer_tells_the_values_and_a_button_makes_the_axes_linear(page: Page, written_run: Path) -> None:
    page.open(written_run / "report.html", 1280)
    figure = "document.querySelector('#transfer_curve')"
    tip = f"{figure}.querySelector('.tip')"
    point = f"JSON.parse({figure}.querySelector('img').dataset.spots)[0]"
    move = (
        "((drawing, [x, y], box = drawing.getBoundingClientRect()) => drawing.dispatchEvent(new PointerEvent("
        "'pointermove', {clientX: box.left + x * box.width, clientY: box.top + y * box.height})))"
    )
    assert page.evaluate(f"{tip}.hidden")
    page.evaluate(f"{move}({figure}.querySelector('.drawing'), {point})")
    assert not page.evaluate(f"{tip}.hidden")
    assert page.evaluate(f"{point}[2]") in page.evaluate(f"{tip}.textContent")
    assert "output jitter" in page.evaluate(f"{tip}.textContent")
    shown = f"[...{figure}.querySelectorAll('img')].map(i => i.hidden)"
    assert page.evaluate(shown) == [False, True]
    page.press("#transfer_curve button")
    assert page.evaluate(shown) == [True, False]
    assert page.evaluate(f"{figure}.querySelector('button').textContent") == "Logarithmic axes"
    assert page.evaluate(f"{tip}.hidden")
    assert page.complaints() == []


def test_text_is_large_enough_on_a_phone(page: Page, written_run: Path) -> None:
    """Figures are drawn 358 px wide with text of 8 pt and more: shown as wide, the text keeps its size."""
    page.open(written_run / "report.html", 390)
    assert min(page.evaluate("[...document.images].filter(i => !i.hidden).map(i => i.clientWidth)")) >= 358
    elements = "[...document.querySelectorAll('p,td,th,li,figcaption,caption')]"
    sizes = page.evaluate(f"{elements}.map(e => parseFloat(getComputedStyle(e).fontSize))")
    assert min(sizes) >= 12


def test_a_wide_table_scrolls_in_its_own_box_and_loses_nothing(page: Page, written_run: Path) -> None:
    page.open(written_run / "report.html", 390)
    boxes = page.evaluate(
        "[...document.querySelectorAll('table')].map(t => [t.offsetWidth, t.parentElement.className])"
    )
    assert any(wide > 358 for wide, _ in boxes)
    assert all(name == "scroll" for _, name in boxes)


def test_light_and_dark_have_contrast(page: Page, written_run: Path) -> None:
    """WCAG: at least 4.5 between text and page, for every colour in use."""
    for dark in (False, True):
        page.open(written_run / "report.html", 1280, dark)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        inks = page.evaluate(
            "[...new Set([...document.querySelectorAll('p,td,h2,.note,.verdict span')]"
            ".map(e => getComputedStyle(e).color))]"
        )
        assert (_luminance(paper) < 0.5) == dark
        assert len(inks) > 2
        for ink in inks:
            dim, bright = sorted((_luminance(ink), _luminance(paper)))
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, (ink, paper)


def _luminance(colour: str) -> float:
    """Of "rgb(r, g, b)" by WCAG 2."""
    channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
