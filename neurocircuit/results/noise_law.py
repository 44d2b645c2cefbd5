"""How the phase noise of a characterised neuron follows its current, its frequency and the area of its bias devices."""

from math import exp, log, pow

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.result import Values
from neurocircuit.errors import InputError
from neurocircuit.results.measurement import Measured

_ROUNDING = 1e-6  # relative, of values that a file holds as text
SCALINGS = ("white", "flicker_bias", "flicker_rest", "flicker_common", "pushing")


class Scaling(Values):
    """x^(slope + curvature ln x) s^-scale_exponent A^-area_exponent: 1 at x = s = A = 1.

    >>> Scaling(slope=-1.0, curvature=0.0, scale_exponent=1.0, area_exponent=0.5)(1.0, scale=2.0, area=4.0)
    0.25
    """

    slope: float
    curvature: float
    scale_exponent: float
    area_exponent: float

    def __call__(self, x: float, scale: float = 1.0, area: float = 1.0) -> float:
        """Return the value at x, s and A, all > 0."""
        over_frequency = exp((self.slope + self.curvature * log(x)) * log(x))
        return over_frequency * pow(scale, -self.scale_exponent) * pow(area, -self.area_exponent)

    @classmethod
    def fitted(cls, x: Floats, scale: Floats, area: Floats, values: Floats) -> tuple["Scaling", float]:
        """Return the scaling of values, and the value at x = s = A = 1: least squares of the logarithm."""
        log_x = np.log(x)
        terms = np.stack([np.ones_like(x), log_x, log_x**2, -np.log(scale), -np.log(area)], axis=1)
        level, slope, curvature, scale_exponent, area_exponent = np.linalg.lstsq(terms, np.log(values), rcond=None)[0]
        scaling = cls(
            slope=float(slope),
            curvature=float(curvature),
            scale_exponent=float(scale_exponent),
            area_exponent=float(area_exponent),
        )
        return scaling, float(np.exp(level))


class NoiseLaw(Values):
    """Eq. (N1) of process/measurements/noise_law.py.

    white: of D; flicker_bias, flicker_rest: of the flicker of the bias devices, and of the others; flicker_common: of
    those of them that serve two VCOs, None where each has all of its own; pushing: of the supply sensitivity. h_bias,
    h_rest: the two parts of h at f0, at the nominal sizes. lowest, highest: x = f/f0 of the rings that were measured,
    VCO3's among them; largest_area: A that were, from 1 on; current_exponent: k. bias_A, loop_bias_A: bias currents of
    VCO1 … VCO4, and of VCO1 and VCO2, at A = 1. area_m2, bias_area_m2: gates of a neuron without its synapses, and of
    its bias devices among them.
    """

    white: Scaling
    flicker_bias: Scaling
    flicker_rest: Scaling
    flicker_common: Scaling | None
    pushing: Scaling
    h_bias: float
    h_rest: float
    lowest: float
    highest: float
    largest_area: float
    current_exponent: float
    bias_A: float
    loop_bias_A: float
    area_m2: float
    bias_area_m2: float

    @classmethod
    def of(cls, measured: Measured) -> "NoiseLaw":
        """Return the law that a measurement `noise_law` holds. Raise InputError for a quantity that it lacks."""
        has_common = any(quantity.key == "flicker_common_slope" for quantity in measured.quantities)
        scalings = {
            name: Scaling(**{part: measured.value(f"{name}_{part}") for part in Scaling.model_fields})
            for name in SCALINGS
            if name != "flicker_common" or has_common
        }
        numbers = {name: measured.value(name) for name in cls.model_fields if name not in SCALINGS}
        return cls(**{"flicker_common": None} | scalings, **numbers)

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

    def flicker(self, x: float, scale: float = 1.0, area: float = 1.0) -> float:
        """Return h. Eq. (N1)."""
        return self.h_bias * self.flicker_bias(x, scale, area) + self.h_rest * self.flicker_rest(x, scale, area)

    def current_factor(self, bias_area: float) -> float:
        """Return the bias current at a frequency over that of the nominal area."""
        return pow(bias_area, self.current_exponent)

    def gates_m2(self, scale: float, bias_area: float) -> float:
        """Return the gate area of a neuron without its synapses."""
        return scale * (self.area_m2 + (bias_area - 1.0) * self.bias_area_m2)
