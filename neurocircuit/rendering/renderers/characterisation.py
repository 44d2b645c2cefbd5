"""The datasheet of a process, from the files of `characterize`."""

import csv
import io
from collections.abc import Mapping, Sequence
from functools import partial
from math import isfinite, nan
from pathlib import Path

from neurocircuit.rendering.document import Bullets, Document, Section, Table, draw, section
from neurocircuit.rendering.figures import characterisation as figures
from neurocircuit.rendering.read.characterisation import Characterised, condition_text, read_characterisation
from neurocircuit.rendering.read.result import record_rows
from neurocircuit.rendering.renderers.sweep_description import noise_text
from neurocircuit.results.measurement import Quantity
from neurocircuit.results.phase_noise import VCOS, by_role, vco_noise

TITLES = {
    "trim": "Trim",
    "untrimmed": "Without trim",
    "cco": "Current-controlled oscillator",
    "wiring": "Wiring of the ring",
    "supply": "Supply sensitivity of the VCOs",
    "phase_noise": "Phase noise of the devices",
    "assumed_noise": "Response to an assumed bias noise",
    "detector": "Phase detector, lock range and switched current",
    "lock": "Lock",
    "flipflop": "Flip-flop",
    "synapse": "Signed synapse",
    "kernel": "Membrane kernel and step response of the loop",
    "prediction": "Fast levels against the transistors",
    "energy": "Energy",
    "fan_in": "Fan-in",
    "mismatch": "Mismatch of the synapses",
    "power": "Power over current and frequency",
    "noise_law": "Phase noise over current, frequency and area",
}
PICTURES = {
    "cco": (("f_of_i", "Frequency of the ring over its bias current, and the tangent at VCO1's trimmed current."),),
    "phase_noise": (
        (
            "phase_noise",
            "Single-sideband phase noise, and density of the relative frequency; dashed and dotted: flicker and white.",
        ),
        ("jitter", "Jitter that has grown since the arming, by white noise (σ goes with √t) and by flicker (with t)."),
        ("noise_budget", "White phase noise and flicker by device, all devices of a kind together."),
    ),
    "assumed_noise": (
        ("assumed_noise", "Root mean square phase of noisy rings: measured, as drawn, and the random walk of theory."),
    ),
    "detector": (("detector", "Mean of UP over the phase between the XOR's inputs, and its deviation from the line."),),
    "lock": (
        ("lock", "Phase error from a quarter turn; VCO1 at f1, and 0.8 and 1.2 of the way to the ends of the range."),
    ),
    "flipflop": (("flipflop", "Clock to Q over the time by which data comes before the clock."),),
    "synapse": (
        ("synapse", "Phase jump of VCO1 by code, INL and DNL, both signs."),
        ("tail", "Course of VCO1's phase after a full-scale spike: the jump goes on after the spike."),
    ),
    "kernel": (
        ("kernel", "Membrane after one input of each code: transistors and fit."),
        ("step", "Step response of the loop: phase error of VCO1 against VCO2 after the same inputs."),
    ),
    "prediction": (("prediction", "Error of the predicted fire time over the time since the first input."),),
    "energy": (("energy", "Energy of a spike by block and of the lock before it; dotted: the paper's bound."),),
    "fan_in": (
        ("fan_in", "Change of VCO1 with idle synapses; dotted: the bounds, vertical: the most that keep to them."),
    ),
    "power": (
        (
            "power",
            "Power of whole neurons, armed and idle, each trimmed anew; below brought to the current I0; eq. (P1).",
        ),
    ),
    "noise_law": (
        (
            "noise_law",
            "White noise and flicker of rings over frequency at the nominal sizes, over the current with all widths in "
            "proportion, and over the area of the bias devices; lines: eq. (N1).",
        ),
    ),
}
_PREFIXES = (
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
    (1e-12, "p"),
    (1e-15, "f"),
)
_OWN_SCALE = {
    "Hz/A": (1e12, "MHz/µA"),
    "rad/s": (1e6, "mrad/ns"),
    "1/s": (1e7, "%/ns"),
    "1/F": (1e13, "%/fF"),
    "1/V": (1e-2, "%/V"),
    "rad²/s": (1e3, "krad²/s"),
    "m²": (1e-12, "µm²"),
}
# Ratios that are shares or errors, by measurement; all others are plain numbers, whatever their size.
_PERCENT = {
    "untrimmed": ("error1", "error2", "error3", "error4", "drift_relative"),
    "cco": ("linearity_narrow", "linearity_wide"),
    "phase_noise": tuple(f"{what}_{vco}" for what in ("wander", "offset") for vco in VCOS),
    "assumed_noise": ("unexplained", "lost"),
    "detector": ("offset", "up_low", "up_high", "lock_range_relative"),
    "lock": ("range_low", "range_high"),
    "synapse": ("phase_spread", "phase_spread_inhibitory"),
    "power": ("residual",),
    "noise_law": ("white_residual", "flicker_residual", "pushing_residual"),
    "kernel": ("gain_spread", "residual", "worst"),
    "prediction": tuple(
        f"{level}_{what}" for level in ("edge", "crossing", "averaged") for what in ("bias", "std", "worst", "right")
    ),
}
_PREFIXED = ("A", "Hz", "s", "V", "W", "J", "F", "rad")


def render(file: Path) -> Document:
    """Return the datasheet of the characterisation whose folder holds `file`."""
    run = read_characterisation(file.parent)
    conditions = "; ".join(condition_text(condition) for condition in run.conditions)
    failed = run.record.get("failed", [])
    sections = (
        *(_measurement(run, name) for name in run.measured),
        section("Spec for the fast levels", spec_table(run) or "No condition has a fitted kernel."),
        section("Versions, seed, command", record_table(run)),
        section(
            "Failed measurements",
            Bullets(
                tuple(f"{failure['condition']}, {failure['measurement']}: {failure['reason']}" for failure in failed)
            )
            if failed
            else "None.",
        ),
    )
    return Document(
        f"Datasheet: the neuron in {run.process}",
        answer(run),
        (
            section(
                "Conditions", f"{conditions}. All values come from transistor simulation; typ is the nominal condition."
            ),
            *sections,
        ),
        files={"datasheet.csv": to_csv(run)},
    )


def _measurement(run: Characterised, name: str) -> Section:
    remarks = _remarks(run, name)
    return section(
        TITLES.get(name, name),
        Bullets(tuple(remarks), warning=True) if remarks else None,
        _noise_tables(run) if name == "phase_noise" else None,
        table(run, name),
        _per_condition(run, name),
        [
            draw(f"{name}_{key}" if key != name else name, caption, partial(figures.DRAW[key], run))
            for key, caption in PICTURES.get(name, ())
        ],
    )


def answer(run: Characterised) -> str:
    """Return what a reader wants first: does it trim, how well is it predicted, what does a spike cost."""
    parts = []
    trims = run.measured.get("trim", {})
    if trims:
        lag = max(abs(trim.value("lag_residual", nan)) for trim in trims.values())
        drift = max(abs(trim.value("drift", nan)) for trim in trims.values())
        failed = sum(failure["measurement"] == "trim" for failure in run.record.get("failed", []))
        parts.append(
            f"Trim works at {len(trims)} of {len(trims) + failed} conditions; the phase in lock is left within "
            f"{show(lag, 'rad')} of π/2, the membrane's drift within {show(drift, 'rad/s')}."
        )
    prediction = run.typical("prediction")
    if prediction:
        keys = ("edge_bias", "edge_std", "edge_worst", "edge_count", "edge_right")
        bias, spread, worst, cases, right = (prediction.value(key, nan) for key in keys)
        parts.append(
            f"With the fitted spec the edge level predicts the fire time to {100 * bias:+.2f} ± {100 * spread:.2f} % "
            f"of the time since the first input (worst {100 * worst:.1f} %, {cases:.0f} cases), and fire or silent "
            f"rightly in {100 * right:.0f} %."
        )
    energy = run.typical("energy")
    if energy:
        parts.append(
            f"A spike takes {show(energy.value('spike', nan), 'J')} from arming to Q and "
            f"{show(energy.value('with_lock', nan), 'J')} with the lock before it; the paper states < 10 pJ."
        )
    return " ".join(parts) or "No measurement finished."


def table(run: Characterised, name: str) -> Table:
    """Return the minimum, typical (the nominal condition) and maximum of each quantity over the conditions."""
    by_condition = run.measured[name]
    typical = run.typical(name)
    quantities = typical.quantities if typical else ()
    if name == "phase_noise":  # what each VCO has stands in a table of its own
        quantities = tuple(q for q in quantities if _without_vco(q.key) not in _of_each_vco(quantities))
    if len(by_condition) == 1:
        (only,) = by_condition
        rows = tuple((q.label, *shown_with_unit([q.value], unit_of(name, q))) for q in quantities)
        return Table(f"{TITLES.get(name, name)}, {only.replace('_', ', ')}", ("", "value", "unit"), rows)
    rows = tuple((q.label, *shown_with_unit(_three(run, name, q), unit_of(name, q))) for q in quantities)
    caption = f"{TITLES.get(name, name)}, over {len(by_condition)} conditions; typ: {run.nominal.replace('_', ', ')}"
    return Table(caption, ("", "min", "typ", "max", "unit"), rows)


def _three(run: Characterised, name: str, quantity: Quantity) -> list[float]:
    values = [measurement.value(quantity.key, nan) for measurement in run.measured[name].values()]
    known = [value for value in values if isfinite(value)] or [float("nan")]
    return [min(known), quantity.value, max(known)]


def _per_condition(run: Characterised, name: str) -> list[Table]:
    """Return the few quantities of trim that a reader looks up condition by condition."""
    keys = {
        "trim": ("vco1", "vco2", "vco3", "vco4", "lag_residual", "drift", "runs"),
        "untrimmed": ("error1", "error2", "error3", "error4", "locks", "drift_relative"),
        "phase_noise": tuple(f"{what}_{vco}" for vco in ("vco1", "vco3") for what in ("white", "flicker", "corner")),
    }.get(name, ())
    by_condition, typical = run.measured[name], run.typical(name)
    if not keys or typical is None or len(by_condition) < 2:
        return []
    known = [
        (condition_text(condition), by_condition[slug])
        for condition, slug in zip(run.conditions, run.slugs, strict=True)
        if slug in by_condition
    ]
    columns, header = [], []
    for q in (q for key in keys for q in typical.quantities if q.key == key):
        *column, unit = shown_with_unit([measurement.value(q.key, nan) for _, measurement in known], unit_of(name, q))
        columns.append(column)
        header.append(f"{q.label} ({unit})" if unit else q.label)
    rows = tuple(zip([condition for condition, _ in known], *columns, strict=True))
    return [Table(f"{TITLES[name]}, by condition", ("", *header), rows)]


def _noise_tables(run: Characterised) -> list[Table]:
    """Return what is stated of each VCO, a column for each, and each kind of device's share, nominal."""
    measured = run.typical("phase_noise")
    if measured is None:
        return []
    rows = []
    for what in _of_each_vco(measured.quantities):
        first = next(q for q in measured.quantities if q.key == f"{what}_vco1")
        values = [measured.value(f"{what}_{vco}", nan) for vco in VCOS]
        rows.append((first.label.removeprefix("VCO1: "), *shown_with_unit(values, unit_of("phase_noise", first))))
    where = run.nominal.replace("_", ", ")
    caption = f"Phase noise of each VCO, characterised on its devices, {where}"
    noises = [vco_noise(measured, vco) for vco in VCOS]
    columns = [by_role(noise.white_by_device) for noise in noises]
    columns += [by_role(noise.flicker_by_device) for noise in noises]
    header = ("", *(f"{label}: {what}" for what in ("white", "flicker") for label in VCOS.values()))
    roles = dict.fromkeys(role for column in columns for role in column)
    shares = tuple((role, *(_share(column, role) for column in columns)) for role in roles)
    return [
        Table(caption, ("", *VCOS.values(), "unit"), tuple(rows)),
        Table(f"Budget of phase noise by device, {where}", header, shares),
    ]


def _share(budget: Mapping[str, float], role: str) -> str:
    total = sum(budget.values())
    return f"{100 * budget[role] / total:.1f} %" if role in budget and total else "–"


def _of_each_vco(quantities: Sequence[Quantity]) -> tuple[str, ...]:
    """Return what is stated of all four VCOs, in its order: the keys without their VCO."""
    keys = {q.key for q in quantities}
    stated = dict.fromkeys(_without_vco(q.key) for q in quantities)
    return tuple(what for what in stated if all(f"{what}_{vco}" in keys for vco in VCOS))


def _without_vco(key: str) -> str:
    return key.rpartition("_")[0]


def _remarks(run: Characterised, name: str) -> list[str]:
    by_condition = run.measured[name]
    if len({measured.remarks for measured in by_condition.values()}) == 1:
        return list(next(iter(by_condition.values())).remarks)
    return [
        f"{condition_text(condition)}: {text}"
        for condition, slug in zip(run.conditions, run.slugs, strict=True)
        if slug in by_condition
        for text in by_condition[slug].remarks
    ]


def spec_table(run: Characterised) -> Table | None:
    """Return what the fast levels are given."""
    spec = run.spec
    if spec is None:
        return None
    rows = [
        ("tau", show(spec.tau_s, "s")),
        ("f0", show(spec.f0_Hz, "Hz")),
        ("loop_filter", f"{show(spec.loop_filter_rad_per_s, 'rad/s')}, r = {spec.loop_ratio:.3g}"),
        ("phase_per_weight", show(spec.phase_per_weight_rad, "rad")),
        ("threshold", f"lead {spec.threshold_weight * spec.membrane_gain_rad:.4g} rad"),
        ("vco4_swing", show(spec.vco4_swing_Hz, "Hz")),
        ("threshold_vco_ratio", f"{spec.threshold_vco_ratio:.4f}"),
        ("spike_width", show(spec.spike_width_s, "s")),
        ("output_delay", show(spec.output_delay_s, "s")),
        ("phase_noise, flicker", noise_text(spec)),
        (
            "largest weight",
            f"{spec.weight_bank.excitatory.max_weight:.3f} excitatory, "
            f"{spec.weight_bank.inhibitory.max_weight:.3f} inhibitory",
        ),
        *(
            (
                f"sensitivity of {item.field}",
                f"{item.per_supply:+.3f} per relative supply, {100 * item.per_kelvin:+.4f} %/K",
            )
            for item in spec.sensitivities
        ),
    ]
    return Table("NeuronSpec of the nominal condition (spec.toml)", ("", ""), tuple(rows), prose=(1,))


def record_table(run: Characterised) -> Table:
    """Return a section with versions, seed and command."""
    record = run.record
    rows = [
        ("process", run.process),
        ("trim resolution", f"{run.request['resolution']:g} of the nominal current"),
        ("seed", str(run.request["seed"])),
        *record_rows(record.get("run", {})),
        (
            "processor time",
            f"{sum(each.cpu_s for conditions in run.measured.values() for each in conditions.values()):.0f} s",
        ),
        ("version of ngspice", str(record.get("ngspice", ""))),
    ]
    return Table("How this run was made", ("", ""), tuple(rows), prose=(1,))


def to_csv(run: Characterised) -> str:
    """Return every quantity at every condition, SI."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["measurement", "condition", "quantity", "label", "value", "unit"])
    for name, by_condition in run.measured.items():
        for slug, measurement in by_condition.items():
            for q in measurement.quantities:
                value = repr(q.value) if isfinite(q.value) else ""
                writer.writerow([name, slug, q.key, q.label, value, q.unit])
    return stream.getvalue()


def unit_of(name: str, quantity: Quantity) -> str:
    """The unit in which a quantity of a measurement is shown: its own, or % for a ratio that is a share or an error."""
    return "%" if quantity.key in _PERCENT.get(name, ()) else quantity.unit


def shown_with_unit(values: Sequence[float], unit: str) -> tuple[str, ...]:
    """Return the values in one common SI prefix, and the unit with it; for the unit % they are ratios."""
    known = [abs(value) for value in values if isfinite(value)]
    largest = max(known, default=0.0)
    scale, prefixed = 1.0, unit
    if unit == "%":
        scale = 0.01
    elif unit in _OWN_SCALE:
        scale, prefixed = _OWN_SCALE[unit]
    elif unit in _PREFIXED and largest > 0:
        scale, prefix = next(((s, p) for s, p in _PREFIXES if largest >= 0.9995 * s), _PREFIXES[-1])
        prefixed = prefix + unit
    digits = 5 if unit in ("A", "Hz") else 4
    return *(_number(value / scale, digits) for value in values), prefixed


def show(value: float, unit: str) -> str:
    """Return one value with its unit: "751.6 MHz"."""
    number, prefixed = shown_with_unit([value], unit)
    return f"{number} {prefixed}".strip()


def _number(value: float, digits: int) -> str:
    if not isfinite(value):
        return "–"
    text = f"{value:.{digits}g}"
    if "e" in text and abs(value) >= 1e4:
        text = f"{value:.0f}"
    return text.replace("-", "−") if "e" not in text else text
