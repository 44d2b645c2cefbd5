"""VCO1 and VCO3 on their frequencies: free rings at three currents, then three around what these say."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import numpy as np

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.record import Floats
from neurocircuit.spec import Bias

WIDEST_CURRENT_RATIO = 3.0  # a ring that needs more or less than this of its nominal current is not the same circuit


@dataclass(frozen=True)
class Rings:
    """Free rings at some currents: frequency (nan: it does not run) and voltage of the bias node, both [current]."""

    frequency_Hz: Floats
    bias_V: Floats


class RingSource(Protocol):
    """A circuit whose rings can be counted."""

    @property
    def supply_V(self) -> float:
        """Supply of the circuit."""

    def rings(self, currents_A: Sequence[float]) -> Rings:
        """Free rings at these bias currents."""


@dataclass(frozen=True)
class Tuned:
    """VCO1 and VCO3 on their frequencies, and the free frequencies at the nominal current."""

    vco1_A: float
    vco3_A: float
    f1_Hz: float
    f3_Hz: float
    gain_Hz_per_A: float
    gain3_Hz_per_A: float
    bias3_V: float
    nominal_f1_Hz: float
    runs: int


def tune_rings(plant: RingSource, nominal: Bias, f1_Hz: float, ratio: float, resolution: float) -> Tuned:
    """Three currents around the nominal one, then three around each found current: a parabola through each three."""
    step_A = resolution * nominal.vco1_A
    wide = nominal.vco1_A * np.array([0.85, 1.0, 1.2])
    found = _rings(plant, wide)
    guess = _current_for(f1_Hz, wide, found.frequency_Hz, nominal.vco1_A)
    near = guess * np.array([0.95, 1.0, 1.05])
    rings1 = _rings(plant, near)
    vco1_A = step_A * round(_current_for(f1_Hz, near, rings1.frequency_Hz, nominal.vco1_A) / step_A)
    gain = _slope(near, rings1.frequency_Hz, vco1_A)
    guess3 = vco1_A + (ratio - 1) * f1_Hz / gain
    near3 = guess3 * np.array([0.93, 1.0, 1.07])
    rings3 = _rings(plant, near3)
    vco3_A = step_A * round(_current_for(ratio * f1_Hz, near3, rings3.frequency_Hz, nominal.vco3_A) / step_A)
    return Tuned(
        vco1_A=vco1_A,
        vco3_A=vco3_A,
        f1_Hz=_value(near, rings1.frequency_Hz, vco1_A),
        f3_Hz=_value(near3, rings3.frequency_Hz, vco3_A),
        gain_Hz_per_A=gain,
        gain3_Hz_per_A=_slope(near3, rings3.frequency_Hz, vco3_A),
        bias3_V=float(np.interp(vco3_A, near3, rings3.bias_V)),
        nominal_f1_Hz=float(found.frequency_Hz[1]),
        runs=3,
    )


def _rings(plant: RingSource, currents_A: Floats) -> Rings:
    found = plant.rings(tuple(float(current) for current in currents_A))
    still = [f"{1e6 * i:.4g} uA" for i, f in zip(currents_A, found.frequency_Hz, strict=True) if not isfinite(f)]
    if still:
        raise SimulatorBadOutput(f"the ring does not run at {', '.join(still)} and {plant.supply_V:g} V")
    if not np.all(np.diff(found.frequency_Hz) > 0):
        shown = ", ".join(f"{f / 1e6:.4g}" for f in found.frequency_Hz)
        raise SimulatorBadOutput(f"the ring's frequency must rise with its current, got {shown} MHz")
    return found


def _current_for(f_Hz: float, currents_A: Floats, frequency_Hz: Floats, nominal_A: float) -> float:
    """The current of a frequency, by the parabola I(f) through three points."""
    current = float(np.polyval(np.polyfit(frequency_Hz - frequency_Hz[1], currents_A, 2), f_Hz - frequency_Hz[1]))
    if not nominal_A / WIDEST_CURRENT_RATIO < current < nominal_A * WIDEST_CURRENT_RATIO:
        raise SimulatorBadOutput(
            f"trim to {f_Hz / 1e6:.4g} MHz needs {1e6 * current:.4g} uA, beyond 1/3 … 3 times the nominal "
            f"{1e6 * nominal_A:.4g} uA"
        )
    return current


def _slope(currents_A: Floats, frequency_Hz: Floats, at_A: float) -> float:
    curve = np.polyfit(currents_A - currents_A[1], frequency_Hz, 2)
    return float(np.polyval(np.polyder(curve), at_A - currents_A[1]))


def _value(currents_A: Floats, frequency_Hz: Floats, at_A: float) -> float:
    return float(np.polyval(np.polyfit(currents_A - currents_A[1], frequency_Hz, 2), at_A - currents_A[1]))
