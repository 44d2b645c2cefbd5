"""A neuron as it was measured: what it draws at another current and frequency, and within what limits that holds."""

from typing import Any, TypeVar

import numpy as np
from pydantic import SerializerFunctionWrapHandler, model_serializer

from neurocircuit.core.arrays import Floats
from neurocircuit.core.result import Values
from neurocircuit.errors import InputError
from neurocircuit.results.inference import NeuronPower
from neurocircuit.results.noise_law import NoiseLaw
from neurocircuit.spec.bias_network import BiasNetwork

_ROUNDING = 1e-6  # relative, of values that a file holds as text


Number = TypeVar("Number", float, Floats)


def power_law_W(
    current_over_base: Number, frequency_over_base: Number, scaled_W: float, slope_W: float, fixed_W: float
) -> Number:
    """Return the power of a neuron, W. Eq. (P1) of process/measurements/power.py."""
    return (scaled_W + slope_W * (frequency_over_base - 1.0)) * current_over_base + fixed_W * frequency_over_base


class CharacterisedNeuron(Values):
    """A neuron as it was measured: what a design that claims its power must keep to.

    base: its power at its own current bias_A of VCO1, and frequency. scaled_W, slope_W, fixed_W: a, b, c of eq. (P1)
    (process/measurements/power.py). built: lowest and highest current over bias_A of neurons that were built at the
    base's frequency; currents: over bias_A at `at_frequencies` over the base's, rising, of the base's widths.
    largest_fan_in: synapses that it carries; noise: how its phase noise follows all this; None: not measured.
    """

    base: NeuronPower
    bias_A: float
    scaled_W: float
    slope_W: float
    fixed_W: float
    built: tuple[float, float]
    at_frequencies: tuple[float, ...]
    currents: tuple[float, ...]
    spike_width_s: float
    largest_fan_in: int | None = None
    noise: NoiseLaw | None = None

    @model_serializer(mode="wrap")
    def _without_unknown_noise(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a neuron of before its noise was known as it was."""
        values: dict[str, Any] = handler(self)
        if values.get("noise") is None:
            values.pop("noise", None)
        return values

    def own_A(self, f_over_base: float) -> float:
        """Return the current of the base's widths at a frequency."""
        return self.bias_A * float(np.interp(f_over_base, self.at_frequencies, self.currents))

    def check(self, bias_A: float, f_over_base: float) -> None:
        """Raise InputError for a current or a frequency that no characterised neuron has, naming bound and value."""
        low, high = self.at_frequencies[0], self.at_frequencies[-1]
        if not low * (1 - _ROUNDING) <= f_over_base <= high * (1 + _ROUNDING):
            raise InputError(
                f"f0 must be within {low:.3g} … {high:.3g} of the base circuit's, where neurons were characterised, "
                f"got {f_over_base:.3g}"
            )
        own_A = self.own_A(f_over_base)
        lowest_A, highest_A = (own_A * ratio for ratio in self.built)
        if not lowest_A * (1 - _ROUNDING) <= bias_A <= highest_A * (1 + _ROUNDING):
            raise InputError(
                f"bias must be within {1e6 * lowest_A:.4g} … {1e6 * highest_A:.4g} uA, the characterised currents, got "
                f"{1e6 * bias_A:.4g} uA"
            )

    def power(
        self, bias_A: float, f_over_base: float, trim_resolution: float | None = None, bias_area: float = 1.0
    ) -> NeuronPower:
        """Return what a neuron of another current and frequency draws: eq. (P1) over its value at the base.

        bias_A: at the nominal area of the bias devices; of `bias_area` times it they need more current, by the law of
        the noise. trim_resolution: of its trim DACs; None: the default's. Raise InputError as `check`.
        """
        self.check(bias_A, f_over_base)
        current = bias_A / self.bias_A
        law = self.scaled_W, self.slope_W, self.fixed_W
        ratio = power_law_W(current, f_over_base, *law) / power_law_W(1.0, 1.0, *law)
        network = BiasNetwork() if trim_resolution is None else BiasNetwork(resolution=trim_resolution)
        more_W, more_of_loop_W, area_factor = 0.0, 0.0, 1.0
        if self.noise is not None and bias_area != 1.0:
            area_factor = self.noise.current_factor(bias_area)
            more_V = self.base.supply_V * current * (area_factor - 1.0)
            more_W, more_of_loop_W = self.noise.bias_A * more_V, self.noise.loop_bias_A * more_V
        return self.base.model_copy(
            update={
                "power_W": self.base.power_W * ratio + more_W,
                "ramp_power_W": self.base.ramp_power_W * ratio + more_W,
                "lock_power_W": self.base.lock_power_W * ratio + more_of_loop_W,
                "generator_W": self.base.generator_W * current * area_factor,
                "trim_dac_W": self.base.trim_dac_W * current * area_factor,
                "trim_bits": network.bits,
            }
        )
