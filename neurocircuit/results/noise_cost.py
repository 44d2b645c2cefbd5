"""Phase noise of neurons by device, and what it costs them in power and gate area."""

from collections.abc import Callable
from typing import ClassVar

from neurocircuit.core.result import Number, Result, Values


class VcoCost(Values):
    """One VCO. white, flicker: D in rad²/s and h of S_y(f) = h/f, as sums by what the devices do.

    power_W: of its ring with buffer and bias currents.
    """

    name: str
    f0_Hz: float
    power_W: float
    white: dict[str, float]
    flicker: dict[str, float]

    @property
    def white_rad2_per_s(self) -> float:
        """Phase variance per second by white noise."""
        return sum(self.white.values())

    @property
    def h(self) -> float:
        """Flicker, S_y(f) = h/f."""
        return sum(self.flicker.values())


class NeuronCost(Values):
    """A neuron by its datasheet: VCO1 … VCO4, and the whole.

    condition: in words. shared: correlation of the flicker of VCO1 and VCO2, and of VCO3 and VCO4. area_m2: gates
    (sum of W L) of the neuron without its synapses. power_W: armed and idle; energy_J: of a spike with the lock before
    it; both nan where they were not measured.
    """

    process: str
    condition: str
    vcos: tuple[VcoCost, VcoCost, VcoCost, VcoCost]
    shared: tuple[float, float]
    area_m2: float
    power_W: Number
    energy_J: Number

    @property
    def rings_W(self) -> float:
        """Power of the four rings."""
        return sum(vco.power_W for vco in self.vcos)


# What a table says of a neuron: label with unit, and the number.
FIGURES: tuple[tuple[str, Callable[[NeuronCost], float]], ...] = (
    ("white noise of VCO1, krad²/s", lambda neuron: 1e-3 * neuron.vcos[0].white_rad2_per_s),
    ("of VCO3, krad²/s", lambda neuron: 1e-3 * neuron.vcos[2].white_rad2_per_s),
    ("flicker h of VCO1, 1e-9", lambda neuron: 1e9 * neuron.vcos[0].h),
    ("of VCO3, 1e-9", lambda neuron: 1e9 * neuron.vcos[2].h),
    ("flicker that VCO1 and VCO2 share, %", lambda neuron: 100 * neuron.shared[0]),
    ("that VCO3 and VCO4 share, %", lambda neuron: 100 * neuron.shared[1]),
    ("frequency of VCO1, MHz", lambda neuron: 1e-6 * neuron.vcos[0].f0_Hz),
    ("power of the rings, µW", lambda neuron: 1e6 * neuron.rings_W),
    ("power of the neuron, armed, µW", lambda neuron: 1e6 * neuron.power_W),
    ("energy of a spike with lock, pJ", lambda neuron: 1e12 * neuron.energy_J),
    ("gate area of the neuron, µm²", lambda neuron: 1e12 * neuron.area_m2),
)


class NoiseCost(Result):
    """Neurons side by side; the first is what the others are compared with."""

    kind: ClassVar[str] = "noise_cost"

    neurons: tuple[NeuronCost, ...]

    def summary(self) -> str:
        """Return a column for each neuron."""
        width = max(20, *(len(neuron.process) + 2 for neuron in self.neurons))
        lines = [" " * 38 + "".join(f"{neuron.process:<{width}}" for neuron in self.neurons)]
        for label, number in FIGURES:
            values = [number(neuron) for neuron in self.neurons]
            if any(value == value for value in values):
                lines.append(f"{label:<38}" + "".join(f"{value:<{width}.4g}" for value in values))
        return "\n".join(line.rstrip() for line in lines)
