"""A network at characterised conditions of its process."""

from functools import partial
from pathlib import Path

from neurocircuit.rendering.document import Bullets, Document, Table, draw, section
from neurocircuit.rendering.figures import codesign as figures
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, capitalised, interval, scaled
from neurocircuit.results.pvt import FailedRow, Pvt, Row, Trim

TRIMS: dict[Trim, str] = {
    "mapped": "trimmed and mapped at the condition",
    "again": "trimmed at the condition, mapped at nominal",
    "nominal": "trimmed and mapped at nominal only",
}
_SHORT: dict[Trim, str] = {"mapped": "mapped there", "again": "trimmed there", "nominal": "nominal only"}
_HOW = (
    "Each condition changes τ, f0, loop filter, spike width, "
    "lead, swing and the jump of each weight by the ratio of its characterised spec to the nominal one, noise and "
    "supply sensitivities too where the network's neuron and both specs have them; codes, window, bias delays and "
    "input times stay in seconds. Trimmed at nominal only, the frequency errors are those of the "
    "nominal currents at the condition, to first order in the trim's change of the currents; all else is as measured "
    "with the condition's own trim. Mapped at the condition: phase per weight, lead and swing of each layer are chosen "
    "anew for its circuit, phase per weight and lead up to the base circuit's times the condition's ratios, the "
    "swing up to what the condition leaves of the nominal one; so each layer's threshold is 1 weight again. That asks "
    "for currents and a lead that can be set at each condition; mapped at nominal, the threshold moves as listed. "
    "Windows of a windowed network stay in seconds too, but mapped at the condition their clock, which is the input's, "
    "is set for its τ; the read-out current of a ramp follows VCO4's swing, or is chosen anew."
)


def render(file: Path) -> Document:
    """Return the report of a network at conditions."""
    result = Pvt.load(file)
    rows = [row for row in result.rows if isinstance(row, Row)]
    failed = tuple(f"{row.label}, {TRIMS[row.trim]}: {row.failed}" for row in result.rows if isinstance(row, FailedRow))
    caption = "Accuracy and latency at each condition, by trim."
    conditions = section(
        "Conditions",
        _HOW,
        Bullets(failed, warning=True) if failed else None,
        draw("conditions", caption, partial(figures.pvt_figure, rows, _SHORT)) if rows else None,
        _conditions(result),
    )
    title = f"Process, voltage, temperature: {result.name}"
    return Document(title, _answer(result, rows), (conditions, run_section(result)))


def _answer(result: Pvt, rows: list[Row]) -> str:
    texts = []
    for trim, name in TRIMS.items():
        rows_of_trim = [row for row in rows if row.trim == trim]
        if rows_of_trim:
            worst = min(rows_of_trim, key=lambda row: row.accuracy)
            texts.append(f"{name}: at worst {worst.accuracy:.1%} ({worst.label})")
    nominal = [row for row in rows if row.label == result.nominal]
    at_nominal = f"nominal {nominal[0].accuracy:.1%}; " if nominal else ""
    return (
        f"{result.images} {result.split} images on {result.chips} chips at level {result.level}. "
        f"{capitalised(at_nominal + '; '.join(texts))}."
    )


def _conditions(result: Pvt) -> Table:
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
            "energy, in total (nJ)",
            "energy, armed (nJ)",
            "energy, spikes (nJ)",
            "energy, paper (nJ)",
            "power of a neuron (µW)",
            "error VCO2 − VCO1",
            "VCO4 − VCO3",
        ),
        tuple(_row(row) for row in result.rows),
        note="A dash: not run, or energy not characterised there. Energies as in the co-design report. Threshold: in "
        "units of the network's weights, mean of the layers.",
        prose=(1,),
    )


def _row(row: Row | FailedRow) -> tuple[str, ...]:
    trim = {"mapped": "there, there", "again": "there, nominal", "nominal": "nominal, nominal"}[row.trim]
    if isinstance(row, FailedRow):
        return (row.label, trim, *(ABSENT for _ in range(12)))
    vco1, vco2, vco3, vco4 = row.errors
    times_and_energies = (row.latency_s, row.tau_s, row.total_J, row.energy_J, row.energy_spikes_J, row.energy_paper_J)
    return (
        row.label,
        trim,
        interval(row.interval, 1),
        f"{row.undecided:.1%}",
        f"{row.threshold:.2f}",
        *(scaled(value, 1e9) for value in times_and_energies),
        scaled(row.power_W, 1e6),
        *(f"{error:+.1e}" if error else "0" for error in (vco2 - vco1, vco4 - vco3)),
    )
