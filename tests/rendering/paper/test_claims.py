"""Verdicts must follow the numbers: each is turned by changing the measurement alone."""

import math
from dataclasses import replace
from typing import Any

import pytest

from neurocircuit.rendering import paper
from neurocircuit.rendering.paper.claims import NOT_SUPPORTED, OPEN, PARTLY, SUPPORTED, Claim, claims
from neurocircuit.rendering.read.sweep import read_run
from neurocircuit.tables import TransferTable
from tests.rendering import conftest
from tests.rendering.conftest import RunMaker


def verdicts(make_run: RunMaker, **changes: object) -> dict[str, Claim]:
    found = claims(read_run(make_run(**changes)))
    keys = {
        "PLL": "pll",
        "below input": "below",
        "faster": "growth",
        "floor": "floor",
        "robust": "robust",
        "Table 3": "rows",
    }
    return {next(short for part, short in keys.items() if part in claim.title): claim for claim in found}


def test_a_pll_that_passes_jitter_is_not_credited(make_run: RunMaker) -> None:
    found = verdicts(make_run)["pll"]
    assert found.verdict == NOT_SUPPORTED
    assert "averaging over the inputs, not from the PLL" in " ".join(found.evidence)


def test_a_pll_that_filters_is_credited(make_run: RunMaker) -> None:
    gains = {"ideal": 0.5, "averaged": 0.01, "edge": 0.01, "bsource": 0.01}
    assert verdicts(make_run, gains=gains)["pll"].verdict == SUPPORTED


def test_a_small_part_of_the_reduction_is_called_so(make_run: RunMaker) -> None:
    gains = {"ideal": 0.1, "averaged": 0.07, "edge": 0.07, "bsource": 0.07}
    found = verdicts(make_run, gains=gains)["pll"]
    assert found.verdict == PARTLY
    assert "it makes only" in found.evidence[-1]


def test_edges_alone_are_named_as_the_cause(make_run: RunMaker) -> None:
    found = verdicts(make_run, gains={"edge": 0.03})["pll"]
    assert found.verdict == NOT_SUPPORTED
    assert "its oscillator edges do it" in found.evidence[-1]


def test_common_jitter_is_told_from_the_sensitivity_sweep(make_run: RunMaker) -> None:
    assert "a jitter that all inputs share" in " ".join(verdicts(make_run)["pll"].evidence)
    without = verdicts(make_run, omit=("sensitivity.csv",))["pll"]
    assert "a jitter that all inputs share" not in " ".join(without.evidence)


def test_without_a_level_without_a_pll_the_claim_stays_open(make_run: RunMaker) -> None:
    assert verdicts(make_run, levels=("edge", "averaged"))["pll"].verdict == OPEN


@pytest.mark.parametrize(("power", "verdict"), [(0.8, NOT_SUPPORTED), (1.72, SUPPORTED), (1.3, PARTLY)])
def test_growth_follows_the_exponent(make_run: RunMaker, power: float, verdict: str) -> None:
    """At power 1.72 the rows are in exact proportion, so the interval is a point: the paper's 1.722 is given to it."""
    power = paper.exponent() if verdict == SUPPORTED else power
    assert verdicts(make_run, power=power)["growth"].verdict == verdict


def test_one_row_has_no_exponent(make_run: RunMaker) -> None:
    assert verdicts(make_run, jitter=(0.05,))["growth"].verdict == OPEN


def test_the_floor_is_quantisation_only_when_quantisation_reaches_it(make_run: RunMaker) -> None:
    assert verdicts(make_run)["floor"].verdict == NOT_SUPPORTED
    assert verdicts(make_run, bit_error=lambda bits: 1e-3)["floor"].verdict == SUPPORTED
    mixed = verdicts(make_run, bit_error=lambda bits: 1e-3 if bits == 16 else 1e-8)["floor"]
    assert mixed.verdict == PARTLY
    assert "In 2 of 3 rows" in mixed.evidence[-1]


def test_a_floor_of_our_own_leaves_the_claim_open(make_run: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("tests.rendering.conftest", fromlist=["FLOORS"]).FLOORS, "edge", 1e-3)
    assert verdicts(make_run)["floor"].verdict == OPEN


def test_output_below_input_and_robustness(make_run: RunMaker) -> None:
    good, bad = verdicts(make_run), verdicts(make_run, gains={"edge": 3.0}, bit_error=lambda bits: 0.2)
    assert (good["below"].verdict, bad["below"].verdict) == (SUPPORTED, NOT_SUPPORTED)
    assert (good["robust"].verdict, bad["robust"].verdict) == (SUPPORTED, NOT_SUPPORTED)


@pytest.mark.parametrize(
    ("factor", "half_width", "verdict"),
    [(1.0, 0.1, SUPPORTED), (1.0, 0.9, OPEN), (1.0, math.nan, OPEN), (2.0, 0.1, NOT_SUPPORTED), (1.5, 0.9, OPEN)],
)
def test_values_hold_only_by_intervals_that_could_have_shown_another(
    make_run: RunMaker, factor: float, half_width: float, verdict: str
) -> None:
    """Ours is the paper's value times a factor, with an interval of that relative half-width."""
    run = read_run(make_run())
    rows: dict[str, Any] = {"jitter": {}, "bits": {}}
    for half, row in ((name, value) for name, values in paper.TABLE_3.items() for value in values):
        mean = paper.TABLE_3[half][row] * factor
        ends = {"ci_low": mean * (1 - half_width), "ci_high": mean * (1 + half_width)}
        rows[half]["edge", row] = run.table.row(half, "edge", row) | {"mean": mean, "floor": 0.0} | ends
    table = TransferTable.from_statistics(rows["jitter"], rows["bits"], {}, run.table.provenance)
    (found,) = (claim for claim in claims(replace(run, table=table)) if "Table 3" in claim.title)
    assert found.verdict == verdict


@pytest.mark.parametrize("power", [0.8, 1.3, 1.72])
def test_four_draws_give_no_verdict_on_growth(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch, power: float
) -> None:
    """At 400 draws these are not supported, partly supported and supported."""
    monkeypatch.setattr(conftest, "DRAWS", dict.fromkeys(conftest.DRAWS, 4))
    assert verdicts(make_run, power=power)["growth"].verdict == OPEN


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [((0.7, 1.9), OPEN), ((0.9, 1.05), NOT_SUPPORTED), ((1.02, 1.3), PARTLY), ((1.1, 1.9), SUPPORTED)],
)
def test_growth_is_judged_by_an_interval_that_could_have_shown_the_opposite(
    make_run: RunMaker, ends: tuple[float, float], verdict: str
) -> None:
    run = read_run(make_run())
    rows = {
        half: {("edge", a): run.table.row(half, "edge", a) for a in run.table.rows(half)} for half in run.table.halves
    }
    exponents = {"edge": (sum(ends) / 2, *ends)}
    table = TransferTable.from_statistics(rows["jitter"], rows["bits"], exponents, run.table.provenance)
    (found,) = (claim for claim in claims(replace(run, table=table)) if "faster" in claim.title)
    assert found.verdict == verdict
