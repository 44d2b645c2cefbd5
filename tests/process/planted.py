"""Measurements with known values."""

import numpy as np

from neurocircuit.process.measurements.noise_law import Case, Noise
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.results.phase_noise import VCOS

SENSITIVITY_per_V = (1.16, 1.18, 1.71, 1.84)
BIAS_A = (1.0e-5, 1.1e-5, 1.5e-5, 1.4e-5)


def planted_noise(f0_Hz: tuple[float, float], h: float = 1e-8) -> Measured:
    """Phase noise of VCO k: k 1e5 rad²/s and k h of flicker, of which the pairs share 0.25 and 0.75."""
    values = {"shared_vco1_vco2": 0.25, "shared_vco3_vco4": 0.75}
    for k, vco in enumerate(VCOS, 1):
        values |= {f"white_{vco}": k * 1e5, f"flicker_{vco}": k * h, f"f0_{vco}": f0_Hz[(k - 1) // 2]}
    return Measured(tuple(Quantity(key, key, value, "") for key, value in values.items()))


def planted_supply() -> Measured:
    """Supply sensitivities of VCO1 … VCO4."""
    return Measured(tuple(Quantity(f"vco{k}", "", value, "1/V") for k, value in enumerate(SENSITIVITY_per_V, 1)))


def planted_ring(case: Case) -> Noise:
    """A ring whose current is in proportion to frequency and widths, its noise to powers of these."""
    x, s, area = case.ratio, case.scale, case.area
    of_bias, rest = 1.6e-8 * x**-1.5 * s**-0.95 / area**0.85, 1.2e-9 * x**0.4 / s
    return Noise(
        case=case,
        current_A=1e-5 * s * x * area**0.3,
        f_Hz=7.5e8 * x,
        white=2e5 * x ** (-0.8 - 0.9 * np.log(x)) * s**-0.9,
        flicker=of_bias + rest,
        of_bias=of_bias,
        of_common=3e-11 * x / s,
        pushing_per_V=1.16 * x**1.7,
    )
