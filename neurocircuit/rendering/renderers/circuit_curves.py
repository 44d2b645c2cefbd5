"""Accuracy of whole images over quantities of the circuit."""

from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.rendering.document import Document, Table, draw, section
from neurocircuit.rendering.figures import circuit_curves as figures
from neurocircuit.rendering.read.result import read_result
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, capitalised, points

HOLDS = 0.05  # a network holds where it lacks less than this of its accuracy under eq. (4)
_HOW = (
    "One quantity is changed at a time; every network is mapped to the changed circuit again (window in τ kept), and "
    "every neuron of every image runs at the level named. All meet the same images, chip numbers and events. Chips are "
    "dealt to the networks of a group in turn, so a band (95 %) holds images, chips and training seeds."
)
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
    values = read_result(file, "quantities", "rows", "groups", "circuits")
    curves = [
        section(
            capitalised(label),
            _NOTES[name],
            draw(name, f"Accuracy over {label}. {_LEGEND}", partial(figures.curve_figure, values, name)),
            _table(values, name),
        )
        for name, label in values["quantities"].items()
    ]
    networks = section("Networks", _HOW, _networks(values), _holding(values))
    title = "Accuracy over quantities of the circuit"
    return Document(title, _answer(values), (networks, *curves, run_section(values)))


def _answer(values: dict[str, Any]) -> str:
    texts = [f"{values['images']} {values['split']} images on {values['chips']} chips at level {values['level']}."]
    for circuit in values["circuits"]:
        rows = [row for row in values["rows"] if row["circuit"] == circuit and row["quantity"] is None]
        shares = ", ".join(f"{figures.NAMES[row['group']]} {_share(row)}" for row in rows)
        gain = _gain(values, circuit, None, None)
        texts.append(f"On the {circuit} circuit: {shares}" + (f"; gain {gain} points." if gain else "."))
    return " ".join(texts)


def _networks(values: dict[str, Any]) -> Table:
    rows = tuple(
        (figures.NAMES[group], weights, digest[:8], ", ".join(map(str, chips)), f"{its['software']:.1%}")
        for group, its in values["groups"].items()
        for weights, digest, chips in zip(its["weights"], its["sha256"], its["chips"], strict=True)
    )
    note = f"Under eq. (4): of the group, on the same {values['images']} images."
    return Table("Networks", ("group", "weights", "sha256", "chips", "under eq. (4)"), rows, note=note, prose=(1,))


def holding(values: dict[str, Any]) -> dict[str, dict[tuple[str, str], list[str]]]:
    """Return by quantity, circuit and group the values at which a group lacks less than HOLDS of eq. (4)."""
    good: dict[str, dict[tuple[str, str], list[str]]] = {}
    for name in values["quantities"]:
        for circuit in values["circuits"]:
            for group, its in values["groups"].items():
                rows = sorted(figures.rows_of(values, circuit, group, name), key=lambda row: row["value"])
                good.setdefault(name, {})[circuit, group] = [
                    f"{row['value']:.3g}"
                    for row in rows
                    if not row["failed"] and row["accuracy"] > its["software"] - HOLDS
                ]
    return good


def _holding(values: dict[str, Any]) -> Table:
    header = ("quantity", *(f"{circuit}, {group}" for circuit in values["circuits"] for group in values["groups"]))
    rows = [
        (values["quantities"][name], *(", ".join(kept) or "none" for kept in cells.values()))
        for name, cells in holding(values).items()
    ]
    return Table(
        f"Values at which the mean lies less than {HOLDS:.0%} below eq. (4)",
        header,
        tuple(rows),
        prose=(0,),
        note="Of the values that were run; the bands below say how sure that is.",
    )


def _table(values: dict[str, Any], name: str) -> Table:
    groups = list(values["groups"])
    header = ["circuit", "value", *(figures.NAMES[group] for group in groups)]
    header += (["gain, points"] if values["gains"] else []) + ["undecided", "latency (ns)", "limits broken"]
    rows = []
    for circuit in values["circuits"]:
        of_groups = [figures.rows_of(values, circuit, group, name) for group in groups]
        for pair in sorted(zip(*of_groups, strict=True), key=lambda pair: pair[0]["value"]):
            quantity, value = pair[0]["quantity"], pair[0]["value"]
            its_own = " (its own)" if quantity is None else ""
            cells = [circuit, f"{value:.4g}{its_own}", *(_share(row) for row in pair)]
            if values["gains"]:
                cells.append(_gain(values, circuit, quantity, value) or ABSENT)
            rows.append((*cells, *_conduct(pair)))
    return Table(
        f"Accuracy (95 %) over {values['quantities'][name]}", tuple(header), tuple(rows), prose=(len(header) - 1,)
    )


def _conduct(pair: tuple[dict[str, Any], ...]) -> tuple[str, str, str]:
    ran = [row for row in pair if not row["failed"]]
    if not ran:
        return ABSENT, ABSENT, pair[0]["failed"]
    undecided = ", ".join(f"{row['undecided']:.0%}" for row in ran)
    latency = ", ".join(f"{1e9 * row['latency_s']:.3g}" for row in ran)
    broken = sorted({line.split(",")[0] for row in ran for line in row["broken"]})
    return undecided, latency, "; ".join(broken) or "none"


def _share(row: dict[str, Any]) -> str:
    return ABSENT if row["failed"] else f"{row['accuracy']:.1%} ({row['low']:.1%} … {row['high']:.1%})"


def _gain(values: dict[str, Any], circuit: str, quantity: str | None, value: float | None) -> str:
    for row in values["gains"]:
        same = row["quantity"] is None if quantity is None else (row["quantity"], row["value"]) == (quantity, value)
        if row["circuit"] == circuit and same:
            return points((row["gain"], row["low"], row["high"]), unit="")
    return ""
