"""Rows that the edge level's draws cannot resolve."""

import math

import pytest

from neurocircuit.rendering.read.sweep import read_run
from neurocircuit.rendering.renderers import sweep_tables
from neurocircuit.tables import TransferTable


@pytest.fixture
def rare_run(make_run):
    """The synthetic run, its table rewritten with few moves between pulses at 16 bit and finer."""
    directory = make_run()
    table = TransferTable.load(directory / "table.nc")
    rows = {}
    for half in ("jitter", "bits"):
        rows[half] = {
            (level, row): table.row(half, level, row)
            | ({"ci_low": math.nan, "ci_high": math.nan} if level == "edge" and half == "bits" and row >= 16 else {})
            for level in table.levels
            for row in table.rows(half)
        }
    exponents = {level: table.exponent(level) for level in table.levels}
    why = {f"bits={bits}": "0.4 moves are expected" for bits in (16, 24, 32)}
    provenance = table.provenance | {"no_interval": {"edge": why}}
    TransferTable.from_statistics(rows["jitter"], rows["bits"], exponents, provenance).save(directory / "table.nc")
    return read_run(directory)


def test_unresolved_rows_have_a_star_and_no_interval(rare_run):
    table = sweep_tables.main_table(rare_run, "bits")
    for name, value, interval, _, place in table.rows:
        fine = float(name) >= 16
        assert value.endswith("*") == fine
        assert (interval == "–") == fine
        assert (place == "–") == fine
    assert "edge 16 bit, edge 24 bit, edge 32 bit: 0.4 moves are expected" in table.note
    assert "*" not in sweep_tables.main_table(rare_run, "jitter").note


def test_headline_speaks_of_resolved_rows(rare_run):
    answer = sweep_tables.answer(rare_run)
    assert "4 … 8 bit" in answer
    assert "32 bit" not in answer


def test_text_and_latex_carry_the_star(rare_run):
    text = rare_run.table.to_text()
    assert text.count("*") == 4  # three rows and the footnote
    assert rare_run.table.to_latex().count("*") == 3
