"""A sweep: output jitter of the user's circuit; under the paper's testbench beside Table 3 and the paper's claims."""

from functools import partial
from pathlib import Path

from neurocircuit.rendering import figures, paper
from neurocircuit.rendering.document import (
    Block,
    Bullets,
    Definitions,
    Document,
    Figure,
    Section,
    Verdict,
    draw,
    section,
)
from neurocircuit.rendering.paper import claims
from neurocircuit.rendering.read.agreement import Agreement, agreements
from neurocircuit.rendering.read.sweep import Run, read_run
from neurocircuit.rendering.renderers import sweep_description as description
from neurocircuit.rendering.renderers import sweep_tables as tables
from neurocircuit.rendering.renderers import sweep_transistors as transistors
from neurocircuit.rendering.text import capitalised


def render(file: Path) -> Document:
    """Return the report of the sweep whose folder holds `file`."""
    run = read_run(file.parent)
    compared, halves, is_papers = agreements(run), run.table.halves, paper.measures_table_3(run.testbench)
    sections = (
        *(section(tables.HALF_TITLE[half], _curve(run, half), tables.main_table(run, half)) for half in halves),
        section(
            "All levels", *(make(run, half) for make in (tables.levels_table, tables.counts_table) for half in halves)
        ),
        *_transistors(run),
        _levels(run, compared),
        section(
            "The neuron, and its waveforms",
            description.neuron_sentences(run.spec),
            _waveforms(run) or "This run holds no waveforms.",
        ),
        section("The testbench", Definitions(tuple(description.testbench_sentences(run.testbench)))),
        _interpretations(run),
        *([_claims(claims.claims(run))] if is_papers else []),
        section("Versions, seed, command", tables.record_table(run)),
        section("Failed points", tables.failed_table(run) or "None."),
    )
    return Document(
        f"Output jitter of {run.spec.name}"
        + (", beside Table 3" if paper.measures_table_3(run.testbench) else f" on {run.testbench.name}"),
        tables.answer(run),
        sections,
        tuple(tables.remarks(run)),
        {"table.tex": run.table.to_latex(paper.TABLE_3)},
    )


def _claims(judged: list[claims.Claim]) -> Section:
    return section(
        "The paper's claims",
        "Each verdict is computed from the numbers of this run.",
        [Verdict(capitalised(claim.title), claim.paper_says, claim.verdict, claim.evidence) for claim in judged],
    )


def _curve(run: Run, half: str) -> Figure:
    if half == "jitter":
        caption = (
            "Output jitter against input jitter. Bars and band: 95 % interval of the mean; slope: exponent of the "
            "fitted power law with its 95 % interval (paired bootstrap over the draws)."
        )
        return draw("transfer_curve", caption, partial(figures.transfer_curve, run), switch=True)
    caption = "Output jitter against the resolution of the weights, with the numerical floor of each level."
    return draw("quantisation_curve", caption, partial(figures.quantisation_curve, run))


def _transistors(run: Run) -> list[Section]:
    if not run.transistor:
        return []
    rows = tuple(row for row in run.transistor if row.half == "jitter")
    caption = (
        "Transistor rows beside the edge level at the same draws and phases. Bars: 95 % interval, grey without the "
        "control variate; dotted: what halving the time step changes."
    )
    return [
        section(
            "Transistors beside edges",
            transistors.sentence(run.transistor),
            transistors.chips_sentence(run),
            [draw("transistor_rows", caption, partial(figures.transistor_rows, rows))] if rows else None,
            transistors.tables(run.transistor),
            transistors.chips_table(run) if run.chips else None,
        )
    ]


def _levels(run: Run, compared: list[Agreement]) -> Section:
    blocks: list[Block] = [
        draw(f"level_{agreement.level}", tables.worst_sentence(agreement), partial(figures.level_scatter, agreement))
        for agreement in compared
    ]
    blocks.append(
        tables.agreement_table(compared)
        if compared
        else "This run holds one level only, so there is nothing to compare."
    )
    return section("Levels against each other", Definitions(tuple(tables.level_texts(run))), blocks)


def _waveforms(run: Run) -> Figure | None:
    if not run.waveforms:
        return None
    pairs = zip(run.shown_inputs_over_tau, run.shown_weights, strict=True)
    inputs = ", ".join(f"{weight:.3g} at {time:.3g} τ" for time, weight in pairs)
    caption = (
        f"One clean neuron with the weights {inputs}: phases of the four oscillators since arming, XOR output UP, its "
        "filtered copy, membrane and flip-flop, levels overlaid."
    )
    shown = {level: run.waveforms[level] for level in run.levels if level in run.waveforms}
    return draw("waveforms", caption, partial(figures.waveform_figure, shown, "threshold", run.shown_inputs_over_tau))


def _interpretations(run: Run) -> Section:
    halves = [
        half for half in run.table.halves if any(interpretation.half == half for interpretation in run.interpretations)
    ]
    is_papers = paper.measures_table_3(run.testbench)
    heading = f"{'What the paper leaves open' if is_papers else 'Other testbenches'}, and how far the answer moves"
    left_open = paper.LEFT_OPEN if is_papers else None
    if not halves:
        return section(heading, left_open, "This run holds no sensitivity sweep.")
    caption = (
        "Output jitter by interpretation, one change at a time; full lines: baseline; "
        f"{'dashed lines: the paper; ' if is_papers else ''}bars: 95 %."
    )
    left_out = run.record.get("interpretations_left_out", {})
    unfit: list[Block] = [
        "Left out, because they do not fit this neuron:",
        Bullets(tuple(f"{name}: {reason}" for name, reason in left_out.items())),
    ]
    return section(
        heading,
        left_open,
        [sentence for half in halves if (sentence := tables.interpretations_sentence(run, half))],
        [
            draw(
                f"interpretations_{half}",
                f"{tables.HALF_TITLE[half]}. {caption}",
                partial(figures.interpretations_figure, run, half),
            )
            for half in halves
        ],
        [tables.interpretations_table(run, half) for half in halves],
        unfit if left_out else None,
    )
