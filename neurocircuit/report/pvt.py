"""Report of a network at characterised conditions, from its result.json."""

from pathlib import Path
from typing import Any

from neurocircuit.report import sheet, style
from neurocircuit.report.content import Table
from neurocircuit.report.figures import codesign as figures
from neurocircuit.report.page import Picture
from neurocircuit.report.sheet import Part, Sheet, record_part

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


def write_pvt_report(path: Path) -> None:
    """From result.json to report.html, report.md and figures/ beside it."""
    values = sheet.read(path)
    ran = [row for row in values["rows"] if not row["failed"]]
    table = Table(
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
        tuple(_row(row) for row in values["rows"]),
        note="A dash: not run, or energy not characterised there. Energies as in the co-design report. Threshold: in "
        "units of the network's weights, mean of the layers.",
        prose=(1,),
    )
    pictures: tuple[Picture, ...] = ()
    if ran:
        with style.styled():
            drawn = style.render(figures.pvt_figure(ran, _SHORT), "svg")
        pictures = (Picture("conditions", "Accuracy and latency at each condition, by trim.", drawn, b""),)
    failed = tuple(f"{row['label']}, {TRIMS[row['trim']]}: {row['failed']}" for row in values["rows"] if row["failed"])
    parts = (Part("Conditions", (_HOW, *failed), pictures, (table,)), record_part(values))
    title = f"Process, voltage, temperature: {values['name']}"
    sheet.write(Sheet(title, _answer(values, ran), parts), path.with_name("report.html"))


def _answer(values: dict[str, Any], ran: list[dict[str, Any]]) -> str:
    start = f"{values['images']} {values['part']} images on {values['chips']} chips at level {values['level']}. "
    texts = []
    for trim, name in TRIMS.items():
        own = [row for row in ran if row["trim"] == trim]
        if own:
            worst = min(own, key=lambda row: row["accuracy"])
            texts.append(f"{name}: at worst {worst['accuracy']:.1%} ({worst['label']})")
    nominal = [row for row in ran if row["label"] == values["nominal"]]
    there = f"nominal {nominal[0]['accuracy']:.1%}; " if nominal else ""
    return start + there + "; ".join(texts) + "."


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    trim = {"mapped": "there, there", "again": "there, nominal", "nominal": "nominal, nominal"}[row["trim"]]
    if row["failed"]:
        return (row["label"], trim, *("-" for _ in range(11)))
    one, two, three, four = row["errors"]
    accuracy = f"{row['accuracy']:.1%} ({row['accuracy_low']:.1%} … {row['accuracy_high']:.1%})"
    energies = (_nano(row[key]) for key in ("energy_J", "energy_spikes_J", "energy_paper_J"))
    power = "-" if row["power_W"] is None else f"{1e6 * row['power_W']:.3g}"
    return (
        row["label"],
        trim,
        accuracy,
        f"{row['undecided']:.1%}",
        f"{sum(own['threshold'] for own in row['layers']) / len(row['layers']):.2f}",
        _nano(row["latency_s"]),
        _nano(row["tau_s"]),
        *energies,
        power,
        _error(two - one),
        _error(four - three),
    )


def _error(value: float) -> str:
    return f"{value:+.1e}" if value else "0"


def _nano(value: float | None) -> str:
    return "-" if value is None else f"{1e9 * value:.3g}"
