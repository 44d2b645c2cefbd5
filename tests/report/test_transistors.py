"""The transistor section, from a planted transistor.csv beside a run."""

import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from neurocircuit.errors import FileFormatError
from neurocircuit.report import transistors, write_report
from neurocircuit.sweep import control
from neurocircuit.table.transistor_rows import ControlledRow, read

COLUMNS = [field.name for field in fields(ControlledRow)]


def planted(row, difference=0.0, resolved="yes", correlation=0.95, method="control variate"):
    mean = row / 8
    values = {
        "half": "jitter", "row": row, "n": 40, "method": method, "mean": mean, "ci_low": 0.9 * mean,
        "ci_high": 1.1 * mean, "plain_mean": 1.05 * mean, "plain_ci_low": 0.7 * mean, "plain_ci_high": 1.4 * mean,
        "correlation": correlation, "correlation_edge": 0.9, "correlation_ideal": 0.8, "variance_reduction": 10.0,
        "edge_mean": mean - difference, "edge_error": 1e-6, "edge_n": 100_000,
        "difference": difference, "difference_ci_low": difference - 1e-4,
        "difference_ci_high": difference + 1e-4, "floor": mean / 30, "floor_n": 8, "resolved": resolved,
    }  # fmt: skip
    return ",".join(str(values[name]) for name in COLUMNS)


ROWS = (planted(0.01, resolved="no"), planted(0.03), planted(0.05, 4e-4), planted(0.09, correlation=""))


@pytest.fixture
def with_rows(written_run, tmp_path):
    def make(*rows: str) -> Path:
        out = tmp_path / "run"
        shutil.copytree(written_run, out)
        (out / "transistor.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
        return out

    return make


def test_the_sweep_writes_the_columns_that_the_report_reads():
    assert [field.name for field in fields(control.ControlledRow)] == COLUMNS


def test_the_section_says_where_transistors_and_edges_agree(with_rows):
    out = with_rows(*ROWS)
    write_report(out)
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "The transistors agree with the edge level at 3 %, 9 %; they differ at 5 %, by at most +0.040 points" in text
    assert "rows 1 are not resolved by the time step" in text
    assert "| 1 | not resolved | – |" in text
    assert "| 5 | 0.625 | " in text
    assert " | 0.585 | +0.040 [+0.030, +0.050] | no |" in text
    assert (out / "figures" / "transistor_rows.svg").stat().st_size > 5000
    assert "Transistors beside edges" in (out / "report.html").read_text(encoding="utf-8")


def test_a_run_without_transistors_has_no_such_section(written_run):
    assert "Transistors beside edges" not in (written_run / "report.html").read_text(encoding="utf-8")
    assert not (written_run / "figures" / "transistor_rows.svg").exists()


def test_an_unused_control_variate_and_absent_numbers_are_shown_as_such(with_rows):
    plain = planted(0.09, correlation="", method="plain Monte Carlo")
    tables = transistors.tables(read(with_rows(plain) / "transistor.csv"))
    assert tables[1].rows[0][2:7] == ("0.9", "0.8", "–", "10", "plain Monte Carlo")


@pytest.mark.parametrize("damage", ["half,row\njitter,0.01\n", ",".join(COLUMNS) + "\njitter,much" + ",1" * 20 + "\n"])
def test_a_damaged_file_is_named(with_rows, damage):
    out = with_rows()
    (out / "transistor.csv").write_text(damage)
    with pytest.raises(FileFormatError, match=r"transistor\.csv is not a table of transistor rows"):
        write_report(out)
