"""Sphinx: the documentation as a site. Its sources are the repository, so that links work here and on a code host."""

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pydantic import BaseModel  # noqa: E402
from pydantic.fields import FieldInfo  # noqa: E402

import neurocircuit  # noqa: E402

project = "neurocircuit"
author = "the neurocircuit developers"
release = version = neurocircuit.__version__
copyright = author

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "netlists/README.md",
    "training/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "reports/published/*.md",
    "reports/published/**/*.md",
]
# Folders that are not walked.
exclude_patterns = [".*", "build", "dist", "tests", "neurocircuit", "docs/_*"]

myst_enable_extensions = ["deflist", "colon_fence"]
smartquotes = False  # of an option --name it would make a dash
myst_heading_anchors = 4
suppress_warnings = [
    "myst.header",
    "toc.not_included",
]  # reports begin at their own level, and stand in no table of contents

html_theme = "pydata_sphinx_theme"
html_title = "neurocircuit"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_mock_imports: list[str] = []
napoleon_google_docstring = True

_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def _page_of(folder: Path) -> Path | None:
    """Return the page that speaks for a folder: its README or report, that of its replay, else the first."""
    pages = sorted(folder.rglob("*.md"), key=lambda path: (len(path.parts), path))
    named = [folder / name for name in ("README.md", "report.md", "replay/report.md")]
    return next((path for path in [*named, *pages] if path.exists()), None)


def _to_pages(app: Any, name: str, source: list[str]) -> None:
    """Lead links to folders to a page in them; a code host shows the folder."""
    folder = Path(app.srcdir, name).parent

    def target(match: re.Match[str]) -> str:
        path, anchor = match.group(1), match.group(2) or ""
        page = _page_of(folder / path) if (folder / path).is_dir() else None
        return f"{path}/{page.relative_to(folder / path)}{anchor}" if page else match.group(0)

    source[0] = _LINK.sub(target, source[0])


def _signature(app: Any, what: str, name: str, subject: Any, *_: Any) -> tuple[str, str] | None:
    """Show a described class by its fields, not by what validates them."""
    is_described = isinstance(subject, type) and issubclass(subject, BaseModel)
    return ("(**fields)", "") if is_described else None


def _fields(app: Any, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """List the fields of a described class behind its docstring: name, default, meaning."""
    if not (isinstance(subject, type) and issubclass(subject, BaseModel)):
        return
    lines += ["", "Fields:", ""]
    for field_name, field in subject.model_fields.items():
        meaning = re.sub(r"([|*_])", r"\\\1", " ".join((field.description or "").split())).replace("`", "``")
        lines.append(f"- **{field_name}**{_default(field)}{': ' if meaning else ''}{meaning}")
    lines.append("")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    text = repr(field.default)
    return f" (default ``{text}``)" if field.default_factory is None and len(text) < 60 else ""


def setup(app: Any) -> None:
    """Register what this site does beside its extensions."""
    app.connect("source-read", _to_pages)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _fields)
