"""What a characterisation is asked for: process, conditions, measurements; and the names of its files."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neurocircuit.errors import InputError
from neurocircuit.spec import Condition

# In the order of work: each needs only what stands before it at the same condition.
NEEDS: dict[str, tuple[str, ...]] = {
    "trim": (),
    "untrimmed": ("trim",),
    "cco": ("trim",),
    "wiring": ("trim",),
    "supply": ("trim",),
    "phase_noise": ("trim",),
    "assumed_noise": ("trim", "cco"),
    "detector": ("trim",),
    "lock": ("trim",),
    "flipflop": ("trim",),
    "synapse": ("trim",),
    "kernel": ("trim", "synapse", "flipflop"),
    "prediction": ("trim", "synapse", "flipflop", "kernel"),
    "energy": ("trim", "lock", "synapse", "flipflop", "kernel"),
    "fan_in": (),
    "mismatch": ("trim",),
    "power": ("trim",),
    "noise_law": ("trim",),
}
# Made at the first condition: dear, and they say how well others hold, or what follows in proportion there.
NOMINAL_ONLY = ("assumed_noise", "prediction", "fan_in", "mismatch", "power", "noise_law")
TRIM = ("trim", "untrimmed")


@dataclass(frozen=True)
class Request:
    """What determines the result. `measurements` holds what was asked for and all that it needs, in order.

    trim_only: those of `conditions` at which nothing is made but TRIM. synapses: of the neuron; None: the process's.
    """

    process: str
    conditions: tuple[Condition, ...]
    measurements: tuple[str, ...]
    resolution: float
    cases: int
    seed: int
    trim_only: tuple[Condition, ...] = ()
    synapses: int | None = None

    def at(self, condition: Condition) -> tuple[str, ...]:
        """Return the measurements that are made at a condition."""
        first = condition == self.conditions[0]
        made = TRIM if condition in self.trim_only else self.measurements
        return tuple(name for name in self.measurements if name in made and (first or name not in NOMINAL_ONLY))

    def to_dict(self) -> dict[str, Any]:
        """As it stands in request.json."""
        return {
            "schema": 1,
            "process": self.process,
            "conditions": [condition.to_dict() for condition in self.conditions],
            "trim_only": [slug(condition) for condition in self.trim_only],
            "measurements": list(self.measurements),
            "resolution": self.resolution,
            "cases": self.cases,
            "seed": self.seed,
        } | ({} if self.synapses is None else {"synapses": self.synapses})


def conditions(
    corners: Sequence[str],
    temperatures_C: Sequence[float],
    supply_ratios: Sequence[float],
    supply_V: float,
    one_at_a_time: bool = False,
) -> tuple[Condition, ...]:
    """Return every combination, or those in which at most one of the three differs from its nominal value.

    supply_V: nominal.

    Nominal are the first corner, and the temperature and the ratio nearest to 27 °C and 1.
    Raise InputError for an empty list or one that says a value twice.
    """
    for name, values in (("--corner", corners), ("--temp", temperatures_C), ("--vdd", supply_ratios)):
        if not values or len(set(values)) < len(values):
            raise InputError(f"{name} must name one or more different values, got {list(values)}")
    nominal = corners[0], min(temperatures_C, key=lambda t: abs(t - 27.0)), min(supply_ratios, key=lambda r: abs(r - 1))
    points = [
        point
        for point in itertools.product(corners, temperatures_C, supply_ratios)
        if not one_at_a_time
        or sum(coordinate != nominal_value for coordinate, nominal_value in zip(point, nominal, strict=True)) <= 1
    ]
    points.sort(key=lambda point: point != nominal)
    return tuple(
        Condition(corner=corner, temperature_C=temperature, supply_V=round(ratio * supply_V, 12))
        for corner, temperature, ratio in points
    )


def slug(condition: Condition) -> str:
    """Return the folder of a condition: "tt_27C_1V"."""
    return f"{condition.corner}_{condition.temperature_C:g}C_{condition.supply_V:g}V"


def with_needs(names: Sequence[str]) -> tuple[str, ...]:
    """Return these measurements and all they need, in the order of work. Raise InputError for an unknown name."""
    unknown = [name for name in names if name not in NEEDS]
    if unknown or not names:
        raise InputError(f"--only must be among {', '.join(NEEDS)}, got {', '.join(unknown) or 'nothing'}")
    needed = set(names).union(*(NEEDS[name] for name in names))
    return tuple(name for name in NEEDS if name in needed)
