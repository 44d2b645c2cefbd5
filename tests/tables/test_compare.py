"""What a designer asks of two tables: which rows moved beyond their intervals, and by how much."""

import math

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from scipy import stats

from neurocircuit.cli.table import command
from neurocircuit.core.netcdf import dataset_bytes
from neurocircuit.core.stats import paired_mixture_difference
from neurocircuit.errors import InputError
from neurocircuit.tables import TransferTable
from neurocircuit.tables.compare import compare, paired_ends
from neurocircuit.tables.jitter import output_jitter

ROWS, N = (0.01, 0.05), 400
PROVENANCE = {"seed": 1, "testbench": {"metric": "mean"}, "engines": {"ideal": "x"}}


def make_run(folder, *, scale=1.0, seed=0, own=0.0, provenance=PROVENANCE, n=N):
    """A folder with table.nc and draws.nc at one smooth level; `own` is noise that this run alone has."""
    folder.mkdir()
    common, noise = np.random.default_rng(seed).normal(size=n), np.random.default_rng([seed, 1]).normal(size=n)
    clean = np.ones(n)
    times = np.stack([1 + scale * a * (common + own * noise) / 5 for a in ROWS])
    rows = {("ideal", a): output_jitter(clean, t, floor=1e-12) for a, t in zip(ROWS, times, strict=True)}
    TransferTable.from_statistics(rows, {}, {"ideal": (1.0, 0.9, 1.1)}, provenance).save(folder / "table.nc")
    variables = {
        "clean_jitter": (("level", "trial"), clean[None]),
        "jittered": (("level", "input_jitter", "trial"), times[None]),
    }
    draws = xr.Dataset(variables, {"level": ["ideal"], "input_jitter": list(ROWS)})
    (folder / "draws.nc").write_bytes(dataset_bytes(draws))
    return folder


def test_a_small_change_is_seen_over_the_same_draws_and_not_by_two_intervals(tmp_path):
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b", scale=1.02, own=0.01)
    paired, alone = compare(a, b), compare(a / "table.nc", b / "table.nc")
    assert all(row.paired and row.moved for row in paired.rows)
    assert not any(row.paired or row.moved for row in alone.rows)
    for row in (*paired.rows, *alone.rows):
        expected = TransferTable.load(b / "table.nc").row("jitter", "ideal", row.value)["mean"]
        expected -= TransferTable.load(a / "table.nc").row("jitter", "ideal", row.value)["mean"]
        assert row.change == pytest.approx(expected)
        assert row.low < row.change < row.high


def test_tables_of_other_draws_without_a_change_seldom_move():
    """60 pairs; as many rows as the binomial law of 5 % allows, false alarm 1e-5."""
    moved = 0
    for k in range(60):
        sizes = np.random.default_rng(k).normal(size=(2, 60))
        pair = [
            TransferTable.from_statistics(
                {("ideal", 0.01): output_jitter(np.ones(60), 1 + 0.01 * x)}, {}, {}, PROVENANCE
            )
            for x in sizes
        ]
        moved += compare(*pair).rows[0].moved
    assert moved <= stats.binom.ppf(1 - 1e-5, 60, 0.05)


def test_other_seeds_are_not_paired(tmp_path):
    a = make_run(tmp_path / "a")
    b = make_run(tmp_path / "b", seed=9, provenance={**PROVENANCE, "seed": 2})
    assert not any(row.paired for row in compare(a, b).rows)


def test_rows_without_an_interval_are_named_and_not_judged(tmp_path):
    table = TransferTable.load(make_run(tmp_path / "a") / "table.nc")
    rows = {("ideal", a): table.row("jitter", "ideal", a) for a in ROWS}
    rows["ideal", 0.01] |= {"ci_low": math.nan, "ci_high": math.nan, "mean": 9.0}
    bare = TransferTable.from_statistics(rows, {}, {"ideal": (1.0, 0.9, 1.1)}, PROVENANCE)
    comparison = compare(table, bare)
    assert not comparison.rows[0].decided
    assert not comparison.rows[0].moved
    assert "1 rows have too few draws to tell: ideal 1 %" in comparison.summary()


def test_the_answer_is_short_and_everything_is_there_on_request(tmp_path):
    a = make_run(tmp_path / "a")
    b = make_run(tmp_path / "b", scale=2, provenance={**PROVENANCE, "seed": 2, "engines": {"ideal": "y"}})
    run = CliRunner().invoke
    short, every = (run(command, ["diff", str(a), str(b), *more]).stdout for more in ([], ["--all"]))
    assert short.startswith("2 of 2 rows moved beyond their 95 % interval")
    assert short.count("\n") == 4
    assert "ideal 5 %:" in short
    assert "provenance engines.ideal: x -> y" in every
    assert "value ideal 5 % std:" in every
    assert run(command, ["diff", str(a), str(a)]).stdout == "no difference\n"


def test_counts_are_counts(tmp_path):
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b", n=300)
    lines = compare(a, b).everything().splitlines()
    assert "value ideal 1 % n: 400 -> 300" in lines
    assert "value ideal 1 % fired: 400 -> 300" in lines


def test_rows_of_one_table_only_are_named(tmp_path):
    a = TransferTable.load(make_run(tmp_path / "a") / "table.nc")
    one = TransferTable.from_statistics({("ideal", 0.01): a.row("jitter", "ideal", 0.01)}, {}, {}, PROVENANCE)
    comparison = compare(a, one)
    assert [row.value for row in comparison.rows] == [0.01]
    assert "rows jitter: 1, 5 -> 1" in comparison.summary()


def test_a_folder_without_a_table_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"must be a run of `sweep` with its table\.nc"):
        compare(tmp_path, tmp_path)


def disagreeing_runs(rng, chance, n=200):
    """|Δ|/t of two runs: nearly equal, and in some draws the second is moved by a pulse of some size."""
    before, moved = np.abs(rng.normal(size=n)), rng.random(n) < chance
    return before, before + 1e-3 * rng.normal(size=n) + 5.0 * moved * rng.uniform(0.2, 1.8, n), moved


@pytest.mark.parametrize("chance", [0.01, 0.1])
def test_paired_ends_cover_or_are_left_to_two_intervals(chance):
    """400 pairs: no fewer than the binomial law of 95 % allows, false alarm 1e-5."""
    hits, told = 0, 0
    for k in range(400):
        before, after, moved = disagreeing_runs(np.random.default_rng(k), chance)
        ends = paired_ends(before, after, moved)
        told += ends is not None
        hits += ends is not None and ends[0] <= 5.0 * chance <= ends[1]
    assert hits >= stats.binom.ppf(1e-5, told, 0.95)
    assert (told > 390) == (chance == 0.1)


def test_ends_from_few_disagreeing_draws_do_not_cover_and_this_sees_it():
    hits = 0
    for k in range(400):
        before, after, moved = disagreeing_runs(np.random.default_rng(k), 0.01)
        _, low, high = paired_mixture_difference(after, before, moved)
        hits += low <= 0.05 <= high
    assert hits < stats.binom.ppf(1e-5, 400, 0.95)
