"""Measurements with known values."""

from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.results.phase_noise import VCOS

SENSITIVITY_per_V = (1.16, 1.18, 1.71, 1.84)


def planted_noise(f0_Hz: tuple[float, float], h: float = 1e-8) -> Measured:
    """Phase noise of VCO k: k 1e5 rad²/s and k h of flicker, of which the pairs share 0.25 and 0.75."""
    values = {"shared_vco1_vco2": 0.25, "shared_vco3_vco4": 0.75}
    for k, vco in enumerate(VCOS, 1):
        values |= {f"white_{vco}": k * 1e5, f"flicker_{vco}": k * h, f"f0_{vco}": f0_Hz[(k - 1) // 2]}
    return Measured(tuple(Quantity(key, key, value, "") for key, value in values.items()))


def planted_supply() -> Measured:
    """Supply sensitivities of VCO1 … VCO4."""
    return Measured(tuple(Quantity(f"vco{k}", "", value, "1/V") for k, value in enumerate(SENSITIVITY_per_V, 1)))
