"""Two circuits side by side."""

from functools import partial
from pathlib import Path

from neurocircuit.rendering.document import Document, Table, draw, section
from neurocircuit.rendering.figures.circuit_comparison import comparison_figure
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import capitalised, points
from neurocircuit.results.circuit_comparison import Change, CircuitComparison
from neurocircuit.tables.render import row_name


def render(file: Path) -> Document:
    """Return the report of a comparison of circuits."""
    result = CircuitComparison.load(file)
    caption = f"Mean output jitter at level {result.level}; bars: 95 %, where the draws allow an interval."
    sections = (
        section(
            "Spikes",
            draw("circuits", caption, partial(comparison_figure, result)) if result.rows else None,
            _rows(result) if result.rows else None,
        ),
        section("A network", _measured(result), _limits(result)),
        section("The circuits", _changes("Fields", result.fields), _changes("What follows from them", result.derived)),
        run_section(result, ("power behind the energies", result.power_source)),
    )
    remarks = tuple(f"{capitalised(note)}." for note in result.notes)
    return Document(f"Two circuits: {result.circuit_a} and {result.circuit_b}", _answer(result), sections, remarks)


def _answer(result: CircuitComparison) -> str:
    """Return what moved, in a sentence or two."""
    sentences = [result.rows_sentence(), result.limits_sentence(), *map(str, result.measured)]
    return f"A is {result.label_a}, B is {result.label_b}. {'. '.join(map(capitalised, filter(None, sentences)))}."


def _rows(result: CircuitComparison) -> Table:
    return Table(
        f"Rows of Table 3 at level {result.level}, {result.trials} draws each",
        ("row", "A (%)", "B (%)", "B − A", "moved"),
        tuple(
            (
                row_name(row.half, row.value),
                row.before,
                row.after,
                points((row.change, row.low, row.high), 3),
                "yes" if row.moved else "no" if row.low == row.low else "no interval",
            )
            for row in result.rows
        ),
        note="Intervals are 95 %; of a difference over the same draws they are paired.",
    )


def _measured(result: CircuitComparison) -> Table:
    return Table(
        "Latency, energy, accuracy",
        ("", ""),
        tuple((str(quantity).removeprefix(quantity.name).strip(), quantity.name)[::-1] for quantity in result.measured),
        prose=(1,),
    )


def _limits(result: CircuitComparison) -> Table | None:
    if not result.limits:
        return None
    return Table(
        "Limits of the circuit",
        ("limit", "share used, A", "share used, B", "met"),
        tuple(
            (limit.name, f"{limit.before:.0%}", f"{limit.after:.0%}", _met(limit.met_before, limit.met_after))
            for limit in result.limits
        ),
    )


def _met(before: bool, after: bool) -> str:
    return {(True, True): "both", (True, False): "A only", (False, True): "B only", (False, False): "neither"}[
        before, after
    ]


def _changes(caption: str, changes: tuple[Change, ...]) -> Table | str:
    if not changes:
        return f"{caption}: the same in both."
    return Table(caption, ("", "A", "B"), tuple((change.name, change.before, change.after) for change in changes))
