"""Reports of map, calibrate and verify, from the numbers that each leaves."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocircuit.report import sheet, style
from neurocircuit.report.content import Table
from neurocircuit.report.figures import network as figures
from neurocircuit.report.page import Picture
from neurocircuit.report.sheet import Part, Sheet, record_part

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_mapping_report(path: Path) -> None:
    """From NAME.mapping.json to NAME.mapping.html."""
    values = sheet.read(path)
    broken = [limit for limit in values["limits"] if not limit["met"]]
    fits = "meets every limit" if not broken else f"breaks {len(broken)} of {len(values['limits'])} limits"
    worst = max(values["layers"], key=lambda own: own["noise_power_over_base"])
    answer = (
        f"The mapping {fits} on {values['images']} images, within a window of {values['window_over_tau']:g} τ. Layer "
        f"{worst['name']} pays most for it: its lead is {worst['lead_over_base']:.2g} of the base circuit's, so the "
        f"same phase noise weighs {worst['noise_power_over_base']:.3g} times as much in power. Accuracy under eq. (4): "
        f"{values['accuracy_exact_weights']:.1%}; with the bank's weights {values['accuracy_rounded_weights']:.1%}."
    )
    limits = Table(
        "Limits on recorded membranes",
        ("layer", "limit", "quantile", "value", "bound", "beyond", "would help"),
        tuple(
            (
                one["layer"],
                one["name"],
                f"{one['quantile']:g}",
                f"{one['value']:.4g}",
                f"{one['bound']:.4g}",
                f"{one['outside']:.2%}",
                "" if one["met"] else one["help"],
            )
            for one in values["limits"]
        ),
        prose=(6,),
    )
    scales = Table(
        "Scale of each layer",
        (
            "layer",
            "neurons",
            "fan-in",
            "a (rad)",
            "θ (rad)",
            "swing/f0",
            "bias at (τ)",
            "ripple (thresholds)",
            "phase noise at the window (thresholds)",
            "θ with a phase counter (rad)",
        ),
        tuple(
            (
                own["name"],
                f"{own['neurons']}",
                f"{own['fan_in']}",
                f"{own['phase_per_weight_rad']:.3g}",
                f"{own['lead_rad']:.3g}",
                f"{own['swing_over_f0']:.2%}",
                f"{own['bias_delay_over_tau']:.3g}",
                f"{own['ripple']:.3g}",
                f"{own['phase_noise_at_window']:.3g}",
                f"{own['lead_with_phase_counter_rad']:.3g}",
            )
            for own in values["layers"]
        ),
        note="A phase counter compares without modulo 2π, so that only the VCO4 swing bounds θ: comparator = "
        '"phase_counter" in the neuron spec. A clamp is membrane_floor.',
    )
    used = Table(
        "What the layers need of the circuit, by share of neurons and images",
        ("layer", "quantity", "50 %", "90 %", "99 %", "99.9 %", "all"),
        tuple(
            (own["name"], label, *(f"{value:.3g}" for value in own[key]))
            for own in values["layers"]
            for key, label in (("peak_current", "max|Σ w e^-(t-ti)|"), ("depth", "|v_min|"))
        ),
    )
    parts = (
        Part(
            "Limits",
            pictures=(
                _drawn("limits", "Share of each limit that is used.", partial(figures.limit_figure, values["limits"])),
            ),
            tables=(limits,),
        ),
        Part("Scales and what they cost", tables=(scales, used)),
        record_part(values),
    )
    sheet.write(Sheet("A network on the circuit", answer, parts), path.with_suffix(".html"))


def write_calibration_report(path: Path) -> None:
    """From NAME.calibration.json to NAME.calibration.html."""
    values = sheet.read(path)
    layers, budget = values["layers"], values["budget"]
    answer = (
        f"At level {values['level']}, {sum(own['samples'] for own in layers)} simulated neurons on {values['chips']} "
        "chips. "
        + " ".join(
            f"Layer {own['name']}: an event spreads the membrane by {own['passage']['event_spread']:.3g} thresholds at "
            f"{own['passage']['at']:.2f} τ, the chip by "
            + ", ".join(f"{value:.2g} ({name})" for name, value in own["component_spread"].items())
            + "."
            for own in layers
        )
    )
    kappa = Table(
        "Response over the first-order term (1: first order holds), and what is left",
        ("layer", "die", "neuron", "synapse", "bias (thresholds)", "spread of ξ", "missed", "wrapped"),
        tuple(
            (
                own["name"],
                *(
                    f"{own['passage']['kappa'][name]:.2f} ± {own['passage']['kappa_error'][name]:.2f}"
                    for name in ("die", "neuron", "synapse")
                ),
                f"{own['passage']['bias']:.3f}",
                f"{own['passage']['xi_spread']:.2f}",
                f"{own['missed']:.2%}",
                f"{own['wrapped']:.3%}",
            )
            for own in layers
        ),
        note="A neuron fires when its membrane, second pole of the loop, half a spike's width and drift in it, "
        "first passes 1 + shift + g(t) ξ. g: first-order spread by phase noise until then beside the ripple: 1 is what "
        "first order says of ξ. ± is one standard error, clustered by chip.",
    )
    slopes = Table(
        "For training, which knows slope and time of a spike only: m = s (1 - e^-Δ)",
        ("layer", "die", "neuron", "synapse", "spread of m (thresholds)", "early"),
        tuple(
            (
                own["name"],
                *(
                    f"{own['kappa'][name]:.2f} ± {own['kappa_error'][name]:.2f}"
                    for name in ("die", "neuron", "synapse")
                ),
                f"{own['spread_without_terms']:.3g}",
                f"{own['early']:.3%}",
            )
            for own in layers
        ),
        note="s: slope W_C − 1 at the crossing. What bends the membrane before and after it is in the spread. early: "
        "share of all firing neurons whose spike comes long before its time.",
    )
    gains = Table(
        "Axes of the cells: gain of held-out log-likelihood per operating point, and its error",
        ("layer", "for", "kept", *layers[0]["passage"]["gains"]),
        tuple(
            (
                own["name"],
                label,
                ", ".join(one["axes"]) or "none",
                *(
                    f"{one['gains'][name][0]:.3f} ± {one['gains'][name][1]:.3f}" if one["gains"] else "given"
                    for name in own["passage"]["gains"]
                ),
            )
            for own in layers
            for label, one in (("first passage", own["passage"]), ("training", own))
        ),
        prose=(2,),
        note="Beside the axes kept before it; an axis stays when its gain exceeds two errors.",
    )
    parts = [
        Part(
            "Deviation over the slope",
            ("Dotted: a fixed disturbance of the membrane, σ/(W_C − 1), through the middle of each curve.",),
            (_drawn("lateness", "Spread and median of the error.", partial(figures.lateness_figure, layers)),),
            (kappa, slopes, gains),
        ),
        Part(
            "Silent neurons",
            pictures=(
                _drawn(
                    "false_fires", "False spikes over the closest approach.", partial(figures.false_fire_figure, layers)
                ),
            ),
        ),
    ]
    if budget:
        parts.append(_budget_part(budget))
    title = "Noise of a mapped network, calibrated at its own operating points"
    sheet.write(Sheet(title, answer, (*parts, record_part(values))), path.with_suffix(".html"))


def _budget_part(rows: list[dict[str, Any]]) -> Part:
    names = ("die", "neuron", "synapse", "event", "all", "bias")
    alone = Table(
        "Each cause alone: spread of the fire time, median over neurons (τ)",
        ("layer", *names),
        tuple((row["layer"], *(f"{row[name]:.3g}" for name in names)) for row in rows),
        note="bias: median lateness of a perfect chip (finite r, ripple, spike width).",
    )
    parameters = Table(
        "First order, by parameter: median of σ·|sensitivity|/(W_C − 1) (τ)",
        ("parameter", *(f"layer {row['layer']}" for row in rows)),
        tuple((name, *(f"{row['parameters'][name]:.3g}" for row in rows)) for name in rows[0]["parameters"]),
    )
    picture = _drawn("budget", "Spread of the fire time by each cause alone.", partial(figures.budget_figure, rows))
    return Part("Noise budget", pictures=(picture,), tables=(alone, parameters))


def write_replay_report(path: Path) -> None:
    """From result.json to report.html beside it."""
    values = sheet.read(path)
    parts, answers = [], []
    if "images" in values:
        found = values["images"]
        answers.append(
            f"{found['images']} images on {found['chips']} chips at level {values['level']}: accuracy "
            f"{_share(found['accuracy']['circuit'])}, eq. (4) {_share(found['accuracy']['software'])}; the circuit "
            f"decides as eq. (4) does in {_share(found['agreement']['circuit and software'])}."
        )
        if "accuracy_difference" in found:
            low, high = (100 * end for end in found["accuracy_difference"][1:])
            verdict = "the two differ" if low > 0 or high < 0 else "the two do not differ beyond chance"
            points = 100 * found["accuracy_difference"][0]
            answers.append(
                f"The noise model says {_share(found['accuracy']['noise model'])} for the same chips: {verdict} "
                f"(circuit less model {points:+.1f} points, 95 % interval {low:+.1f} … {high:+.1f})."
            )
        parts.append(_images_part(found))
    if "transfer" in values:
        parts.append(_transfer_part(values))
    if "neurons" in values:
        answers += [layer["sentence"] for layer in values["neurons"]["layers"]]
        parts.append(_neurons_part(values["neurons"]))
        parts.append(_worst_part(values["neurons"]))
    title = f"Replay on the circuit: {values['name']}"
    sheet.write(Sheet(title, " ".join(answers), (*parts, record_part(values))), path.with_name("report.html"))


def _images_part(found: dict[str, Any]) -> Part:
    shares = Table(
        "Decisions (95 % intervals, clustered by image and chip)",
        ("quantity", "value", "interval"),
        tuple(
            (f"{kind}: {name}", f"{value[0]:.2%}", f"{value[1]:.2%} … {value[2]:.2%}")
            for kind in ("accuracy", "agreement")
            for name, value in found[kind].items()
        ),
        note="By chip: "
        + ", ".join(f"{chip}: {value:.2%}" for chip, value in found["by_chip"].items())
        + f". Undecided: {found['undecided']}.",
    )
    columns = ("latency", "deviation", "late_05", "late_95", "missed", "false")
    rows = []
    for layer in found["layers"]:
        for prefix, who in (("", "circuit"), ("model_", "noise model")):
            if f"{prefix}latency" in layer:
                cells = [_mean(layer[f"{prefix}{name}"], name in ("missed", "false")) for name in columns]
                rows.append((f"{layer['name']} {who}", *cells))
    times = Table(
        "Fire times against eq. (4) (τ): median, robust spread, 5 % and 95 %; missed and false spikes of all neurons",
        ("layer", "latency", "deviation", "5 % late by", "95 % late by", "missed", "false"),
        tuple(rows),
        note="Latency accumulates from layer to layer; deviation is what differs between neurons of one layer.",
    )
    wraps = ", ".join(f"{layer['name']}: {layer['wrapped'][0]:.3%}" for layer in found["layers"])
    warning: tuple[str, ...] = (
        f"Wrapped spikes by layer: {wraps}. Operating points in the table's tails: {found['tail_share']:.4%}, beyond "
        f"it: {found['outside_share']:.4%} of {found['asked']}.",
    )
    if not found["valid"]:
        warning += (
            f"INVALID as a prediction: {found['outside_share']:.2%} of operating points lie beyond the noise table.",
        )
    picture = _drawn("replay", "Circuit and noise model by layer.", partial(figures.replay_figure, found["layers"]))
    return Part("Whole images", warning, (picture,), (shares, times))


def _transfer_part(values: dict[str, Any]) -> Part:
    """The paper's reading beside the calibrated one and the circuit, where whole images ran."""
    own, found = values["transfer"], values.get("images")
    jitter = ", ".join(f"{value:.2g}" for value in own["jitter_by_layer"])
    text = (
        f"Table 3's curve at level {own['curve_level']}, from the start of the image, gives the relative jitters "
        f"{jitter} (input, then each layer). In {own['extrapolated_layers']} layers the curve is continued beyond its "
        f"rows. It knows no chips, no operating points and no missed spikes; {own['images']} images."
    )
    if found is None:
        return Part("The paper's simpler reading", (text, f"Accuracy {_share(own['accuracy'])}."))
    rows = [("accuracy", found["accuracy"]["circuit"], found["accuracy"].get("noise model"), own["accuracy"])]
    seen = tuple((name, *("-" if one is None else _share(one) for one in cells)) for name, *cells in rows)
    late = tuple(
        (
            f"deviation, layer {layer['name']} (τ)",
            *(f"{layer[key][0]:.4f}" if key in layer else "-" for key in ("deviation", "model_deviation")),
            f"{own['deviation'][k]:.4f}",
        )
        for k, layer in enumerate(found["layers"])
    )
    table = Table("Both readings", ("quantity", "circuit", "calibrated noise model", "transfer curve"), (*seen, *late))
    return Part("The paper's simpler reading", (text,), tables=(table,))


def _neurons_part(values: dict[str, Any]) -> Part:
    layers = values["layers"]
    if values["differing_causes"]:
        text = f"{values['level']} and {values['table_level']} differ in: {', '.join(values['differing_causes'])}."
        return Part("Single neurons", (text, *(layer["sentence"] for layer in layers)))
    rows = []
    for layer in layers:
        cover = [f"{c['share']:.1%} ({c['low']:.1%} … {c['high']:.1%})" for c in layer["coverage"]]
        seen = layer.get("correlation", {})
        pairs = [
            f"{seen[name]:.3f} ({seen[f'{name}_model']:.3f} ± {seen[f'{name}_error']:.3f})" if name in seen else "-"
            for name in ("within_chip", "within_neuron")
        ]
        rows.append(
            (
                layer["layer"],
                f"{layer['runs']}",
                *cover,
                f"{layer['score_mean']:+.2f} ± {layer['score_error']:.2f}",
                *pairs,
                f"{layer['missed']}",
                f"{layer['false']}",
                f"{layer['tail_share']:.3%}, {layer['outside_share']:.3%}",
                f"{layer['left_out']}",
            )
        )
    once = any(layer.get("correlation", {}).get("events") == 1 for layer in layers)
    pairing = "pairs of the runs that share a chip" if once else "every point on each of 60 chips in two events"
    table = Table(
        "Measured times in their predicted distributions",
        (
            "layer",
            "runs",
            "in 50 % (99 % interval)",
            "in 95 % (99 % interval)",
            "bias (σ)",
            "correlation within a chip (model)",
            "of a neuron's two events (model)",
            "missed",
            "false",
            "layer's firing neurons in the table's tails, beyond",
            "runs left out",
        ),
        tuple(rows),
        note=f"Correlations of the normal scores of the places, over {pairing}; the model is asked for the same chips, "
        "its ± is the standard error of the difference.",
    )
    picture = _drawn("places", "Evenly spread where the model is right.", partial(figures.places_figure, layers))
    return Part("Single neurons", tuple(layer["sentence"] for layer in layers), (picture,), (table,))


def _worst_part(values: dict[str, Any]) -> Part:
    pictures = []
    for layer in values["layers"]:
        for k, case in enumerate(layer.get("worst", ())):
            caption = (
                f"Layer {layer['layer']}, neuron {case['neuron']}, image {case['image']}, chip {case['chip']}: place "
                f"{case['place']:.4f}, slope {case['slope']:.3g}, highest membrane {case['highest']:.3g} under eq. (4)."
            )
            name = f"worst_{layer['layer']}_{k}"
            pictures.append(_drawn(name, caption, partial(figures.worst_figure, case)))
    return Part("Worst cases", pictures=tuple(pictures))


def _drawn(name: str, caption: str, draw: "Callable[[], Figure]") -> Picture:
    with style.styled():
        return Picture(name, caption, style.render(draw(), "svg"), b"")


def _share(value: list[float]) -> str:
    return f"{value[0]:.2%} ({value[1]:.2%} … {value[2]:.2%})"


def _mean(value: list[float], share: bool) -> str:
    if value[0] is None:
        return "-"
    half = (value[2] - value[1]) / 2
    return f"{value[0]:.2%} ± {half:.2%}" if share else f"{value[0]:.4f} ± {half:.4f}"
