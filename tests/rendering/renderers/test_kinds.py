"""Every kind of result has a report, made from published files alone; what it reads is what it shows."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure as Drawing

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.rendering import KINDS, render, results_at, runs_below, style, write_report, write_reports
from neurocircuit.rendering.document import Document, Table

PUBLISHED = Path(__file__).parents[3] / "reports/published"
EXAMPLES = {
    "sweep": "transistor",
    "characterisation": "datasheet-generic65",
    "conversion": "windowed/mnist-forced.conversion.json",
    "mapping": "mnist-network/stressed/network.mapping.json",
    "calibration": "mnist-network/stressed/table.calibration.json",
    "replay": "mnist-network/embedded/replay",
    "evaluation": "networks/mnist-seed1/evaluation.json",
    "evaluation_on_chips": "robustness/embedded-clean.json",
    "training": "networks/mnist-seed1/run.json",
    "robustness": "robustness/table4",
    "compare": "robustness/circuit-aware",
    "circuit_curves": "robustness/circuit",
    "pvt": "pvt",
    "codesign": "codesign",
    "noise_cost": "noise-cost",
    "noise_coverage": "noise-coverage",
    "loop": "loop-digits",
    "circuit_comparison": "circuit-comparison",
}


@pytest.fixture(autouse=True)
def laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are placed once and not painted."""

    def lay_out(figure: Drawing, kind: str) -> bytes:
        if kind == "svg":
            figure.draw_without_rendering()
        return b"x"

    monkeypatch.setattr(style, "render", lay_out)


def texts(document: Document) -> str:
    tables = [block for part in document.sections for block in part.blocks if isinstance(block, Table)]
    cells = [cell for table in tables for row in table.rows for cell in row]
    return " ".join([document.title, document.answer, *document.remarks, *cells])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_report_with_answer_figure_table_and_record(kind: str) -> None:
    (result,) = results_at(PUBLISHED / EXAMPLES[kind])
    assert result[1] == kind
    document = render(*result)
    assert document.answer.endswith(".")
    assert document.figures
    assert all(figure.caption.endswith(".") for figure in document.figures)
    assert len({figure.name for figure in document.figures}) == len(document.figures)
    shown = texts(document)
    assert kind.startswith("evaluation") or "0.1.0" in shown  # of the run record: the version that made it
    for wrong in ("None", "nan", "{"):
        assert f" {wrong}" not in shown, wrong
    for table in (block for part in document.sections for block in part.blocks if isinstance(block, Table)):
        assert {len(row) for row in table.rows} <= {len(table.header)}, table.caption


CHANGED: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "conversion": (("layers", 0, "clipped"), 0.4321, "43.21%"),
    "mapping": (("accuracy_exact_weights",), 0.4321, "43.2%"),
    "calibration": (("layers", 0, "passage", "event_spread"), 0.4321, "0.432 thresholds"),
    "replay": (("images", "accuracy", "circuit"), [0.4321, 0.43, 0.435], "43.21% (43.00% … 43.50%)"),
    "evaluation": (("accuracy",), 0.4321, "43.21%"),
    "training": (("held_out_accuracy",), 0.4321, "43.21%"),
    "robustness": (("studies", "table4", "quantisers", "bank", -1, "retrained"), 0.4321, "43.21%"),
    "compare": (("in_circuit", "recovery", "trained"), [0.4321, 0.43, 0.435], "43.21% (43.00% … 43.50%)"),
    "circuit_curves": (("rows", 0, "accuracy"), 0.4321, "43% ("),
    "pvt": (("rows", 0, "undecided"), 0.4321, "43.2%"),
    "noise_cost": (("neurons", 1, "area_m2"), 12.3e-12, "12.3"),
    "noise_coverage": (("spread", "ratio"), 4.321, "4.32"),
    "codesign": (("recommended", "energy", "verification", "images", "accuracy", "circuit", 0), 0.4321, "43.2%"),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_a_changed_result_changes_its_report(kind: str, tmp_path: Path) -> None:
    where, value, shown = CHANGED[kind]
    ((file, _),) = results_at(PUBLISHED / EXAMPLES[kind])
    shutil.copy(file, tmp_path)
    if file.with_name("log.csv").exists():
        shutil.copy(file.with_name("log.csv"), tmp_path)
    values = json.loads(file.read_bytes())
    assert shown not in texts(render(tmp_path / file.name, kind))
    part = values
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    (tmp_path / file.name).write_text(json.dumps(values))
    assert shown in texts(render(tmp_path / file.name, kind))


def test_a_folder_with_several_results_gets_a_page_for_each(tmp_path: Path) -> None:
    for name in ("network.mapping.json", "table.calibration.json"):
        shutil.copy(PUBLISHED / "mnist-network/stressed" / name, tmp_path)
    (tmp_path / "other.json").write_text("[]")
    pages = write_reports(tmp_path)
    assert [page.name for page in pages] == ["network.mapping.html", "table.calibration.html"]
    for page in pages:
        assert page.with_suffix(".md").read_text().startswith("# ")
        assert page.stem in page.with_suffix(".md").read_text()


def test_an_unknown_kind_is_refused_by_name_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"kind": "horoscope", "schema": 1}')
    with pytest.raises(FileFormatError) as refused:
        write_report(tmp_path)
    assert "'horoscope'" in str(refused.value)
    assert all(kind in str(refused.value) for kind in KINDS)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="found none"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        write_report(tmp_path / "nowhere")
    file = tmp_path / "result.json"
    file.write_text('{"kind": "pvt", "schema": 1}')
    with pytest.raises(FileFormatError, match=r"result\.json: Pvt\.rows is missing"):
        write_report(file)


def test_runs_below_a_folder_are_those_that_hold_a_result(tmp_path: Path) -> None:
    for name in ("a/b", "a/empty", "c"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a/b", "c"):
        (tmp_path / name / "result.json").write_text('{"kind": "pvt"}')
    assert runs_below(tmp_path) == [tmp_path / "a/b", tmp_path / "c"]


def test_a_table_without_a_report_lies_beside_results_that_have_one(tmp_path: Path) -> None:
    for name, kind in (("replay", "replay"), ("transfer", "transfer_jitter")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"kind": kind}))
    assert results_at(tmp_path) == [(tmp_path / "replay.json", "replay")]
