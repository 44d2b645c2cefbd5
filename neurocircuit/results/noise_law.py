"""How the phase noise of a characterised neuron follows its current, its frequency and the area of its bias devices."""

from math import exp, log, pow

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.result import Values
from neurocircuit.errors import InputError
from neurocircuit.results.measurement import Measured

_ROUNDING = 1e-6  # relative, of values that a file holds as text
CURVES = ("white", "flicker_bias", "flicker_rest", "pushing")


class LogCurve(Values):
    """x^(slope + curvature ln x): 1 at x = 1.

    >>> LogCurve(slope=-1.0, curvature=0.0)(2.0)
    0.5
    """

    slope: float
    curvature: float

    def __call__(self, x: float) -> float:
        """Return the value at x > 0."""
        return exp((self.slope + self.curvature * log(x)) * log(x))

    @classmethod
    def fitted(cls, x: Floats, values: Floats) -> tuple["LogCurve", float]:
        """Return the curve through values over x, up to a factor, by least squares of the logarithm, and the factor."""
        curvature, slope, level = np.polyfit(np.log(x), np.log(values), 2)
        return cls(slope=float(slope), curvature=float(curvature)), float(np.exp(level))


class NoiseLaw(Values):
    """Eq. (N1) of process/measurements/noise_law.py.

    white: g_D; flicker_bias, flicker_rest: g of the flicker of the bias devices, and of the others; pushing: of the
    supply sensitivity. h_bias, h_rest: those two parts of h at f0, at the nominal widths. lowest, highest: x = f/f0 of
    the rings that were measured, VCO3's among them; largest_area: A that were, from 1 on; area_exponent,
    current_exponent: m and k. bias_A, loop_bias_A: bias currents of VCO1 … VCO4, and of VCO1 and VCO2, at A = 1.
    area_m2, bias_area_m2: gates of a neuron without its synapses, and of its bias devices among them.
    """

    white: LogCurve
    flicker_bias: LogCurve
    flicker_rest: LogCurve
    pushing: LogCurve
    h_bias: float
    h_rest: float
    lowest: float
    highest: float
    largest_area: float
    area_exponent: float
    current_exponent: float
    bias_A: float
    loop_bias_A: float
    area_m2: float
    bias_area_m2: float

    @classmethod
    def of(cls, measured: Measured) -> "NoiseLaw":
        """Return the law that a measurement `noise_law` holds. Raise InputError for a quantity that it lacks."""
        curves = {
            name: LogCurve(slope=measured.value(f"{name}_slope"), curvature=measured.value(f"{name}_curvature"))
            for name in CURVES
        }
        numbers = {name: measured.value(name) for name in cls.model_fields if name not in CURVES}
        return cls(**curves, **numbers)

    def check(self, x: float, bias_area: float) -> None:
        """Raise InputError for a frequency of a VCO or an area that no measured ring has, naming bound and value."""
        if not self.lowest * (1 - _ROUNDING) <= x <= self.highest * (1 + _ROUNDING):
            raise InputError(
                f"f0 must give every VCO {self.lowest:.3g} … {self.highest:.3g} of the base circuit's frequency, where "
                f"noise was characterised, got {x:.3g}"
            )
        if not 1 <= bias_area * (1 + _ROUNDING) <= self.largest_area * (1 + 2 * _ROUNDING):
            raise InputError(
                f"bias_area must be within 1 … {self.largest_area:g}, where noise was characterised, got {bias_area:g}"
            )

    def flicker(self, x: float, bias_area: float = 1.0) -> float:
        """Return h at the nominal widths. Eq. (N1)."""
        return self.h_bias * self.bias_flicker_factor(x, bias_area) + self.h_rest * self.flicker_rest(x)

    def bias_flicker_factor(self, x: float, bias_area: float) -> float:
        """Return the flicker of the bias devices over that at f0 and their nominal area."""
        return self.flicker_bias(x) * pow(bias_area, -self.area_exponent)

    def current_factor(self, bias_area: float) -> float:
        """Return the bias current at a frequency over that of the nominal area."""
        return pow(bias_area, self.current_exponent)

    def gates_m2(self, scale: float, bias_area: float) -> float:
        """Return the gate area of a neuron without its synapses."""
        return scale * (self.area_m2 + (bias_area - 1.0) * self.bias_area_m2)
