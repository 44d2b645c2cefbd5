"""The rings on their frequencies: each free at three currents, then at three around what these say."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
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

    @property
    def alike(self) -> bool:
        """Whether its four rings are one and the same: devices without mismatch."""

    def rings(self, currents_A: Sequence[float], vco: int = 1) -> Rings:
        """Return the free rings at these bias currents, copies of the VCO of that number."""


@dataclass(frozen=True)
class Ring:
    """One VCO on its frequency: its current, on the grid of trim, and frequency, tuning gain and bias voltage there."""

    current_A: float
    f_Hz: float
    gain_Hz_per_A: float
    bias_V: float


@dataclass(frozen=True)
class Tuned:
    """VCO1 and VCO3 on their frequencies; free, VCO2 runs at VCO1's and VCO4 at VCO3's.

    nominal_f1_Hz: frequency of VCO1 at its nominal current. runs: of rings, that it took.
    """

    ring1: Ring
    ring2: Ring
    ring3: Ring
    ring4: Ring
    nominal_f1_Hz: float
    runs: int


WIDE, WIDE_CHIP = np.array([0.85, 1.0, 1.2]), np.array([0.6, 1.0, 1.5])  # of the nominal current
NEAR1, NEAR3 = np.array([0.95, 1.0, 1.05]), np.array([0.93, 1.0, 1.07])  # of the current found first


def tune_rings(plant: RingSource, nominal: Bias, f1_Hz: float, ratio: float, resolution: float) -> Tuned:
    """Three currents around the nominal one, then three around each found current: a parabola through each three.

    Where the rings are alike those of VCO1 and VCO3 serve for VCO2 and VCO4, else each one is counted.
    """
    step_A, f3_Hz = resolution * nominal.vco1_A, ratio * f1_Hz
    wide = nominal.vco1_A * (WIDE if plant.alike else WIDE_CHIP)
    rings = _rings(plant, wide, 1)
    guess = _current_for(f1_Hz, wide, rings.frequency_Hz, nominal.vco1_A)
    ring1 = _near(plant, 1, guess * NEAR1, f1_Hz, nominal.vco1_A, step_A)
    if plant.alike:
        guess3 = ring1.current_A + (ratio - 1) * f1_Hz / ring1.gain_Hz_per_A
        ring3 = _near(plant, 3, guess3 * NEAR3, f3_Hz, nominal.vco3_A, step_A)
        return Tuned(ring1, ring1, ring3, ring3, float(rings.frequency_Hz[1]), 3)
    others: list[Ring] = []
    for vco, f_Hz, nominal_A, near in (
        (2, f1_Hz, nominal.vco2_A, NEAR1),
        (3, f3_Hz, nominal.vco3_A, NEAR3),
        (4, f3_Hz, nominal.vco4_A, NEAR3),
    ):
        wide = nominal_A * WIDE_CHIP
        guess = _current_for(f_Hz, wide, _rings(plant, wide, vco).frequency_Hz, nominal_A)
        others.append(_near(plant, vco, guess * near, f_Hz, nominal_A, step_A))
    ring2, ring3, ring4 = others
    return Tuned(ring1, ring2, ring3, ring4, float(rings.frequency_Hz[1]), 8)


def _near(plant: RingSource, vco: int, near_A: Floats, f_Hz: float, nominal_A: float, step_A: float) -> Ring:
    """Return a ring on its frequency, from three currents around a guess."""
    rings = _rings(plant, near_A, vco)
    current_A = step_A * round(_current_for(f_Hz, near_A, rings.frequency_Hz, nominal_A) / step_A)
    return Ring(
        current_A,
        _value(near_A, rings.frequency_Hz, current_A),
        _slope(near_A, rings.frequency_Hz, current_A),
        float(np.interp(current_A, near_A, rings.bias_V)),
    )


def _rings(plant: RingSource, currents_A: Floats, vco: int) -> Rings:
    rings = plant.rings(tuple(float(current) for current in currents_A), vco)
    still = [f"{1e6 * i:.4g} uA" for i, f in zip(currents_A, rings.frequency_Hz, strict=True) if not isfinite(f)]
    if still:
        raise SimulatorBadOutput(
            f"the ring does not run near f1 at {', '.join(still)} and {plant.supply_V:g} V; "
            "`neurocircuit process check` says what frequency it has"
        )
    if not np.all(np.diff(rings.frequency_Hz) > 0):
        shown = ", ".join(f"{f / 1e6:.4g}" for f in rings.frequency_Hz)
        raise SimulatorBadOutput(f"the ring's frequency must rise with its current, got {shown} MHz")
    return rings


def _current_for(f_Hz: float, currents_A: Floats, frequency_Hz: Floats, nominal_A: float) -> float:
    """Return the current of a frequency, by the parabola I(f) through three points."""
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
