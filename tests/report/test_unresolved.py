"""Rows that the edge level's draws cannot resolve."""

import numpy as np
import pytest

from neurocircuit.core.stats import pulse_moves
from neurocircuit.report.read.sweep import read_run
from neurocircuit.report.renderers import sweep_tables
from neurocircuit.tables import TransferTable


def test_counts_moves_beyond_a_quarter_of_the_spacing():
    desired = np.array([1.0, 1.0, 1.0, 1.0, np.inf, np.nan])
    measured = np.array([1.0, 1.0 + 0.0026, 1.0 - 0.0026, 1.0 + 0.0024, 1.0, 1.0])
    assert pulse_moves(desired, measured, 0.01) == 2


@pytest.fixture
def rare_run(make_run):
    """The synthetic run, its table rewritten with few moves between pulses at 16 bit and finer."""
    directory = make_run()
    table = TransferTable.load(directory / "table.nc")
    rows = {}
    for half in ("jitter", "bits"):
        rows[half] = {
            (level, row): table.row(half, level, row)
            | ({"pulse_moves": 3.0 if half == "bits" and row >= 16 else 200.0} if level == "edge" else {})
            for level in table.levels
            for row in table.rows(half)
        }
    exponents = {level: table.exponent(level) for level in table.levels}
    TransferTable.from_statistics(rows["jitter"], rows["bits"], exponents, table.provenance).save(
        directory / "table.nc"
    )
    return read_run(directory)


def test_unresolved_rows_have_a_star_and_no_interval(rare_run):
    assert sweep_tables.unresolved(rare_run, "bits") == [16, 24, 32]
    table = sweep_tables.main_table(rare_run, "bits")
    for name, _, value, interval, place in table.rows:
        fine = float(name) >= 16
        assert value.endswith("*") == fine
        assert (interval == "–") == fine
        assert (place == "–") == fine
    assert "16 bit, 24 bit, 32 bit" in table.note
    assert sweep_tables.unresolved_note(rare_run, "jitter") == ""


def test_headline_speaks_of_resolved_rows(rare_run):
    answer = sweep_tables.answer(rare_run, [])
    assert "4 … 8 bit" in answer
    assert "32 bit" not in answer


def test_text_and_latex_carry_the_star(rare_run):
    text = rare_run.table.to_text()
    assert text.count("*") == 4  # three rows and the footnote
    assert rare_run.table.to_latex().count("*") == 3
