"""Transistor rows beside edge rows: two tables, and whether the levels agree."""

import math

import numpy as np

from neurocircuit.core.stats import wilson_interval
from neurocircuit.rendering.document import Table
from neurocircuit.rendering.read.sweep import Run
from neurocircuit.tables import percent_text
from neurocircuit.tables.render import row_text
from neurocircuit.tables.transistor_rows import CONTROL_VARIATE, ControlledRow

NOT_RESOLVED = "not resolved"
_HEADING = {"jitter": "input jitter (%)", "bits": "weight bits"}


def tables(rows: tuple[ControlledRow, ...]) -> list[Table]:
    """For each half the rows of both levels with their difference, and how they were estimated."""
    halves = dict.fromkeys(row.half for row in rows)
    return [make(tuple(row for row in rows if row.half == half)) for half in halves for make in (_beside, _estimated)]


def _beside(rows: tuple[ControlledRow, ...]) -> Table:
    half = rows[0].half
    lines = [
        (
            row_text(half, row.row),
            percent_text(row.mean) if row.resolved else NOT_RESOLVED,
            _interval(row.ci_low, row.ci_high) if row.resolved else "–",
            percent_text(row.edge_mean),
            f"{_signed(row.difference)} [{_signed(row.difference_ci_low)}, {_signed(row.difference_ci_high)}]",
            {True: "yes", False: "no", None: "–"}[row.agrees],
        )
        for row in rows
    ]
    header = (_HEADING[half], "transistor (%)", "95 % interval (%)", "edge (%)", "transistor − edge (points)", "agree")
    note = (
        f"Mean of |Δ|/t. Edge: mean over {rows[0].edge_n} draws at the phases that the transistor level can start "
        "from; difference with its 95 % interval: the levels agree where that holds 0."
    )
    return Table("Transistors beside edges: output jitter", header, tuple(lines), note)


def _estimated(rows: tuple[ControlledRow, ...]) -> Table:
    half = rows[0].half
    lines = [
        (
            row_text(half, row.row),
            f"{percent_text(row.plain_mean)} [{_interval(row.plain_ci_low, row.plain_ci_high)}]",
            *(_number(value) for value in (row.correlation_edge, row.correlation_ideal, row.correlation)),
            _number(row.variance_reduction),
            row.method,
            percent_text(row.floor),
            f"{row.n}",
        )
        for row in rows
    ]
    header = (
        _HEADING[half],
        "plain Monte Carlo (%)",
        "ρ edge",
        "ρ ideal",
        "ρ both",
        "variance ÷",
        "reported",
        "floor (%)",
        "draws",
    )
    note = (
        "ρ: correlation of |Δ|/t with that of the fast levels over the same draws and phases; variance ÷: by which "
        "both together divide the variance, with coefficients from the other four of five folds. Intervals of "
        "controlled means: Student t, joined with the mid-P chance that a draw differs by a pulse, where few do. Of "
        "too few draws for that, plain Monte Carlo is reported. "
        f"Floor: median change of Δ/t over {rows[0].floor_n} draws with both runs repeated at half the time step "
        "(2.5 for 5 ps); a row below three floors is not resolved."
    )
    return Table("How the transistor rows were estimated", header, tuple(lines), note, (6,))


def sentence(rows: tuple[ControlledRow, ...]) -> str:
    """Return whether transistors and edges agree, in words."""
    named = {
        verdict: [
            f"{row_text(row.half, row.row)} {'%' if row.half == 'jitter' else 'bit'}"
            for row in rows
            if row.agrees is verdict
        ]
        for verdict in (True, False)
    }
    parts = []
    if named[True]:
        parts.append(f"the transistors agree with the edge level at {', '.join(named[True])}")
    if named[False]:
        worst = max((row for row in rows if row.agrees is False), key=lambda row: abs(row.difference))
        parts.append(
            f"they differ at {', '.join(named[False])}, by at most {_signed(worst.difference)} points "
            f"({100 * worst.difference / worst.edge_mean:+.0f} % of the edge level's value)"
        )
    unresolved = [row_text(row.half, row.row) for row in rows if not row.resolved]
    if unresolved:
        parts.append(f"rows {', '.join(unresolved)} are not resolved by the time step")
    used = sum(row.method == CONTROL_VARIATE for row in rows)
    parts.append(f"the control variate serves {used} of {len(rows)} rows")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def chips_sentence(run: Run) -> str:
    """Return how many of the chips drawn can be trimmed, and what becomes of the others.

    "" for a run without mismatch.
    """
    if not run.chips:
        return ""
    kept, drawn = len(run.chips), len(run.chips) + len(run.lost_chips)
    low, high = wilson_interval(kept, drawn)
    lost = "".join(f" {name} is left out: {reason}." for name, reason in run.lost_chips.items())
    return (
        f"Mismatch of every device is drawn for each chip, and each chip is trimmed as a user would. Yield of trim: "
        f"{kept} of {drawn} chips ({100 * low:.0f} … {100 * high:.0f} %, Wilson).{lost} The draws take the trimmed "
        "chips in turn."
    )


def chips_table(run: Run) -> Table:
    """The chips that trim: currents and what trim measured, what the fast levels take them for, their clean spikes."""
    clean = {k: _clean(run, k) for k in range(len(run.chips))}
    rows = tuple(
        (
            spec.name,
            "nominal devices" if circuit.chip_seed is None else f"{circuit.chip_seed}",
            *(f"{1e6 * getattr(circuit.bias, f'vco{k}_A'):.3f}" for k in (1, 2, 3, 4)),
            f"{circuit.f1_Hz / 1e6:.2f}",
            f"{circuit.f3_Hz / 1e6:.2f}",
            f"{circuit.lead_rad:.3f}",
            f"{1e9 * spec.tau_s:.2f}",
            f"{spec.threshold_weight:.3f}",
            "–" if chip < 0 else clean[chip],
        )
        for chip, spec in enumerate((run.spec, *run.chips), -1)
        if (circuit := spec.circuit) is not None
    )
    header = (
        "",
        "seed",
        *(f"I{k} (µA)" for k in (1, 2, 3, 4)),
        "f1 (MHz)",
        "f3 (MHz)",
        "lead (rad)",
        "τ (ns)",
        "threshold (weight)",
        "clean spikes (τ)",
    )
    note = (
        "τ and threshold: what the fast levels take each chip for, by its rings and synapses. Clean spikes: mean over "
        "the transistor draws without jitter, in the chip's own τ, and how many of them are silent or failed."
    )
    return Table("Trimmed chips", header, rows, note)


def _clean(run: Run, chip: int) -> str:
    """Return the mean fire time of a chip's clean draws, of which every len(chips)-th is its own."""
    name = next((name for name in ("clean_jitter", "clean_bits") if name in run.draws), "")
    if not name:
        return "–"
    times = np.asarray(run.draws[name].sel(level=run.main).values, dtype=np.float64)[chip :: len(run.chips)]
    # Draws beyond those of this level are stored as nan.
    count = math.ceil((run.testbench.trials - chip) / len(run.chips))
    fired = times[np.isfinite(times)]
    lost = count - len(fired)
    return (f"{fired.mean():.3f}" if len(fired) else "–") + (f", {lost} of {count} not" if lost else "")


def _interval(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{percent_text(max(low, 0.0))} … {percent_text(high)}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


def _signed(ratio: float) -> str:
    return "–" if math.isnan(ratio) else f"{100 * ratio:+.3f}".replace("-", "−")
