"""A network at characterised conditions of its process."""

from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.rendering.document import Bullets, Document, Table, draw, section
from neurocircuit.rendering.figures import codesign as figures
from neurocircuit.rendering.read.result import read_result
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, capitalised, interval, scaled

TRIMS = {
    "mapped": "trimmed and mapped at the condition",
    "again": "trimmed at the condition, mapped at nominal",
    "nominal": "trimmed and mapped at nominal only",
}
_SHORT = {"mapped": "mapped there", "again": "trimmed there", "nominal": "nominal only"}
_HOW = (
    "Each condition changes τ, f0, loop filter, spike width, "
    "lead, swing and the jump of each weight by the ratio of its characterised spec to the nominal one; codes, window, "
    "bias delays and input times stay in seconds. Trimmed at nominal only, the frequency errors are those of the "
    "nominal currents at the condition, to first order in the trim's change of the currents; all else is as measured "
    "with the condition's own trim. Mapped at the condition: phase per weight, lead and swing of each layer are chosen "
    "anew for its circuit, phase per weight and lead up to the base circuit's times the condition's ratios, the "
    "swing up to what the condition leaves of the nominal one; so each layer's threshold is 1 weight again. That asks "
    "for currents and a lead that can be set at each condition; mapped at nominal, the threshold moves as listed."
)


def render(file: Path) -> Document:
    """Return the report of a network at conditions."""
    values = read_result(file, "rows", "nominal")
    ran = [row for row in values["rows"] if not row["failed"]]
    failed = tuple(f"{row['label']}, {TRIMS[row['trim']]}: {row['failed']}" for row in values["rows"] if row["failed"])
    caption = "Accuracy and latency at each condition, by trim."
    conditions = section(
        "Conditions",
        _HOW,
        Bullets(failed, warning=True) if failed else None,
        draw("conditions", caption, partial(figures.pvt_figure, ran, _SHORT)) if ran else None,
        _conditions(values["rows"]),
    )
    title = f"Process, voltage, temperature: {values['name']}"
    return Document(title, _answer(values, ran), (conditions, run_section(values)))


def _answer(values: dict[str, Any], ran: list[dict[str, Any]]) -> str:
    texts = []
    for trim, name in TRIMS.items():
        rows = [row for row in ran if row["trim"] == trim]
        if rows:
            worst = min(rows, key=lambda row: row["accuracy"])
            texts.append(f"{name}: at worst {worst['accuracy']:.1%} ({worst['label']})")
    nominal = [row for row in ran if row["label"] == values["nominal"]]
    at_nominal = f"nominal {nominal[0]['accuracy']:.1%}; " if nominal else ""
    return (
        f"{values['images']} {values['split']} images on {values['chips']} chips at level {values['level']}. "
        f"{capitalised(at_nominal + '; '.join(texts))}."
    )


def _conditions(rows: list[dict[str, Any]]) -> Table:
    return Table(
        "Conditions",
        (
            "condition",
            "trimmed, mapped",
            "accuracy (95 %)",
            "undecided",
            "threshold (weights)",
            "latency (ns)",
            "τ (ns)",
            "energy, armed (nJ)",
            "energy, spikes (nJ)",
            "energy, paper (nJ)",
            "power of a neuron (µW)",
            "error VCO2 − VCO1",
            "VCO4 − VCO3",
        ),
        tuple(_row(row) for row in rows),
        note="A dash: not run, or energy not characterised there. Energies as in the co-design report. Threshold: in "
        "units of the network's weights, mean of the layers.",
        prose=(1,),
    )


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    trim = {"mapped": "there, there", "again": "there, nominal", "nominal": "nominal, nominal"}[row["trim"]]
    if row["failed"]:
        return (row["label"], trim, *(ABSENT for _ in range(11)))
    vco1, vco2, vco3, vco4 = row["errors"]
    return (
        row["label"],
        trim,
        interval([row["accuracy"], row["accuracy_low"], row["accuracy_high"]], 1),
        f"{row['undecided']:.1%}",
        f"{sum(layer['threshold'] for layer in row['layers']) / len(row['layers']):.2f}",
        *(scaled(row[key], 1e9) for key in ("latency_s", "tau_s", "energy_J", "energy_spikes_J", "energy_paper_J")),
        scaled(row["power_W"], 1e6),
        *(f"{error:+.1e}" if error else "0" for error in (vco2 - vco1, vco4 - vco3)),
    )
