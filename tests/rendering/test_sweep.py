import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from neurocircuit.cli import main
from neurocircuit.cli.report import command
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.rendering import document, paper, style, write_report
from neurocircuit.rendering.renderers import sweep
from tests.rendering.conftest import RunMaker

WRITTEN = {"report.html", "report.md", "table.tex", "figures"}


def _lay_out(figure: Figure, kind: str) -> bytes:
    """In place of rendering, which other tests do: everything is placed once, nothing painted."""
    if kind == "svg":
        figure.draw_without_rendering()
    return b""


def _no_figure(name: str, caption: str, _draw: object, switch: bool = False) -> document.Figure:
    return document.Figure(name, caption, b"", b"")


class Page(HTMLParser):
    """Headings, text, images and the addresses that a page would load."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.text, self.loads, self.open = "", [], [""]
        self.images: list[dict[str, str | None]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.loads += [str(given[name]) for name in ("src", "href", "srcset", "data", "action") if name in given]
        if tag == "img":
            self.images.append(given)
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] == "h2":
            self.headings.append(data)
        if self.open[-1] not in ("style", "script"):
            self.text += f" {data.strip()}"


def test_both_pages_hold_every_section_in_the_order_of_the_document(
    written_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "draw", _no_figure)
    headings = [section.heading for section in sweep.render(written_run / "run.json").sections]
    assert headings[0] == "Input jitter"
    assert Page(written_run / "report.html").headings == headings
    assert re.findall(r"^## (.*)$", (written_run / "report.md").read_text(), re.MULTILINE) == headings


def test_nothing_is_loaded_from_outside(written_run: Path) -> None:
    html_page = Page(written_run / "report.html")
    assert all(address.startswith("data:") for address in html_page.loads)
    html = (written_run / "report.html").read_text()
    assert "default-src 'none'" in html
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='\">", html)
    assert html.count("<script") == 1
    assert not re.search(r"@import|url\(", html)


def test_every_figure_is_inline_with_a_text_and_stands_as_file(written_run: Path) -> None:
    html_page = Page(written_run / "report.html")
    files = {path.stem for path in (written_run / "figures").iterdir()}
    assert len(html_page.images) == len(files) + 1 == 9  # one on linear axes too
    assert all(
        image["alt"] and str(image["src"]).startswith("data:image/svg+xml;base64,") for image in html_page.images
    )
    for stem in files:
        assert (written_run / "figures" / f"{stem}.png").read_bytes()[:4] == b"\x89PNG"
        assert f"](figures/{stem}.png)" in (written_run / "report.md").read_text()


def test_table_3_stands_beside_the_paper(written_run: Path) -> None:
    text, tex = Page(written_run / "report.html").text, (written_run / "table.tex").read_text()
    for half, rows in paper.TABLE_3.items():
        for row, ratio in rows.items():
            name = f"{100 * row:g}" if half == "jitter" else f"{row:g}"
            shown = f"{100 * ratio:.3f}" if ratio >= 1e-4 else f"{100 * ratio:.4f}"
            assert re.search(rf" {name} \S+ \S+ … \S+ {shown} (above|below|inside)", re.sub(r"\s+", " ", text))
            assert f"\n{name} & {shown} & " in tex
    assert "bsource (%)" in text


def test_another_testbench_has_no_claims_of_the_paper(make_run: RunMaker) -> None:
    from neurocircuit.rendering import write_report

    text = write_report(make_run(name="own")).with_suffix(".md").read_text()
    title, answer = text.splitlines()[0], text.splitlines()[2]
    assert title == "# Output jitter of embedded on own"
    assert "input jitter gives" in answer
    assert "paper" not in answer
    assert "The paper's claims" not in text


def test_the_answer_is_one_sentence(written_run: Path) -> None:
    (answer,) = re.findall(r'<p class="answer">(.*?)</p>', (written_run / "report.html").read_text())
    assert len(re.findall(r"\.(?: |$)", answer)) == 1
    assert "level edge" in answer
    assert "1 … 9 %" in answer


def test_run_record_and_provenance_are_told(written_run: Path) -> None:
    text = Page(written_run / "report.html").text
    for told in (
        "2026-11-21T12:00:00+00:00",
        "bench",
        "wall s 12.5",
        "neurocircuit sweep",
        "a" * 64,
        "5" * 64,
        "edge/1",
        "3.11.7",
        "NeuronSpec.loop_filter must be <= 1",
        "leaves out: VCO edges",
    ):
        assert told in text


FAILED = {"level": "bsource", "row": "jitter 1 %", "trials": list(range(12)), "reason": "timeout after 30 s"}
PARTIAL: dict[str, tuple[dict[str, Any], str]] = {
    "only jitter": ({"bits": ()}, "quantisation half"),
    "only bits": ({"jitter": ()}, "input jitter half"),
    "one row": ({"jitter": (0.02,), "bits": ()}, "too few rows"),
    "rows the paper lacks": ({"jitter": (0.02, 0.04), "bits": (5, 6)}, "2 … 4 %"),
    "many rows": ({"jitter": tuple(k / 500 for k in range(1, 30)), "bits": tuple(range(2, 33))}, "2 … 32 bit"),
    "no bsource": ({"levels": ("edge", "ideal", "averaged")}, "bsource was not run"),
    "one level": ({"levels": ("edge",)}, "nothing to compare"),
    "another main level": ({"level": "averaged"}, "level averaged"),
    "failed points": ({"failed": (FAILED,)}, "timeout after 30 s"),
    "silent draws": ({"silent": 0.3}, "input jitter (%)"),
    "all silent": ({"silent": 1.1}, "no draw fired"),
    "median": ({"metric": "median"}, "median of |Δ|/t"),
    "first input": ({"time_origin": "first-input"}, "t counted from first input"),
    "origin unknown": (
        {"time_origin": "first-input", "input_times_over_tau": ({"low": 0.1, "high": 0.2}, 0.16)},
        "does not tell the time origin",
    ),
    "no interpretations": ({"omit": ("sensitivity.csv",)}, "no sensitivity sweep"),
    "no waveforms": ({"omit": ("waveforms.nc",)}, "no waveforms"),
}


OTHER_FIGURES = ("only jitter", "only bits", "one row", "rows the paper lacks", "many rows", "one level", "all silent")


@pytest.mark.parametrize("case", PARTIAL)
def test_a_partial_run_gives_a_report_that_says_so(
    make_run: RunMaker, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case in OTHER_FIGURES:
        monkeypatch.setattr(style, "render", _lay_out)
    else:
        monkeypatch.setattr(sweep, "draw", _no_figure)
    changes, told = PARTIAL[case]
    run = make_run(**changes)
    write_report(run)
    text = Page(run / "report.html").text
    assert told in text
    assert "nan" not in text.split()
    assert not re.search(r"\bNone\b(?!\.)", text)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace('"metric": "mean"', '"metric": "median"'))


BROKEN: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no request": ("request.json", Path.unlink, "must hold the result of a run"),
    "no record": ("run.json", Path.unlink, r"run\.json: No such file or directory: the sweep has not finished"),
    "no table": ("table.nc", Path.unlink, r"cannot read .*table\.nc"),
    "no draws": ("draws.nc", Path.unlink, r"cannot read .*draws\.nc"),
    "cut table": ("table.nc", _cut, r"table\.nc is damaged"),
    "cut draws": ("draws.nc", _cut, r"draws\.nc is damaged"),
    "cut waveforms": ("waveforms.nc", _cut, r"waveforms\.nc is damaged"),
    "cut request": ("request.json", _cut, r"request\.json must be JSON"),
    "other request": ("request.json", _edit, r"table\.nc belongs to another request: its testbench differs"),
    "a list": ("run.json", lambda path: path.write_text("[]"), r"run\.json must hold a JSON object, got list"),
    "interpretations": (
        "sensitivity.csv",
        lambda path: path.write_text("a,b\n1,2\n"),
        r"sensitivity\.csv is not a table",
    ),
    "cut interpretations": ("sensitivity.csv", _cut, r"sensitivity\.csv is not a table"),
    "draws of another run": ("draws.nc", lambda path: path.write_bytes(b"CDF\x01"), r"draws\.nc is damaged"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_run_is_refused_and_nothing_written(make_run: RunMaker, case: str) -> None:
    name, harm, message = BROKEN[case]
    run = make_run()
    harm(run / name)
    before = {path.name for path in run.iterdir()}
    with pytest.raises((FileFormatError, InputError), match=message):
        write_report(run)
    assert {path.name for path in run.iterdir()} == before
    assert not before & WRITTEN


def test_words_of_a_user_are_text_not_html(make_run: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "draw", _no_figure)
    run = make_run(summary="<script>alert(1)</script> & more")
    write_report(run)
    html = (run / "report.html").read_text()
    assert html.count("<script") == 1  # ours
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html


def test_draws_of_other_rows_are_refused(make_run: RunMaker) -> None:
    run, other = make_run(), make_run(jitter=(0.02, 0.03))
    (run / "draws.nc").write_bytes((other / "draws.nc").read_bytes())
    with pytest.raises(FileFormatError, match="another axis input_jitter than table"):
        write_report(run)


def test_the_command_prints_the_path(make_run: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "draw", _no_figure)
    run = make_run()
    assert CliRunner().invoke(command, [str(run)]).stdout == f"{run / 'report.html'}\n"
    printed = json.loads(CliRunner().invoke(command, [str(run), "--json"]).stdout)
    assert printed["reports"] == [{"report": str(run / "report.html"), "markdown": str(run / "report.md")}]


def test_a_bad_directory_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["neurocircuit", "report", str(tmp_path / "nowhere"), "--json"])
    with pytest.raises(SystemExit) as stopped:
        main()
    printed = capsys.readouterr()
    assert (stopped.value.code, printed.out) == (2, "")
    assert printed.err == f"neurocircuit: run directory {tmp_path / 'nowhere'} does not exist\n"


def test_another_process_writes_the_same_bytes_and_loads_no_simulator(written_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(written_run, tmp_path / "copy")
    for path in copy.rglob("*"):
        if path.is_file() and (path.name in WRITTEN or path.parent.name == "figures"):
            path.unlink()
    code = (
        "import sys; from pathlib import Path\n"
        "from neurocircuit.rendering.figures import draw_waveforms\n"
        "assert not {'matplotlib', 'xarray'} & set(sys.modules)\n"
        "from neurocircuit.rendering import write_report; write_report(Path(sys.argv[1]))\n"
        "above = ('studies', 'process', 'neuron.levels', 'neuron.edge', 'spice')\n"
        "floors = [f'neurocircuit.{name}' for name in above]\n"
        "never = (*floors, 'torch', 'matplotlib.pyplot')\n"
        "print([name for name in sys.modules if name.startswith(never)])"
    )
    done = subprocess.run([sys.executable, "-c", code, copy], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
    for path in written_run.rglob("*"):
        assert path.is_dir() or (copy / path.relative_to(written_run)).read_bytes() == path.read_bytes(), path
