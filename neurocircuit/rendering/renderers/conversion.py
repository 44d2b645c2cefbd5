"""How a ReLU network became windowed neurons, layer by layer."""

from functools import partial
from pathlib import Path

from neurocircuit.rendering.document import Document, Table, draw, section
from neurocircuit.rendering.figures import conversion as figures
from neurocircuit.rendering.layers import shown_names
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import powers, scaled
from neurocircuit.results.conversion import Conversion

_CAPTION = (
    "X, the largest activation that spikes can carry; activations beyond it; neurons that spike before their window's "
    "end; slopes of the membrane at the crossing, smallest to largest, median black; largest partial current."
)


def render(file: Path) -> Document:
    """Return the report of a conversion."""
    result = Conversion.load(file)
    figure = draw("layers", _CAPTION, partial(figures.layers_figure, result.layers))
    return Document(
        f"A ReLU network as windowed neurons, form {result.form}",
        _answer(result),
        (section("Layers", figure, _layers(result)), run_section(result)),
    )


def _answer(result: Conversion) -> str:
    quantile = "the bound that no image exceeds" if result.quantile is None else f"quantile {result.quantile:g}"
    error = powers(f"{result.largest_error:.1e}")
    bent = "; form ramp bends activations, which fine-tuning makes up for" if result.form == "ramp" else ""
    return (
        f"{result.same_decisions} of {result.images} images are decided as before, outputs agree within {error} of "
        f"their largest{bent}. X is {quantile} of each layer's activations. {result.spikes:.1%} of the neurons spike "
        f"before their window's end; a decision falls after {result.latency_over_tau:.2f} τ at the latest."
        + ("" if result.accuracy is None else f" Of {result.accuracy}.")
    )


def _layers(result: Conversion) -> Table:
    return Table(
        "Layers in the order they compute",
        (
            "layer",
            "neurons",
            "fan-in",
            "X",
            "clipped",
            "spike",
            "window (τ)",
            "slope (1/τ)",
            "current (thresholds)",
            "current/slope (τ)",
        ),
        tuple(
            (
                name,
                f"{row.neurons}",
                f"{row.fan_in}",
                scaled(row.largest),
                f"{row.clipped:.2%}",
                f"{row.spikes:.1%}",
                f"{row.window_over_tau:g}",
                " … ".join(map(scaled, row.slope)),
                scaled(row.largest_current),
                scaled(row.current_over_slope),
            )
            for name, row in zip(shown_names([row.name for row in result.layers]).values(), result.layers, strict=True)
        ),
        note="slope: smallest, median, largest; current: max |Σ w e^−(t − tᵢ)| over partial sums before the arming. "
        "Jitter δt of a spike moves an activation by X z δt/(e^T − 1), z = e^T at 0; phase noise weighs by "
        "current/slope, whatever the slope is.",
    )
