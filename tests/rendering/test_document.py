"""One document, two pages: what stands in it stands in both, and texts stay texts."""

import re
from html import unescape
from pathlib import Path

import pytest

from neurocircuit.rendering import style
from neurocircuit.rendering.document import Bullets, Definitions, Document, Figure, Table, Verdict, draw, section, write


def planted(answer: str = "It answers.") -> Document:
    figure = Figure("limits", "Limits of layers.", b"<svg/>", b"png")
    table = Table(
        "A caption", ("row", "value", "words"), (("first", "1.5e-07", "a|b"), ("second", "2", "c")), "A note."
    )
    return Document(
        "A title",
        answer,
        (
            section("Blocks", "A paragraph.", "", None, [figure, table]),
            section("Lists", Bullets(("item one", "item two"), warning=True), Definitions((("name", "meaning"),))),
            section("Claims", Verdict("A claim", "its source", "not supported", ("evidence one", "evidence two"))),
        ),
        ("a remark",),
        {"data.csv": "a,b\n"},
    )


def texts(document: Document) -> list[str]:
    found = [document.title, document.answer, *document.remarks]
    for part in document.sections:
        found.append(part.heading)
        for block in part.blocks:
            match block:
                case str():
                    found.append(block)
                case Table():
                    found += [block.caption, *block.header, *(cell for row in block.rows for cell in row), block.note]
                case Figure():
                    found.append(block.caption)
                case Bullets():
                    found += block.items
                case Definitions():
                    found += [text for pair in block.items for text in pair]
                case Verdict():
                    found += [block.title, block.verdict, block.source, *block.evidence]
    return found


def test_both_pages_hold_every_text_in_the_order_of_the_document(tmp_path: Path) -> None:
    document = planted()
    assert write(document, tmp_path) == tmp_path / "report.html"
    html = unescape((tmp_path / "report.html").read_text()).partition("<main>")[2]
    markdown = (tmp_path / "report.md").read_text().replace("\\|", "|")
    for page in (html, markdown):
        place = 0
        for text in texts(document):
            shown = text.replace("1.5e-07", "1.5·10⁻⁷")
            assert shown in page[place:], shown
            place = page.index(shown, place)
    assert (tmp_path / "data.csv").read_text() == "a,b\n"


def test_a_table_of_markdown_keeps_its_columns(tmp_path: Path) -> None:
    write(planted(), tmp_path)
    lines = [line for line in (tmp_path / "report.md").read_text().splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}


def test_texts_of_a_user_are_text_not_html(tmp_path: Path) -> None:
    write(planted("<script>alert(1)</script> & more"), tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert "alert(1)" not in html.replace("&lt;script&gt;alert(1)", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html


@pytest.mark.parametrize("names", [("network.mapping", "real.mapping"), ("table.calibration", "report")])
def test_reports_that_share_a_folder_keep_their_own_figures(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        figure = Figure("limits", "Limits.", b"<svg/>", name.encode())
        write(Document("Title", "Answer.", (section("One", figure),)), tmp_path, name)
    for name in names:
        (linked,) = re.findall(r"\]\((.+?)\)", (tmp_path / f"{name}.md").read_text())
        assert (tmp_path / linked).read_bytes() == name.encode()


def test_a_figure_is_drawn_in_both_formats_and_equal_drawings_give_equal_bytes() -> None:
    def drawing() -> object:
        figure, (axes,) = style.new_figure(2.0)
        axes.plot([0, 1], [0, 1])
        return figure

    one, other = (draw("line", "A line.", drawing) for _ in range(2))  # type: ignore[arg-type]
    assert one == other
    assert one.svg.startswith(b"<?xml")
    assert one.png.startswith(b"\x89PNG")
    width = int.from_bytes(one.png[16:20], "big")
    assert width == round(200 * style.WIDTH_INCH)
