"""Quantities of a circuit: each one's value in a circuit, and the circuit with another value of it.

Scaling laws as in design.py: cycles per τ sets τ at the frequency of the circuit, so that phase noise and what the trim
left act longer on each τ, while the ripple of the XOR falls; spike width and phase diffusion stay in seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt

from neurocircuit.errors import InputError
from neurocircuit.network.limits import Choice
from neurocircuit.spec import NeuronSpec, Variation
from neurocircuit.studies.codesign.design import circuit_of
from neurocircuit.units import parse_numbers


@dataclass(frozen=True)
class Setting:
    """A circuit to map networks to. use: share of the phase range that the mapping uses; above 1 it breaks limits."""

    neuron: NeuronSpec
    variation: Variation
    use: float = Choice().use


@dataclass(frozen=True)
class Quantity:
    """A quantity under its name on the command line; values: the default ones; low, high: bounds of a value."""

    name: str
    label: str
    values: tuple[float, ...]
    low: float
    high: float
    read: Callable[[Setting], float]
    change: Callable[[Setting, float], Setting]

    def at(self, setting: Setting, value: float) -> Setting:
        """Return the setting with this value. Raise SpecError where there is no such neuron."""
        return self.change(setting, value)


def _designed(parameter: str, factor: float = 1.0) -> Callable[[Setting, float], Setting]:
    def change(setting: Setting, value: float) -> Setting:
        neuron, variation = circuit_of(setting.neuron, setting.variation, {parameter: factor * value})
        return replace(setting, neuron=neuron.replace(name=setting.neuron.name), variation=variation)

    return change


def _with_phase_noise(setting: Setting, value: float) -> Setting:
    return replace(setting, neuron=setting.neuron.replace(phase_noise=(value, value, value, value)))


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            "cycles",
            "cycles per τ",
            (4.0, 7.5, 30.0, 45.0),
            2.0,
            200.0,
            lambda setting: setting.neuron.cycles_per_tau,
            _designed("cycles_per_tau"),
        ),
        Quantity(
            "mismatch",
            "mismatch of each VCO after trim, σ of its frequency",
            (0.0, 1e-5, 1e-4, 3e-4),
            0.0,
            0.05,
            lambda setting: max(setting.variation.neuron.frequency),
            _designed("trim_resolution", sqrt(12.0)),
        ),
        Quantity(
            "phase_noise",
            "phase noise of each VCO (rad²/s)",
            (0.0, 3e4, 1e5, 3e5, 1e6),
            0.0,
            1e9,
            lambda setting: max(setting.neuron.phase_noise),
            _with_phase_noise,
        ),
        Quantity(
            "headroom",
            "used share of the phase range",
            (0.2, 0.45, 1.2, 1.5),
            0.01,
            3.0,
            lambda setting: setting.use,
            lambda setting, value: replace(setting, use=value),
        ),
        Quantity(
            "ratio",
            "loop-filter ratio w_lf·τ",
            (2.0, 4.0, 16.0, 64.0),
            0.5,
            1000.0,
            lambda setting: setting.neuron.loop_ratio,
            _designed("loop_ratio"),
        ),
    )
}


def quantity_and_values(name: str, values: tuple[float, ...] | None) -> tuple[Quantity, tuple[float, ...]]:
    """Return a quantity and its values in order; None: the default ones. Raise InputError naming the bound."""
    if name not in QUANTITIES:
        raise InputError(f"--quantity must be one of {', '.join(QUANTITIES)}, got {name!r}")
    quantity = QUANTITIES[name]
    for value in values or ():
        if not quantity.low <= value <= quantity.high:
            raise InputError(f"--quantity {name} must be within {quantity.low:g} … {quantity.high:g}, got {value:g}")
    return quantity, tuple(sorted(set(quantity.values if values is None else values)))


def parsed(text: str) -> tuple[str, tuple[float, ...] | None]:
    """Return the name and the values (None: the default ones) of a text such as "cycles=4,30"."""
    name, equals, values = text.partition("=")
    return name, parse_numbers(values, f"--quantity {name}") if equals else None
