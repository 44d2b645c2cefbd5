"""Tables and sentences of the report of a sweep."""

import math

from neurocircuit.core.stats import wilson_interval
from neurocircuit.rendering import paper
from neurocircuit.rendering.document import Table
from neurocircuit.rendering.read.agreement import Agreement
from neurocircuit.rendering.read.result import record_rows
from neurocircuit.rendering.read.sweep import Interpretation, Run
from neurocircuit.rendering.renderers.sweep_description import level_text
from neurocircuit.rendering.text import capitalised
from neurocircuit.spec import Uniform
from neurocircuit.spec.derived import remarks as unlikely
from neurocircuit.tables import percent_text
from neurocircuit.tables.render import interval_text, is_unresolved, row_text, unresolved_text, value_text

_ROW_HEADING = {"jitter": "input jitter (%)", "bits": "weight bits"}
HALF_TITLE = {"jitter": "Input jitter", "bits": "Weight quantisation"}


def answer(run: Run) -> str:
    """Return what was measured, under the paper's testbench beside Table 3."""
    return f"At level {run.main}, {'; '.join(_half_answer(run, half) for half in run.table.halves)}."


def _half_answer(run: Run, half: str) -> str:
    rows = run.table.rows(half)
    known = [row for row in rows if not is_unresolved(run.table.row(half, run.main, row))] or list(rows)
    ends = [known[0], known[-1]] if len(known) > 1 else [known[0]]
    measured = " … ".join(value_text(run.table.row(half, run.main, row), run.table.metric) for row in ends)
    printed_values = [paper.value(half, row) for row in ends if paper.measures_table_3(run.testbench)]
    named = " … ".join(row_text(half, row) for row in ends)
    what = f"{named} % input jitter gives" if half == "jitter" else f"weights of {named} bit give"
    values = " … ".join(percent_text(value) for value in printed_values if value is not None)
    printed = f" (paper: {values} %)" if values and None not in printed_values else ""
    unresolved = "" if len(known) == len(rows) else "; the finer rows are not resolved by so few draws"
    return f"{what} {measured} % output jitter{printed}{unresolved}"


def remarks(run: Run) -> list[str]:
    """What a reader must know before the numbers: halves or levels that are absent, failures, effects left out."""
    texts = [
        f"This run has no {name.lower()} half." for half, name in HALF_TITLE.items() if half not in run.table.halves
    ]
    texts += [
        f"The level {level} was not run." for level in ("ideal", "averaged", "bsource") if level not in run.levels
    ]
    if run.spec.is_noisy:
        texts.append(
            "Noise of the oscillators is on: but at ideal and transistor every row holds its spread too, which stays "
            "when the input jitter is 0."
        )
    texts += [f"{capitalised(remark)}." for remark in unlikely(run.spec)]
    texts += _saturation(run)
    if run.record.get("status") != "complete":
        texts.append("Some points failed (listed at the end); the statistics leave them out.")
    return texts


def _saturation(run: Run) -> list[str]:
    """Return a warning where the testbench's weights lie beyond the weight bank's full scale."""
    if "bits" not in run.table.halves:
        return []
    bank = run.spec.weight_bank
    ends = [
        end
        for value in run.testbench.quantised_weights
        for end in ((value.low, value.high) if isinstance(value, Uniform) else (value,))
    ]
    if max(ends) <= bank.excitatory.max_weight and -min(ends) <= bank.inhibitory.max_weight:
        return []
    return [
        f"Weights of {min(ends):g} … {max(ends):g} lie beyond the weight bank's full scale "
        f"(-{bank.inhibitory.max_weight:g} … {bank.excitatory.max_weight:g}): it saturates, and the quantisation rows "
        "hold that error too."
    ]


def level_texts(run: Run) -> list[tuple[str, str]]:
    """Return each level in words, with what it leaves out of this neuron."""
    left_out = run.table.provenance.get("not_modelled", {})
    return [
        (
            level,
            level_text(level) + (f"; leaves out: {', '.join(effects)}" if (effects := left_out.get(level)) else ""),
        )
        for level in run.levels
    ]


def main_table(run: Run, half: str) -> Table:
    """Return output jitter with its interval; under the paper's testbench beside Table 3."""
    measured = _ROW_HEADING[half], f"{run.main} (%)", "95 % interval (%)"
    header = (*measured, "paper (%)", "paper lies") if paper.measures_table_3(run.testbench) else measured
    rows = []
    for row in run.table.rows(half):
        mine, printed = run.table.row(half, run.main, row), paper.value(half, row)
        shown = value_text(mine, run.table.metric), interval_text(mine, run.table.metric) or "–"
        beside = "–" if printed is None else percent_text(printed), _against_interval(run, mine, printed)
        rows.append((row_text(half, row), *shown, *(beside if paper.measures_table_3(run.testbench) else ())))
    note = (
        f"{run.table.metric} of |Δ|/t, t counted from {run.testbench.time_origin.replace('-', ' ')}. "
        f"Interval: {run.table.dataset.attrs['interval_method'].replace('delta', 'Δ')}."
    )
    if run.table.provenance.get("control_variate"):
        note += f" Means of level {run.main} are those with the control variate, intervals as in its own table below."
    note = f"{note} {unresolved_text(run.table, half)}".rstrip()
    caption = "Output jitter" + (", beside Table 3 of the paper" if paper.measures_table_3(run.testbench) else "")
    return Table(caption, header, tuple(rows), note, (4,) if len(header) > 4 else ())


def _against_interval(run: Run, mine: dict[str, float], printed: float | None) -> str:
    if printed is None or run.table.metric != "mean" or math.isnan(mine["ci_low"]) or is_unresolved(mine):
        return "–"
    if mine["mean"] < mine["floor"]:
        return "above our floor" if printed > mine["floor"] else "below our floor"
    return "below" if printed < mine["ci_low"] else "above" if printed > mine["ci_high"] else "inside"


def levels_table(run: Run, half: str) -> Table:
    """Return all levels side by side, each with its interval."""
    rows = []
    for row in run.table.rows(half):
        cells = []
        for level in run.levels:
            mine = run.table.row(half, level, row)
            interval = interval_text(mine, run.table.metric)
            value = value_text(mine, run.table.metric) if mine["n"] > 0 else "not run"
            cells.append(f"{value} [{interval}]" if interval else value)
        rows.append((row_text(half, row), *cells))
    header = (_ROW_HEADING[half], *(f"{level} (%)" for level in run.levels))
    caption = f"{HALF_TITLE[half]}, all levels: output jitter with 95 % interval"
    return Table(caption, header, tuple(rows), unresolved_text(run.table, half))


def counts_table(run: Run, half: str) -> Table:
    """Return the draws fired / silent / failed, and the numerical floor of each level."""
    rows = [
        (row_text(half, row), *(_counts(run.table.row(half, level, row)) for level in run.levels))
        for row in run.table.rows(half)
    ]
    floors = [run.table.row(half, level, run.table.rows(half)[0])["floor"] for level in run.levels]
    rows.append(("floor (%)", *(percent_text(floor) for floor in floors)))
    silent = [run.table.row(half, run.main, row) for row in run.table.rows(half)]
    least = min(silent, key=lambda row: row["n"])
    note = "Floor: mean |Δ|/t between two clean runs that differ in their numerics only."
    if all(row["silent_fraction"] == 0 for row in silent) and least["n"] > 0:
        high = wilson_interval(0, int(least["n"]))[1]
        note += f" No silent draw of {least['n']:g} at level {run.main}: at most {percent_text(high)} % (95 %, Wilson)."
    return Table(
        f"{HALF_TITLE[half]}: draws fired / silent / failed", (_ROW_HEADING[half], *run.levels), tuple(rows), note
    )


def _counts(row: dict[str, float]) -> str:
    if not row["n"] > 0:
        return "not run"
    silent, failed = (round(row[f"{name}_fraction"] * row["n"]) for name in ("silent", "failed"))
    return f"{row['fired']:g} / {silent} / {failed}"


def agreement_table(agreements: list[Agreement]) -> Table:
    """Return the numbers beside the scatter."""
    header = ("levels", "draws", "median |Δt| (τ)", "worst |Δt| (τ)", "of the fire time (%)", "where", "only one fired")
    rows = []
    for agreement in agreements:
        name, worst = f"{agreement.level} − {agreement.reference}", agreement.worst
        if worst is None:
            rows.append((name, f"{agreement.compared}", "–", "–", "–", "–", f"{agreement.only_one_fired}"))
            continue
        size = abs(float(agreement.difference_over_tau[worst]))
        unit = "%" if agreement.half[worst] == "jitter" else "bit"
        where = (
            f"{row_text(str(agreement.half[worst]), float(agreement.row[worst]))} {unit}, draw {agreement.trial[worst]}"
        )
        relative = percent_text(size / float(agreement.reference_over_tau[worst]))
        rows.append(
            (
                name,
                f"{agreement.compared}",
                f"{agreement.median:.2g}",
                f"{size:.2g}",
                relative,
                where,
                f"{agreement.only_one_fired}",
            )
        )
    return Table("Fire times of the levels against each other", header, tuple(rows), prose=(5,))


def worst_sentence(agreement: Agreement) -> str:
    """Return the caption's numbers."""
    if agreement.worst is None:
        return f"{agreement.level} against {agreement.reference}: no draw fired at both levels."
    size = abs(float(agreement.difference_over_tau[agreement.worst]))
    return (
        f"{agreement.level} against {agreement.reference}, {agreement.compared} draws: worst disagreement {size:.2g} "
        f"τ, median {agreement.median:.2g} τ; in {agreement.only_one_fired} draws only one of them fired."
    )


def interpretations_table(run: Run, half: str) -> Table:
    """Return every interpretation with its value in each row; the paper's values last."""
    mine = [interpretation for interpretation in run.interpretations if interpretation.half == half]
    rows = sorted({interpretation.row for interpretation in mine})
    by_place = {(interpretation.name, interpretation.row): interpretation for interpretation in mine}
    what = {interpretation.name: interpretation.what for interpretation in mine}
    lines = [(name, *(_interpretation_cell(by_place, name, row) for row in rows), what[name]) for name in what]
    printed = [paper.value(half, row) for row in rows]
    if paper.measures_table_3(run.testbench):
        lines.append(("paper", *("–" if value is None else percent_text(value) for value in printed), paper.SOURCE))
    unit = "%" if half == "jitter" else "bit"
    header = ("interpretation", *(f"{row_text(half, row)} {unit}" for row in rows), "what it means")
    draws = max(interpretation.n for interpretation in mine)
    return Table(
        f"{HALF_TITLE[half]}: output jitter (%) by interpretation",
        header,
        tuple(lines),
        f"{draws} draws per value, so the baseline differs from the main rows by its fewer draws.",
        (len(rows) + 1,),
    )


def _interpretation_cell(by_place: dict[tuple[str, float], Interpretation], name: str, row: float) -> str:
    interpretation = by_place.get((name, row))
    if interpretation is None:
        return "–"
    text = percent_text(interpretation.output)
    return (
        text
        if interpretation.fired == interpretation.n
        else f"{text} ({interpretation.fired} of {interpretation.n} fired)"
    )


def interpretations_sentence(run: Run, half: str) -> str:
    """Return how far the answer moves, in numbers."""
    parts = []
    for row in sorted({interpretation.row for interpretation in run.interpretations if interpretation.half == half}):
        finite = [r for r in run.interpretations if r.half == half and r.row == row and math.isfinite(r.output)]
        if not finite:
            continue
        low, high = min(finite, key=lambda r: r.output), max(finite, key=lambda r: r.output)
        row_name = f"{row_text(half, row)} {'% input jitter' if half == 'jitter' else 'bit'}"
        span = f"{percent_text(low.output)} % ({low.name}) to {percent_text(high.output)} % ({high.name})"
        printed = paper.value(half, row) if paper.measures_table_3(run.testbench) else None
        parts.append(f"{row_name}: {span}" + ("" if printed is None else f", paper {percent_text(printed)} %"))
    return f"{HALF_TITLE[half]}: " + "; ".join(parts) + "." if parts else ""


def record_table(run: Run) -> Table:
    """Return the run record, seed, hashes, batches, times."""
    record, provenance = run.record, run.table.provenance
    lines = [
        *record_rows(record.get("run", {})),
        ("seed", str(run.seed)),
        ("processes", str(record.get("jobs", "?"))),
        ("batches", f"{record.get('computed_batches', '?')} computed, {record.get('reused_batches', '?')} reused"),
        ("request hash", str(record.get("request_hash", "unknown"))),
        ("table hash", str(run.table.dataset.attrs["content_sha256"])),
        *(
            (key.replace("_", " "), str(provenance[key]))
            for key in sorted(provenance)
            if key.endswith("sha256") and provenance[key] is not None  # the netlist of a level that did not run
        ),
        *(
            (f"time per evaluation, {level}", f"{seconds:g} s")
            for level, seconds in record.get("seconds_per_evaluation", {}).items()
        ),
        *((f"engine of {level}", str(text)) for level, text in provenance.get("engines", {}).items()),
    ]
    if isinstance(record.get("ngspice"), dict):
        lines += record_rows({"ngspice": record["ngspice"]})
    return Table("How this run was made", ("", ""), tuple(lines), prose=(1,))


def failed_table(run: Run) -> Table | None:
    """Return the failed points with their reasons; None when there is none."""
    failed = run.record.get("failed", [])
    rows = tuple((str(f["level"]), str(f["row"]), _trials(f["trials"]), str(f["reason"])) for f in failed)
    return Table("Failed points", ("level", "row", "draws", "reason"), rows, prose=(1, 2, 3)) if rows else None


def _trials(trials: list[int]) -> str:
    shown = ", ".join(map(str, trials[:8]))
    return shown if len(trials) <= 8 else f"{shown}, … ({len(trials)} in all)"
