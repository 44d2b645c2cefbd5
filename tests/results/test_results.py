"""Types of results: published files are read and written as they are, parts that do not fit are refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from neurocircuit.errors import FileFormatError
from neurocircuit.kinds import load
from neurocircuit.results import circuit_curves, pvt

PUBLISHED = Path(__file__).parents[2] / "reports/published"
STUDIES = ("circuit", "circuit-aware", "table4", "fig2", "jitter")
FOLDERS = ("pvt", "codesign", *(f"robustness/{name}" for name in STUDIES))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_published_result_is_written_as_it_is_read(folder: str) -> None:
    file = PUBLISHED / folder / "result.json"
    assert load(file).to_dict() == json.loads(file.read_bytes())


def test_types_of_results_need_nothing_that_computes() -> None:
    names = (
        "circuit_curves",
        "codesign",
        "compare",
        "conversion",
        "evaluation",
        "inference",
        "pvt",
        "replay",
        "robustness",
    )
    imports = "; ".join(f"import neurocircuit.results.{name}" for name in names)
    code = f"{imports}; import sys; print(sorted({{'torch', 'optuna', 'numba', 'matplotlib'}} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def changed(folder: str, tmp_path: Path, **fields: object) -> Path:
    """Write a published result with fields of its first row changed; None: removed."""
    values = json.loads((PUBLISHED / folder / "result.json").read_bytes())
    row = values["rows"][0] | fields
    values["rows"][0] = {name: value for name, value in row.items() if value is not None}
    file = tmp_path / "result.json"
    file.write_text(json.dumps(values))
    return file


def test_a_row_without_its_numbers_is_one_that_failed_and_says_why(tmp_path: Path) -> None:
    values = json.loads((PUBLISHED / "pvt/result.json").read_bytes())
    names = ("label", "condition", "trim")
    values["rows"][0] = {name: values["rows"][0][name] for name in names} | {"failed": "no such circuit: x"}
    file = tmp_path / "result.json"
    file.write_text(json.dumps(values))
    result = load(file)
    assert isinstance(result, pvt.Pvt)
    assert isinstance(result.rows[0], pvt.FailedRow)
    assert isinstance(result.rows[1], pvt.Row)
    assert "tt, 27 °C, 1 V, trimmed and mapped there: no such circuit: x" in result.summary().splitlines()
    assert result.to_dict() == values


@pytest.mark.parametrize("fields", [{"accuracy": "high"}, {"latency_s": None}, {"colour": 1}, {"failed": "reason"}])
@pytest.mark.parametrize("folder", ["pvt", "robustness/circuit"])
def test_a_row_with_a_wrong_a_missing_or_an_unknown_field_is_refused(folder, fields, tmp_path) -> None:
    with pytest.raises(FileFormatError, match=r"result\.json: \w+\.rows"):
        load(changed(folder, tmp_path, **fields))


def test_rows_of_a_quantity_are_in_order_of_its_value_with_the_unchanged_circuit_among_them() -> None:
    curves = load(PUBLISHED / "robustness/circuit")
    assert isinstance(curves, circuit_curves.CircuitCurves)
    rows = curves.rows_of("cycles", "embedded", "clean")
    values = [curves.value_at(row, "cycles") for row in rows]
    assert values == sorted([4.0, 7.5, 30.0, curves.circuits["embedded"]["cycles"]])
    gains = [curves.gain_at(row) for row in rows]
    assert [(gain.quantity, gain.value) for gain in gains] == [(row.quantity, row.value) for row in rows]
