"""Phase noise of the oscillators as `characterize` measured it on the devices: white, flicker, corner, budget."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt

from neurocircuit.errors import FileFormatError
from neurocircuit.results.measurement import Measured

VCOS = {"vco1": "VCO1", "vco2": "VCO2", "vco3": "VCO3", "vco4": "VCO4"}
SLOWEST_Hz, FASTEST_Hz = 1.0, 5e6  # of the wander: a second from trim to use, a fifth of a microsecond of inference
# Devices by what they do: what ends each group's paths in netlists/cells.
ROLES = {
    r"xdiode": "bias diode",
    r"xmirror": "mirror",
    r"xload": "load",
    r"x\d\.xns": "NMOS tails",
    r"x\d\.xps": "PMOS tails",
    r"x\d\.xne?": "NMOS switches",
    r"x\d\.xph?": "PMOS switches",
    r"xb\d\..*": "buffer",
    r"r\.xfilter\.r\d": "R1, R2 of the loop filter",
    r"r\.xup\.r4": "R4 of the UP switch",
    r"xup\..*": "UP switch",
}


@dataclass(frozen=True)
class VcoNoise:
    """Phase noise of one VCO: totals, and by device.

    white: phase variance per second, with its interval. flicker: h of S_y(f) = h/f, y the relative frequency.
    """

    f0_Hz: float
    white_rad2_per_s: float
    low_rad2_per_s: float
    high_rad2_per_s: float
    flicker: float
    corner_Hz: float
    white_by_device: Mapping[str, float]
    flicker_by_device: Mapping[str, float]

    @property
    def wander(self) -> float:
        """Standard deviation of the relative frequency by flicker between SLOWEST_Hz and FASTEST_Hz."""
        return sqrt(self.flicker * log(FASTEST_Hz / SLOWEST_Hz))


def vco_noise(measured: Measured, vco: str) -> VcoNoise:
    """Return the phase noise of a VCO, of VCOS. Raise FileFormatError where the measurement lacks it."""
    try:
        budget, names = measured.curves[f"budget_{vco}"], list(measured.details["devices"][vco])
        return VcoNoise(
            f0_Hz=measured.value(f"f0_{vco}"),
            white_rad2_per_s=measured.value(f"white_{vco}"),
            low_rad2_per_s=measured.value(f"low_{vco}"),
            high_rad2_per_s=measured.value(f"high_{vco}"),
            flicker=measured.value(f"flicker_{vco}"),
            corner_Hz=measured.value(f"corner_{vco}"),
            white_by_device=dict(zip(names, budget["white_rad2_per_s"].tolist(), strict=True)),
            flicker_by_device=dict(zip(names, budget["flicker"].tolist(), strict=True)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"phase_noise lacks or garbles {error}") from None


def by_role(by_device: Mapping[str, float]) -> dict[str, float]:
    """Return the sums of a budget by what the devices do; a device of an unknown cell stands alone.

    >>> by_role({"xdiode": 3.0, "x1.xps": 1.0, "x2.xps": 1.5})
    {'bias diode': 3.0, 'PMOS tails': 2.5}
    """
    sums: dict[str, float] = {}
    for device, value in by_device.items():
        role = next((role for pattern, role in ROLES.items() if re.fullmatch(pattern, device)), device)
        sums[role] = sums.get(role, 0.0) + value
    return sums
