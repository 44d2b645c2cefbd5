"""Phase noise of the rings as `characterize` measured it on the devices: white, flicker, corner, budget by device."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

from neurocircuit.errors import FileFormatError
from neurocircuit.results.measurement import Measured

RINGS = {"vco1": "VCO1, VCO2", "vco3": "VCO3, VCO4"}  # VCO2 runs at the frequency, so at the ring current, of VCO1
SLOWEST_Hz, FASTEST_Hz = 1.0, 5e6  # of the wander: a second from trim to use, a fifth of a microsecond of inference
# Devices of the ring by what they do: what ends each group's paths in netlists/cells.
ROLES = {
    r"xdiode": "bias diode",
    r"xmirror": "mirror",
    r"xload": "load",
    r"x\d\.xns": "NMOS tails",
    r"x\d\.xps": "PMOS tails",
    r"x\d\.xne?": "NMOS switches",
    r"x\d\.xph?": "PMOS switches",
    r"xb\d\..*": "buffer",
}


@dataclass(frozen=True)
class RingNoise:
    """Phase noise of one ring: totals, and by device.

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
        return sqrt(self.flicker * float(np.log(FASTEST_Hz / SLOWEST_Hz)))


def ring_noise(measured: Measured, ring: str) -> RingNoise:
    """Return the phase noise of a ring, of RINGS. Raise FileFormatError where the measurement lacks it."""
    try:
        budget, names = measured.curves[f"budget_{ring}"], list(measured.details["devices"])
        return RingNoise(
            f0_Hz=measured.value(f"f0_{ring}"),
            white_rad2_per_s=measured.value(f"white_{ring}"),
            low_rad2_per_s=measured.value(f"low_{ring}"),
            high_rad2_per_s=measured.value(f"high_{ring}"),
            flicker=measured.value(f"flicker_{ring}"),
            corner_Hz=measured.value(f"corner_{ring}"),
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
