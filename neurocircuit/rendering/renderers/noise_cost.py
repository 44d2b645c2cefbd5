"""What a quieter neuron costs."""

from functools import partial
from pathlib import Path

from neurocircuit.rendering.document import Document, Table, draw, section
from neurocircuit.rendering.figures import noise_cost as figures
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, scaled
from neurocircuit.results.noise_cost import FIGURES, NeuronCost, NoiseCost

_HOW = (
    "Noise is that of the devices, characterised at the nominal condition of each datasheet; each VCO alone. What two "
    "VCOs share moves both alike, so not the phase difference on which the neuron acts. Power of a ring: with buffer "
    "and bias currents. Gate area: sum of W·L of all devices but the synapses; capacitors and resistors are not in it."
)


def render(file: Path) -> Document:
    """Return the report of neurons side by side."""
    result = NoiseCost.load(file)
    neurons = result.neurons
    names = tuple(neuron.process for neuron in neurons)
    rows = tuple((label, *(scaled(number(neuron)) for neuron in neurons)) for label, number in FIGURES)
    blocks = [
        draw(f"budget_vco{vco + 1}", f"Noise of VCO{vco + 1} by device.", partial(figures.budgets, result, vco))
        for vco in (0, 2)
    ]
    noise = section("Noise, power and area", _HOW, Table("Neurons side by side", ("", *names), rows), *blocks)
    return Document(f"What less noise costs: {', '.join(names)}", _answer(neurons), (noise, run_section(result)))


def _answer(neurons: tuple[NeuronCost, ...]) -> str:
    first = neurons[0]
    if len(neurons) == 1:
        vco1 = first.vcos[0]
        return f"VCO1 of {first.process} walks by {1e-3 * vco1.white_rad2_per_s:.3g} krad²/s, with h = {vco1.h:.3g}."
    return " ".join(_compared(neuron, first) for neuron in neurons[1:])


def _compared(neuron: NeuronCost, first: NeuronCost) -> str:
    white, flicker = (
        f"{after / before:.2f}" if before else ABSENT
        for after, before in (
            (neuron.vcos[0].white_rad2_per_s, first.vcos[0].white_rad2_per_s),
            (neuron.vcos[0].h, first.vcos[0].h),
        )
    )
    return (
        f"{neuron.process} over {first.process}: white noise of VCO1 {white}, flicker {flicker}, power of the rings "
        f"{neuron.rings_W / first.rings_W:.2f}, gate area {neuron.area_m2 / first.area_m2:.2f} times."
    )
