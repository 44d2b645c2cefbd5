"""A network laid onto the circuit: its limits, and what each layer's scale costs."""

from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.rendering.document import Document, Table, draw, section
from neurocircuit.rendering.figures import network as figures
from neurocircuit.rendering.layers import with_shown_names
from neurocircuit.rendering.read.result import read_result
from neurocircuit.rendering.renderers.run_record import run_section


def render(file: Path) -> Document:
    """Return the report of a mapping."""
    values = with_shown_names(read_result(file, "limits", "layers"))
    limits, layers = values["limits"], values["layers"]
    return Document(
        "A network on the circuit",
        _answer(values),
        (
            section(
                "Limits",
                draw("limits", "Share of each limit that is used.", partial(figures.limit_figure, limits)),
                _limits(limits),
            ),
            section("Scales and what they cost", _scales(layers), _used(layers), *_windows(layers)),
            run_section(values),
        ),
    )


def _answer(values: dict[str, Any]) -> str:
    broken = [limit for limit in values["limits"] if not limit["met"]]
    fits = "meets every limit" if not broken else f"breaks {len(broken)} of {len(values['limits'])} limits"
    worst = max(values["layers"], key=lambda layer: layer["noise_power_over_base"])
    return (
        f"The mapping {fits} on {values['images']} {values['split']} images, within a window of "
        f"{values['window_over_tau']:g} τ. Layer {worst['name']} pays most for it: its lead is "
        f"{worst['lead_over_base']:.2g} of the base circuit's, so the same phase noise weighs "
        f"{worst['noise_power_over_base']:.3g} times as much in power. Accuracy on these images under eq. (4): "
        f"{values['accuracy_exact_weights']:.1%}; with the bank's weights {values['accuracy_rounded_weights']:.1%}."
        + _full_scales(values)
        + _time_constants(values)
    )


def _full_scales(values: dict[str, Any]) -> str:
    """Return what a full scale for each neuron asks of the circuit, and whether training had another bank."""
    trained, full_scale = values.get("trained_full_scale"), values["network"]["layers"][0].get("full_scale", "layer")
    text = ""
    if full_scale == "neuron":
        widest = max(values["layers"], key=lambda layer: layer["full_scale_span"])
        text = (
            " The weight bank has a full scale for each neuron, by reference currents of its own, which in layer "
            f"{widest['name']} span a factor of {widest['full_scale_span']:.3g}."
        )
    if trained not in (None, full_scale):
        text += (
            f" The weights were trained for another bank, of one full scale for each {trained}; here each "
            f"{full_scale} has one."
        )
    return text


def _time_constants(values: dict[str, Any]) -> str:
    """Return the layers' time constants where they differ."""
    ratios = [layer.get("tau_over_base", 1.0) for layer in values["layers"]]
    if all(ratio == 1.0 for ratio in ratios):
        return ""
    listed = ", ".join(f"{layer['name']} {ratio:.3g}" for layer, ratio in zip(values["layers"], ratios, strict=True))
    return f" Layers have time constants of their own, over the network's: {listed}; their times are in units of these."


def _limits(limits: list[dict[str, Any]]) -> Table:
    return Table(
        "Limits on recorded membranes",
        ("layer", "limit", "quantile", "value", "bound", "beyond", "would help"),
        tuple(
            (
                limit["layer"],
                limit["name"],
                f"{limit['quantile']:g}",
                f"{limit['value']:.4g}",
                f"{limit['bound']:.4g}",
                f"{limit['outside']:.2%}",
                "" if limit["met"] else limit["help"],
            )
            for limit in limits
        ),
        prose=(1, 6),
    )


def _scales(layers: list[dict[str, Any]]) -> Table:
    return Table(
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
                layer["name"],
                f"{layer['neurons']}",
                f"{layer['fan_in']}",
                f"{layer['phase_per_weight_rad']:.3g}",
                f"{layer['lead_rad']:.3g}",
                f"{layer['swing_over_f0']:.2%}",
                f"{layer['bias_delay_over_tau']:.3g}",
                f"{layer['ripple']:.3g}",
                f"{layer['phase_noise_at_window']:.3g}",
                f"{layer['lead_with_phase_counter_rad']:.3g}",
            )
            for layer in layers
        ),
        note="a: phase per weight; θ: lead of VCO3. A phase counter compares without modulo 2π, so that only the VCO4 "
        'swing bounds θ: comparator = "phase_counter" in the neuron spec. A clamp is membrane_floor.',
    )


def _windows(layers: list[dict[str, Any]]) -> tuple[Table, ...]:
    windowed = [layer for layer in layers if layer.get("window")]
    if not windowed:
        return ()
    table = Table(
        "What window and slope cost in noise",
        (
            "layer",
            "window (τ)",
            "X",
            "activation by jitter, at the start (X/τ)",
            "at the end (X/τ)",
            "spike by membrane noise (τ/threshold)",
            "activation 0 by phase noise and ripple (X)",
        ),
        tuple(
            (
                layer["name"],
                f"{layer['window']['window_over_tau']:g}",
                f"{layer['window']['largest']:.3g}",
                *(f"{value:.3g}" for value in layer["window"]["jitter_to_activation"]),
                f"{layer['window']['membrane_to_time']:.3g}",
                f"{layer['window']['activation_noise']:.2%}",
            )
            for layer in windowed
        ),
        note="X: the activation that spikes at the window's start. A jitter δt moves an activation by X z δt/L, "
        "membrane noise δV a spike by δV/σ, on a ramp by δV over its slope.",
    )
    return (table,)


def _used(layers: list[dict[str, Any]]) -> Table:
    return Table(
        "What the layers need of the circuit, by share of neurons and images",
        ("layer", "quantity", "50 %", "90 %", "99 %", "99.9 %", "all"),
        tuple(
            (layer["name"], label, *(f"{value:.3g}" for value in layer[key]))
            for layer in layers
            for key, label in (("peak_current", "max|Σ w e^-(t-ti)|"), ("depth", "|v_min|"))
        ),
        prose=(1,),
    )
