"""Reports of runs, from the files that each run leaves; nothing here simulates.

Each kind of result has one renderer: a module of `renderers` whose `render(file)` reads the result and returns a
Document. It is imported when a result of its kind is met.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocircuit.core.files import read_json
from neurocircuit.core.result import RESULT
from neurocircuit.errors import FileFormatError, InputError

if TYPE_CHECKING:
    from neurocircuit.rendering.document import Document

KINDS = (
    "sweep",
    "characterisation",
    "conversion",
    "mapping",
    "calibration",
    "replay",
    "evaluation",
    "evaluation_on_chips",
    "training",
    "robustness",
    "compare",
    "circuit_curves",
    "pvt",
    "codesign",
    "noise_cost",
    "noise_coverage",
    "loop",
    "circuit_comparison",
)
_WITHOUT_REPORT = ("transfer_jitter",)  # lie beside results that have one
_RECORD = "run.json"  # the last file of a sweep and of a characterisation


def write_reports(path: Path | str) -> list[Path]:
    """Write the report of each result in a run's folder, from its files alone; return the paths of the HTML pages.

    `path` is the folder of a finished run, or one result file (.json) in it. result.json gives report.html, another
    NAME.json gives NAME.html; beside each the same as Markdown, and figures/. All pages of a result are made before
    its first file is written. Raise InputError or FileFormatError naming the file that is missing, foreign or damaged,
    or the kind that has no report.
    """
    from neurocircuit.rendering.document import STEM, write

    pages = []
    for file, kind in results_at(Path(path)):
        stem = STEM if file.name in (RESULT, _RECORD) else file.stem
        pages.append(write(render(file, kind), file.parent, stem))
    return pages


def write_report(path: Path | str) -> Path:
    """Write the report of a run as `write_reports` does; return its HTML page, of several results the first."""
    return write_reports(path)[0]


def render(file: Path, kind: str) -> "Document":
    """Return the report of one result of a kind. Raise FileFormatError for a kind without a report."""
    if kind not in KINDS:
        raise FileFormatError(f"{file} must be of a kind that has a report ({', '.join(KINDS)}), got {kind!r}")
    document: Document = import_module(f"neurocircuit.rendering.renderers.{kind}").render(file)
    return document


def results_at(path: Path) -> list[tuple[Path, str]]:
    """Return the results in a folder, or the one that a file is: (file, kind).

    Raise InputError where there is no such path, FileFormatError where nothing there names its kind.
    """
    if not path.exists():
        raise InputError(f"run directory {path} does not exist")
    results = list(_results(path))
    if not results:
        raise FileFormatError(f"{path} must hold the result of a run (of a kind among {', '.join(KINDS)}), found none")
    return results


def runs_below(folder: Path) -> list[Path]:
    """Return every folder at or below `folder` that holds a result."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    return sorted(path for path in folders if next(_results(path), None) is not None)


def _results(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_file():
        yield path, _kind(path) or "no kind"
        return
    record = path / _RECORD
    if not (path / RESULT).exists() and (not record.exists() or _kind(record) is None):
        # A sweep or a characterisation that has not finished, or whose record is damaged, is known by its folder.
        if (path / "conditions").is_dir():
            yield record, "characterisation"
        elif (path / "request.json").exists():
            yield record, "sweep"
    for file in sorted(path.glob("*.json")):
        kind = _kind(file)
        if kind is not None and kind not in _WITHOUT_REPORT:
            yield file, kind


def _kind(file: Path) -> str | None:
    values = read_json(file)
    kind = values.get("kind") if isinstance(values, dict) else None
    return kind if isinstance(kind, str) else None


@dataclass(frozen=True)
class Reports:
    """The HTML pages that were written; beside each the same as Markdown."""

    pages: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """Always 0: what cannot be written is raised."""
        return 0

    def save(self, out: Path | str) -> Path:
        """Return the folder: reports are written beside the results."""
        return Path(out)

    def to_dict(self) -> dict[str, Any]:
        """Return the paths of the pages."""
        return {"reports": [{"report": str(page), "markdown": str(page.with_suffix(".md"))} for page in self.pages]}

    def __str__(self) -> str:
        return "\n".join(map(str, self.pages))


def write_all(runs: Iterable[Path | str], recursive: bool = False) -> Reports:
    """Write the reports of several runs, with `recursive` also of those below. Raise as `write_reports`."""
    folders = [folder for run in runs for folder in (runs_below(Path(run)) if recursive else [Path(run)])]
    return Reports(tuple(page for folder in folders for page in write_reports(folder)))
