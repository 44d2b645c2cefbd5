"""Accuracy of whole images over quantities of the circuit."""

from functools import partial
from pathlib import Path

from neurocircuit.rendering.document import Document, Table, draw, section
from neurocircuit.rendering.figures import circuit_curves as figures
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, capitalised, interval, points
from neurocircuit.results.circuit_curves import AtPoint, CircuitCurves, FailedRow, Row

# A network holds where it lacks less than this of its accuracy under eq. (4).
HOLDS = {"circuit": 0.05, "table": 0.01}
_METHODS = {
    "circuit": "every neuron of every image runs at the level named",
    "table": "a noise table is made there, under which the images run",
}
_LEGEND = "Bands: 95 %. Dashed: eq. (4). Dotted: the circuit's own value. Open marks: limits of the mapping broken."
_NOTES = {
    "cycles": "τ follows at the oscillators' frequency: more cycles leave less ripple of the XOR, but let phase noise "
    "and what the trim left act longer in each τ; a spike of 1 ns is a smaller part of it.",
    "mismatch": "Each VCO's own, drawn once for each neuron of a chip; the variation of die, gain and synapses stays.",
    "phase_noise": "White-frequency noise of all four VCOs; phase variance per second.",
    "headroom": "The mapping scales lead and phase per weight to use this share of the XOR's range and of the distance "
    "to the wrap, as the training images show it; 0.9 is its default. Above 1 it breaks these limits on purpose.",
    "ratio": "The second pole of the loop, at r/τ: a small ratio delays the membrane, a large one lets ripple through.",
}


def render(file: Path) -> Document:
    """Return the report of circuit curves."""
    result = CircuitCurves.load(file)
    curves = [
        section(
            capitalised(label),
            _NOTES[name],
            draw(name, f"Accuracy over {label}. {_LEGEND}", partial(figures.curve_figure, result, name)),
            _table(result, name),
        )
        for name, label in result.quantities.items()
    ]
    networks = section("Networks", _how(result), _networks(result), _holding(result))
    title = "Accuracy over quantities of the circuit"
    return Document(title, _answer(result), (networks, *curves, run_section(result)))


def _how(result: CircuitCurves) -> str:
    return (
        "One quantity is changed at a time; every network is mapped to the changed circuit again (window in τ kept), "
        f"and {_METHODS[result.method]}. All meet the same images, chip numbers and events. Each chip carries one "
        "network of a group, so a band (95 %) holds images, chips and training seeds."
    )


def _answer(result: CircuitCurves) -> str:
    by = "by noise tables of" if result.method == "table" else "at"
    texts = [f"{result.images} {result.split} images on {result.chips} chips {by} level {result.level}."]
    for circuit in result.circuits:
        rows = [row for row in result.rows if row.circuit == circuit and row.quantity is None]
        shares = ", ".join(f"{figures.name_of(row.group)} {_share(row)}" for row in rows)
        gain = _gain(result, rows[0])
        texts.append(f"On the {circuit} circuit: {shares}" + (f"; gain {gain} points." if gain else "."))
    return " ".join(texts)


def _networks(result: CircuitCurves) -> Table:
    rows = tuple(
        (figures.name_of(name), weights, sha256[:8], ", ".join(map(str, chips)), f"{group.software:.1%}")
        for name, group in result.groups.items()
        for weights, sha256, chips in zip(group.weights, group.sha256, group.chips, strict=True)
    )
    note = f"Under eq. (4): of the group, on the same {result.images} images."
    return Table("Networks", ("group", "weights", "sha256", "chips", "under eq. (4)"), rows, note=note, prose=(1,))


def values_that_hold(result: CircuitCurves, quantity: str, circuit: str, group: str) -> list[str]:
    """Return the values of a quantity at which a group lacks less than HOLDS of its accuracy under eq. (4)."""
    least = result.groups[group].software - HOLDS[result.method]
    rows = result.rows_of(quantity, circuit, group)
    return [f"{result.value_at(row, quantity):.3g}" for row in rows if isinstance(row, Row) and row.accuracy > least]


def _holding(result: CircuitCurves) -> Table:
    curves = [(circuit, group) for circuit in result.circuits for group in result.groups]
    rows = tuple(
        (label, *(", ".join(values_that_hold(result, name, *curve)) or "none" for curve in curves))
        for name, label in result.quantities.items()
    )
    return Table(
        f"Values at which the mean lies less than {HOLDS[result.method]:.0%} below eq. (4)",
        ("quantity", *(f"{circuit}, {group}" for circuit, group in curves)),
        rows,
        prose=(0,),
        note="Of the values that were run; the bands below say how sure that is.",
    )


def _table(result: CircuitCurves, name: str) -> Table:
    header = ["circuit", "value", *(figures.name_of(group) for group in result.groups)]
    header += (["gain, points"] if result.gains else []) + ["undecided", "latency (ns)", "limits broken"]
    table_rows = []
    for circuit in result.circuits:
        rows_of_groups = [result.rows_of(name, circuit, group) for group in result.groups]
        for rows in zip(*rows_of_groups, strict=True):
            unchanged = " (its own)" if rows[0].quantity is None else ""
            cells = [circuit, f"{result.value_at(rows[0], name):.4g}{unchanged}", *map(_share, rows)]
            if result.gains:
                cells.append(_gain(result, rows[0]) or ABSENT)
            table_rows.append((*cells, *_conduct(rows)))
    caption = f"Accuracy (95 %) over {result.quantities[name]}"
    return Table(caption, tuple(header), tuple(table_rows), prose=(len(header) - 1,))


def _conduct(rows: tuple[Row | FailedRow, ...]) -> tuple[str, str, str]:
    """Return share of undecided images, latency (ns) and broken limits of the groups at a point."""
    replayed = [row for row in rows if isinstance(row, Row)]
    if not replayed:
        return ABSENT, ABSENT, rows[0].failed
    undecided = ", ".join(f"{row.undecided:.0%}" for row in replayed)
    latency = ", ".join(f"{1e9 * row.latency_s:.3g}" for row in replayed)
    broken = sorted({limit.split(",")[0] for row in replayed for limit in row.broken})
    return undecided, latency, "; ".join(broken) or "none"


def _share(row: Row | FailedRow) -> str:
    return ABSENT if isinstance(row, FailedRow) else interval((row.accuracy, row.low, row.high))


def _gain(result: CircuitCurves, point: AtPoint) -> str:
    gain = result.gain_at(point)
    return "" if gain is None else points((gain.gain, gain.low, gain.high), unit="")
