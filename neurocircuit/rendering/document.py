"""A report as data: headings, paragraphs, lists, tables, figures and verdicts, written as HTML and as Markdown.

Every report is one Document. The HTML file is complete in itself: figures and style stand in it, nothing is loaded.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from neurocircuit.core.files import make_directory, write_atomically
from neurocircuit.rendering import hover, style, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

STEM = "report"  # of the pages of a run; its figures carry no prefix


@dataclass(frozen=True)
class Bullets:
    """A list; `warning`: what a reader must know before the numbers."""

    items: tuple[str, ...]
    warning: bool = False


@dataclass(frozen=True)
class Definitions:
    """Pairs of a name and what it is."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table as text; the first column names the row, columns in `prose` hold words. A note stands below it.

    A header of empty cells is left out.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    prose: tuple[int, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A drawn figure: file name without suffix, caption, and both formats.

    spots: what the page tells under the pointer. linear: the same on linear axes, to which the page switches.
    """

    name: str
    caption: str
    svg: bytes
    png: bytes
    spots: tuple[hover.Spot, ...] = ()
    linear: "Figure | None" = None

    @property
    def data_uri(self) -> str:
        """The SVG for an <img>, so that its ids stay its own."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


@dataclass(frozen=True)
class Links:
    """Pages beside this one: (path from here, what it is)."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Verdict:
    """What a source says, as a that-clause and in its words, the verdict on it, and the numbers behind the verdict."""

    title: str
    source: str
    verdict: str
    evidence: tuple[str, ...]


Block = str | Bullets | Definitions | Table | Figure | Links | Verdict


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, in its order; a plain string is a paragraph."""

    heading: str
    blocks: tuple[Block, ...]

    def groups(self) -> Iterator[tuple[str, list[Block]]]:
        """Give the blocks in runs of one type, as ("Figure", [...]): neighbouring figures share a row of the page."""
        for kind, run in groupby(self.blocks, key=lambda block: type(block).__name__):
            yield kind, list(run)


@dataclass(frozen=True)
class Document:
    """A whole report; `answer` says in a sentence or two what the run shows.

    remarks: what a reader must know before the numbers. files: what stands beside the pages, by name.
    """

    title: str
    answer: str
    sections: tuple[Section, ...]
    remarks: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def figures(self) -> list[Figure]:
        """All figures in their order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]


def draw(name: str, caption: str, function: Callable[[], "Drawing"], switch: bool = False) -> Figure:
    """Return the figure that `function` draws, in the style of all figures and in both formats.

    switch: the page can switch its logarithmic axes to linear ones.
    """
    with style.styled():
        linear = _linear(name, caption, function()) if switch else None
        drawing = function()
        svg, png = style.render(drawing, "svg"), style.render(drawing, "png")
        return Figure(name, caption, svg, png, hover.spots(drawing), linear)


def _linear(name: str, caption: str, drawing: "Drawing") -> Figure:
    style.set_linear(drawing)
    return Figure(name, caption, style.render(drawing, "svg"), b"", hover.spots(drawing))


def section(heading: str, *blocks: Block | Sequence[Block] | None) -> Section:
    """Return a section of blocks and of sequences of blocks; None and "" are left out."""
    flat: list[Block] = []
    for block in blocks:
        if isinstance(block, str | Bullets | Definitions | Table | Figure | Links | Verdict):
            flat += [block] if block != "" else []
        elif block is not None:
            flat += block
    return Section(heading, tuple(flat))


def write(document: Document, folder: Path, stem: str = STEM) -> Path:
    """Write STEM.html, STEM.md, `files` and figures/ into a folder; return the path of the HTML page.

    Reports of several results may share a folder: but for report.html, figures bear the name of their page. Raise
    InputError naming the folder that cannot be written.
    """
    prefix = "" if stem == STEM else f"{stem}."
    pages = {suffix: _template(f"document{suffix}.j2").render(document=document, prefix=prefix) for suffix in _PAGES}
    if document.figures:
        make_directory(folder / "figures")
    for figure in document.figures:
        write_atomically(folder / "figures" / f"{prefix}{figure.name}.svg", figure.svg)
        write_atomically(folder / "figures" / f"{prefix}{figure.name}.png", figure.png)
    for name, content in document.files.items():
        write_atomically(folder / name, content)
    for suffix, page in pages.items():
        write_atomically(folder / f"{stem}{suffix}", page)
    return folder / f"{stem}.html"


_PAGES = (".md", ".html")


def _template(name: str) -> jinja2.Template:
    """Make an environment in which a name that a template misses is an error, and HTML is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("neurocircuit.rendering", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.loader.get_source(environment, "document.js")[0] if environment.loader else ""
    environment.globals["script"] = Markup(script)  # noqa: S704  (ours)
    environment.globals["script_hash"] = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.filters["powers"] = text.powers
    environment.filters["cell"] = lambda cell: text.powers(str(cell)).replace("|", "\\|")
    return environment.get_template(name)
