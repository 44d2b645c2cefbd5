"""The paper's claims of §4.2 against the measurement; every verdict follows from the numbers of the run."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats import Interval, paired_difference, paired_mixture_difference
from neurocircuit.rendering import paper
from neurocircuit.rendering.read.agreement import relative_errors
from neurocircuit.rendering.read.sweep import Run
from neurocircuit.tables import percent_text
from neurocircuit.tables.render import is_unresolved, row_text, value_text

SUPPORTED, PARTLY, NOT_SUPPORTED, OPEN = "supported", "partly supported", "not supported", "open"
# A verdict needs an interval that could have shown the opposite: one that leaves out a value this far off, as a ratio.
MATERIAL = 0.25
MATERIAL_EXPONENT = 0.1
_ROUNDING = 1e-9  # rows in exact proportion have an interval without width
_ABOUT_JITTER = (
    "the PLL suppresses jitter",
    "output jitter stays below input jitter",
    "output jitter grows faster than input jitter",
)
# Mean |ε| of unit standard deviation: the table's input column is a standard deviation, its output a mean size.
_MEAN_SIZE = {"gaussian": math.sqrt(2 / math.pi), "uniform": math.sqrt(3) / 2}


@dataclass(frozen=True)
class Claim:
    """A claim as a that-clause, the paper's words, the verdict, and the numbers behind it."""

    title: str
    paper_says: str
    verdict: str
    evidence: tuple[str, ...]


def claims(run: Run) -> list[Claim]:
    """Return the verdicts on all claims for which this run has the rows."""
    judges: tuple[Callable[[Run], Claim | None], ...] = (
        _jitter_suppression,
        _below_input,
        _superlinear,
        _quantisation_floor,
        _coarse_weights,
        _rows_agree,
    )
    return [_tempered(run, claim) for claim in (judge(run) for judge in judges) if claim is not None]


def _tempered(run: Run, claim: Claim) -> Claim:
    """Open instead of a verdict where the run holds too little for one: no fired draw, or noise beside the jitter."""
    rows = [run.table.row(half, run.main, row) for half in run.table.halves for row in run.table.rows(half)]
    if any(row["fired"] < 2 for row in rows):
        return Claim(claim.title, claim.paper_says, OPEN, (f"Some rows of level {run.main} have no two fired draws.",))
    if run.spec.is_noisy and claim.title in _ABOUT_JITTER:
        noise = "Noise of the oscillators is on and moves the spike too; this run cannot tell it from input jitter."
        return Claim(claim.title, claim.paper_says, OPEN, (*claim.evidence, noise))
    return claim


def _jitter_suppression(run: Run) -> Claim | None:
    says = "The PLL low-pass-filters input jitter and so suppresses it (§4.2)."
    title = "the PLL suppresses jitter"
    if "jitter" not in run.table.halves:
        return None
    loops = [level for level in dict.fromkeys(("averaged", run.main)) if level in run.levels and level != "ideal"]
    if "ideal" not in run.levels or not loops:
        return Claim(title, says, OPEN, ("This run lacks a level without a PLL (ideal) or one with a PLL.",))
    evidence, counts = [_without_pll(run)], {}
    for level in loops:
        sentence, counts[level] = _against_ideal(run, level)
        evidence.append(sentence)
    evidence += _common_jitter(run)
    rows = len(run.table.rows("jitter"))
    share = _share_of_loop(run, loops[0])
    lower, not_lower = counts[loops[0]]
    if lower < rows and not not_lower:
        return Claim(
            title, says, OPEN, (*evidence, "Too few draws to tell a PLL that suppresses from one that does not.")
        )
    if lower == rows and share > 0.5:
        return Claim(title, says, SUPPORTED, tuple(evidence))
    if lower == rows:
        evidence.append(
            f"The loop lowers every row, but it makes only {100 * share:.0f} % of the reduction (on a log scale)."
        )
        return Claim(title, says, PARTLY, tuple(evidence))
    evidence.append("So the reduction comes from t_i/t_j < 1 and from averaging over the inputs, not from the PLL.")
    if any(counts[level][0] for level in loops[1:]):
        evidence.append(
            f"Where {run.main} alone is lower, its oscillator edges do it, not the loop filter: "
            "a small shift that meets no edge is not seen."
        )
    return Claim(title, says, NOT_SUPPORTED, tuple(evidence))


def _without_pll(run: Run) -> str:
    rows = run.table.rows("jitter")
    ratios = [run.table.row("jitter", "ideal", row)[run.table.metric] / row for row in rows]
    sentence = (
        f"Without any PLL, eq. (4) alone brings input jitter down to {_span(ratios, 2)} of its standard deviation"
    )
    if run.table.metric == "mean":
        factor = _MEAN_SIZE[run.testbench.jitter_distribution]
        sentence += f"; a factor {factor:.2f} of that is only the mean size of jitter over its standard deviation"
    return sentence + "."


def _against_ideal(run: Run, level: str) -> tuple[str, tuple[int, int]]:
    """Return a sentence on the paired difference to eq. (4), and in how many rows the level is surely lower, and not.

    Not lower: the interval leaves out a reduction by MATERIAL of eq. (4)'s mean.
    """
    mine, ideal = relative_errors(run, "jitter", level), relative_errors(run, "jitter", "ideal")
    if mine is None or ideal is None:
        return f"{level}: draws.nc does not tell the time origin of each draw, so no paired difference.", (0, 0)
    parts, lower, not_lower = [], 0, 0
    for k, row in enumerate(run.table.rows("jitter")):
        mean, low, high = _paired(run, level, row, mine[k], ideal[k])
        lower += high < 0
        not_lower += low > -MATERIAL * run.table.row("jitter", "ideal", row)["mean"]
        interval = "no interval" if math.isnan(low) else f"{_signed(low)}, {_signed(high)}"
        parts.append(f"{row_text('jitter', row)} %: {_signed(mean)} [{interval}]")
    sentence = (
        f"{level} minus ideal, |Δ|/t in percentage points, paired over the same draws with 95 % interval: "
        f"{'; '.join(parts)}. Surely lower in {lower} of {len(parts)} rows."
    )
    return sentence, (lower, not_lower)


def _paired(run: Run, level: str, row: float, mine: Floats, ideal: Floats) -> Interval:
    """Return the mean of |Δ|/t less eq. (4)'s over the same draws; no interval where the row's mean has none."""
    statistics = run.table.row("jitter", level, row)
    difference = paired_difference(np.abs(mine), np.abs(ideal))
    if is_unresolved(statistics):
        return difference[0], math.nan, math.nan
    if math.isnan(statistics["pulse_moves"]):
        return difference
    fire_time = np.asarray(run.draws["clean_jitter"].sel(level=level).values)
    with np.errstate(invalid="ignore"):
        moved = np.abs(mine) * fire_time > 1 / (8 * run.spec.cycles_per_tau)  # a quarter of the pulses' spacing
    return paired_mixture_difference(np.abs(mine), np.abs(ideal), moved)


def _share_of_loop(run: Run, level: str) -> float:
    """Part of the reduction from input to output, on a log scale over all rows, that eq. (4) alone does not give."""
    rows, metric = run.table.rows("jitter"), run.table.metric
    with np.errstate(divide="ignore", invalid="ignore"):
        whole, ideal = (
            float(np.sum(np.log([row / run.table.row("jitter", name, row)[metric] for row in rows])))
            for name in (level, "ideal")
        )
    return 1 - ideal / whole if whole > 0 and math.isfinite(ideal) else math.nan


def _common_jitter(run: Run) -> list[str]:
    """Tell a filter, which would lower common jitter as much as independent jitter, from averaging, which would not."""
    outputs = {
        (interpretation.name, interpretation.row): interpretation.output
        for interpretation in run.interpretations
        if interpretation.half == "jitter" and interpretation.name in ("baseline", "jitter-common")
    }
    parts = [
        f"{percent_text(outputs['baseline', row])} → {percent_text(output)} % at {row_text('jitter', row)} %"
        for (name, row), output in outputs.items()
        if name == "jitter-common" and ("baseline", row) in outputs
    ]
    if not parts:
        return []
    return [
        "A low-pass filter would lower a jitter that all inputs share as much as independent jitter; averaging would "
        f"not. From independent to shared: {'; '.join(parts)} of input jitter."
    ]


def _below_input(run: Run) -> Claim | None:
    rows = run.table.rows("jitter")
    if not rows:
        return None
    ends = [_interval(run, "jitter", row) for row in rows]
    below = sum(high < row for (_, high), row in zip(ends, rows, strict=True))
    above = sum(low > row for (low, _), row in zip(ends, rows, strict=True))
    ratios = [run.table.row("jitter", run.main, row)[run.table.metric] / row for row in rows]
    return Claim(
        "output jitter stays below input jitter",
        "Input jitter of 1-9 % gives output jitter of 0.024-0.997 % only, since t_j > t_i (§4.2).",
        _verdict(below, above, len(rows) - below - above),
        (
            f"Output over input at level {run.main}: {_span(ratios, 3)}; "
            f"the interval is below the input in {below} of {len(rows)} rows, above it in {above}.",
        ),
    )


def _superlinear(run: Run) -> Claim | None:
    if "jitter" not in run.table.halves:
        return None
    value, low, high = run.table.exponent(run.main)
    printed = paper.exponent()
    says = f"Table 3's five points grow as input jitter to the power {printed:.2f} (our fit through them)."
    title = "output jitter grows faster than input jitter"
    if math.isnan(low):
        return Claim(title, says, OPEN, ("This run has too few rows with fired draws for an exponent.",))
    others = [f"{level} {run.table.exponent(level)[0]:.2f}" for level in run.levels if level != run.main]
    inside = "inside" if low - _ROUNDING <= printed <= high + _ROUNDING else "outside"
    evidence = (
        f"Exponent at level {run.main}: {value:.3f} [{low:.3f}, {high:.3f}] (95 %); the paper's lies {inside} it.",
        *([f"Other levels: {', '.join(others)}."] if others else []),
    )
    if low > 1:
        verdict = SUPPORTED if inside == "inside" else PARTLY
    else:  # an interval that holds both 1 and a growth that would matter tells nothing
        verdict = NOT_SUPPORTED if high < 1 + MATERIAL_EXPONENT else OPEN
    return Claim(title, says, verdict, evidence)


def _quantisation_floor(run: Run) -> Claim | None:
    rows = [row for row in run.table.rows("bits") if row in (16, 24, 32)]
    if not rows:
        return None
    evidence, explained, undecided = [], 0, 0
    for row in rows:
        mine, printed = run.table.row("bits", run.main, row), paper.TABLE_3["bits"][row]
        low, high = _interval(run, "bits", row)
        if math.isnan(low) and "averaged" in run.levels:  # pulses redistribute the mean shift and keep its size
            low, high = _interval(run, "bits", row, "averaged")
        reached, missed = low >= printed * (1 - MATERIAL), high < printed
        cannot_tell = mine["floor"] >= printed or not (reached or missed)
        undecided += bool(cannot_tell)
        explained += bool(reached and not cannot_tell)
        evidence.append(
            f"{row:g} bit: paper {percent_text(printed)} %, ours {value_text(mine, run.table.metric)} % "
            f"(numerical floor {percent_text(mine['floor'])} %{_ideal_text(run, row)})."
        )
    if undecided == len(rows):
        verdict = OPEN
        evidence.append(
            "Our own floor lies above the paper's values, or the draws are too few, so this run cannot tell."
        )
    else:
        verdict = _verdict(explained, len(rows) - undecided - explained, 0)
    if verdict in (NOT_SUPPORTED, PARTLY):
        evidence.append(
            f"In {len(rows) - undecided - explained} of {len(rows)} rows quantisation is too small for that: "
            "there that is a floor of its simulation, not an effect of the weights."
        )
    says = "Weights of 16, 24 and 32 bit leave 0.008, 0.004 and 0.004 % of output jitter (Table 3)."
    return Claim("weights of 16-32 bit leave a floor of 0.004-0.008 %", says, verdict, tuple(evidence))


def _ideal_text(run: Run, row: float) -> str:
    if run.main == "ideal" or "ideal" not in run.levels:
        return ""
    return f"; eq. (4) alone {value_text(run.table.row('bits', 'ideal', row), run.table.metric)} %"


def _coarse_weights(run: Run) -> Claim | None:
    if 4 not in run.table.rows("bits"):
        return None
    row = run.table.row("bits", run.main, 4)
    value, (low, high) = row[run.table.metric], _interval(run, "bits", 4)
    weights_dB = paper.DECIBEL_PER_BIT * 4
    if not value > 0:
        return None
    ours_dB = -20 * math.log10(value)
    most_jitter = 10 ** (-weights_dB / 20)
    verdict = SUPPORTED if high < most_jitter else NOT_SUPPORTED if low >= most_jitter else OPEN
    return Claim(
        "the neuron is robust to 4-bit weights",
        "At 4 bit the output's signal-to-noise ratio is 40 dB, above the 24 dB of the weights (§4.2).",
        verdict,
        (
            f"Ours: {percent_text(value)} % or {ours_dB:.1f} dB. Supported means: above the {weights_dB:.1f} dB of the "
            "weights themselves, not the 40 dB.",
        ),
    )


def _rows_agree(run: Run) -> Claim | None:
    """Judge row by row: does the printed value hold, is it another, or can this run not tell?"""
    if run.table.metric != "mean":
        return None  # the paper's values would stand against another statistic, without an interval
    agree, differ, undecided, ratios = 0, 0, 0, []
    for half in run.table.halves:
        for row in run.table.rows(half):
            printed, mine = paper.value(half, row), run.table.row(half, run.main, row)
            if printed is None or not mine["fired"] > 0:
                continue
            low, high = _interval(run, half, row)
            differs = printed < low or printed > high
            holds = low >= printed * (1 - MATERIAL) and high <= printed * (1 + MATERIAL)
            differ, agree = differ + differs, agree + (holds and not differs)
            undecided += not differs and not holds
            if not is_unresolved(mine) and not mine["mean"] < mine["floor"]:
                ratios.append(mine["mean"] / printed)
    if not agree + differ + undecided:
        return None
    spread = f" Ours over the paper's, where above our floor: {_span(ratios, 2)}." if ratios else ""
    return Claim(
        "Table 3's values hold for this circuit",
        "Ten printed values, each without an interval or a number of draws.",
        _verdict(agree, differ, undecided),
        (
            f"{agree} of {agree + differ + undecided} hold within {100 * MATERIAL:g} % by our 95 % interval of the "
            f"mean, {differ} lie outside it, and {undecided} cannot be told by this number of draws.{spread}",
        ),
    )


def _interval(run: Run, half: str, row: float, level: str = "") -> tuple[float, float]:
    """Return the 95 % interval of the shown mean; nan where it has none: another metric, or too few draws."""
    statistics = run.table.row(half, level or run.main, row)
    if run.table.metric != "mean":
        return math.nan, math.nan
    return statistics["ci_low"], statistics["ci_high"]


def _verdict(holds: int, fails: int, undecided: int) -> str:
    """Return the verdict over rows: one that fails refutes, none that fails leaves the undecided ones open."""
    if fails:
        return PARTLY if holds else NOT_SUPPORTED
    return OPEN if undecided or not holds else SUPPORTED


def _span(values: list[float], digits: int) -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "nothing (no draw fired)"
    low, high = f"{min(finite):.{digits}f}", f"{max(finite):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def _signed(ratio: float) -> str:
    return f"{100 * ratio:+.3f}".replace("-", "−")
