"""Measurements with known values."""

from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.results.phase_noise import VCOS


def planted_noise(f0_Hz: tuple[float, float], h: float = 1e-8) -> Measured:
    """Phase noise of VCO k: k 1e5 rad²/s and k h of flicker, of which the pairs share 0.25 and 0.75."""
    values = {"shared_vco1_vco2": 0.25, "shared_vco3_vco4": 0.75}
    for k, vco in enumerate(VCOS, 1):
        values |= {f"white_{vco}": k * 1e5, f"flicker_{vco}": k * h, f"f0_{vco}": f0_Hz[(k - 1) // 2]}
    return Measured(tuple(Quantity(key, key, value, "") for key, value in values.items()))
