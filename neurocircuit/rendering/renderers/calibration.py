"""The noise of a mapped network at its own operating points, and the budget of its causes."""

from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.rendering.document import Document, Section, Table, draw, section
from neurocircuit.rendering.figures import network as figures
from neurocircuit.rendering.layers import layer_label, with_shown_names
from neurocircuit.rendering.read.result import read_result
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import with_error

_CAUSES = ("die", "neuron", "synapse")
DRIFTS = {
    "flicker": "of the oscillators, still within an event",
    "supply": "supply ripple, which all neurons of a chip share",
}


def render(file: Path) -> Document:
    """Return the report of a calibration."""
    values = with_shown_names(read_result(file, "layers", "budget"))
    layers = [{"window_share": [], **layer} for layer in values["layers"]]
    drawn = draw("lateness", "Spread and median of the error.", partial(figures.lateness_figure, layers))
    by_slope = section(
        "Deviation over the slope",
        "Dotted: a fixed disturbance of the membrane, σ/(W_C − 1), through the middle of each curve.",
        drawn,
        _passage(layers),
        _slopes(layers),
        _gains(layers),
    )
    by_window = section(
        "Deviation over the window",
        "On a ramp a disturbance of the membrane moves a spike by the same time wherever it falls in its window.",
        drawn,
        _passage(layers),
        _gains(layers),
    )
    sections = (
        by_window if layers[0]["window_share"] else by_slope,
        section(
            "Silent neurons",
            draw("false_fires", "False spikes over the closest approach.", partial(figures.false_fire_figure, layers)),
        ),
        *([_budget(values["budget"])] if values["budget"] else []),
        run_section(values),
    )
    return Document("Noise of a mapped network, calibrated at its own operating points", _answer(values), sections)


def _answer(values: dict[str, Any]) -> str:
    layers = values["layers"]
    each = " ".join(
        f"Layer {layer['name']}: an event spreads the membrane by {layer['passage']['event_spread']:.3g} thresholds at "
        f"{layer['passage']['at']:.2f} τ, the chip by "
        + ", ".join(f"{value:.2g} ({name})" for name, value in layer["component_spread"].items())
        + "."
        for layer in layers
    )
    samples = sum(layer["samples"] for layer in layers)
    return f"At level {values['level']}, {samples} simulated neurons on {values['chips']} chips. {each}"


def _passage(layers: list[dict[str, Any]]) -> Table:
    return Table(
        "Response over the first-order term (1: first order holds), and what is left",
        ("layer", *_CAUSES, "bias (thresholds)", "spread of ξ", "missed", "wrapped"),
        tuple(
            (
                layer["name"],
                *_responses(layer["passage"]),
                f"{layer['passage']['bias']:.3f}",
                f"{layer['passage']['xi_spread']:.2f}",
                f"{layer['missed']:.2%}",
                f"{layer['wrapped']:.3%}",
            )
            for layer in layers
        ),
        note="A neuron fires when its membrane, second pole of the loop, half a spike's width and drift in it, "
        "first passes 1 + shift + g(t) ξ. g: first-order spread by phase noise until then beside the ripple: 1 is what "
        "first order says of ξ. ± is one standard error, clustered by chip.",
    )


def _slopes(layers: list[dict[str, Any]]) -> Table:
    return Table(
        "For training, which knows slope and time of a spike only: m = s (1 - e^-Δ)",
        ("layer", *_CAUSES, "spread of m (thresholds)", "early"),
        tuple(
            (layer["name"], *_responses(layer), f"{layer['spread_without_terms']:.3g}", f"{layer['early']:.3%}")
            for layer in layers
        ),
        note="s: slope W_C − 1 at the crossing. What bends the membrane before and after it is in the spread. early: "
        "share of all firing neurons whose spike comes long before its time.",
    )


def _responses(fitted: dict[str, Any]) -> tuple[str, ...]:
    return tuple(with_error(fitted["kappa"][cause], fitted["kappa_error"][cause]) for cause in _CAUSES)


def _gains(layers: list[dict[str, Any]]) -> Table:
    axes = tuple(layers[0]["passage"]["gains"])
    return Table(
        "Axes of the cells: gain of held-out log-likelihood per operating point, and its error",
        ("layer", "for", "kept", *axes),
        tuple(
            (
                layer["name"],
                purpose,
                ", ".join(fitted["axes"]) or "none",
                *(
                    with_error(fitted["gains"][axis][0], fitted["gains"][axis][1]) if fitted["gains"] else "given"
                    for axis in axes
                ),
            )
            for layer in layers
            for purpose, fitted in (("first passage", layer["passage"]), ("training", layer))
        ),
        prose=(1, 2),
        note="Beside the axes kept before it; an axis stays when its gain exceeds two errors.",
    )


def _budget(rows: list[dict[str, Any]]) -> Section:
    drifts = [cause for cause in DRIFTS if any(row.get(cause, 0.0) for row in rows)]
    added = list(rows[0].get("registered", {}))  # causes of the user's own
    names = (*_CAUSES, *drifts, *added, "event", "all", "bias")
    sources = Table(
        "Each cause alone: spread of the fire time, median over neurons (τ)",
        ("layer", *names),
        tuple((row["layer"], *(f"{(row | row.get('registered', {}))[name]:.3g}" for name in names)) for row in rows),
        note="bias: median lateness of a perfect chip (finite r, ripple, spike width)."
        + "".join(f" {cause}: {DRIFTS[cause]};" for cause in drifts)
        + (" event: all other noise." if drifts else "")
        + (f" {', '.join(added)}: registered in Python, not in all." if added else ""),
    )
    parameters = Table(
        "First order, by parameter: median of σ·|sensitivity|/(W_C − 1) (τ)",
        ("parameter", *(layer_label(row["layer"]) for row in rows)),
        tuple((name, *(f"{row['parameters'][name]:.3g}" for row in rows)) for name in rows[0]["parameters"]),
    )
    figure = draw("budget", "Spread of the fire time by each cause alone.", partial(figures.budget_figure, rows))
    return section("Noise budget", figure, sources, parameters)
