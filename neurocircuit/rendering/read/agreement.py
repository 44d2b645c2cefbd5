"""Levels against each other, draw by draw, from draws.nc."""

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.rendering.read.sweep import Run
from neurocircuit.spec import Testbench, Uniform
from neurocircuit.tables.jitter import relative_error

_HALVES = {"jitter": ("jittered", "input_jitter"), "bits": ("quantised", "bits")}


@dataclass(frozen=True)
class Agreement:
    """Fire times of `level` against those of `reference` over all disturbed runs that both levels made; [pair]."""

    level: str
    reference: str
    half: NDArray[np.str_]
    row: Floats
    trial: NDArray[np.int64]
    reference_over_tau: Floats  # only draws in which both fired
    difference_over_tau: Floats
    compared: int  # draws that both levels completed
    only_one_fired: int

    @property
    def worst(self) -> int | None:
        """Index of the largest difference; None when no draw fired at both levels."""
        return int(np.argmax(np.abs(self.difference_over_tau))) if self.difference_over_tau.size else None

    @property
    def median(self) -> float:
        """Median size of the difference, units of tau."""
        return float(np.median(np.abs(self.difference_over_tau))) if self.difference_over_tau.size else math.nan


def agreements(run: Run) -> list[Agreement]:
    """Return every other level against `averaged`; against the main level where `averaged` was not run."""
    reference = "averaged" if "averaged" in run.levels else run.main
    return [_compare(run, level, reference) for level in run.levels if level != reference]


def _compare(run: Run, level: str, reference: str) -> Agreement:
    parts = []
    compared = only_one = 0
    for half in run.table.halves:
        name, axis = _HALVES[half]
        for k, row in enumerate(run.table.rows(half)):
            mine, other = (_values(run.draws, name, level_name, {axis: k}) for level_name in (level, reference))
            done = ~np.isnan(mine) & ~np.isnan(other)
            both: Bools = done & np.isfinite(mine) & np.isfinite(other)
            compared += int(done.sum())
            only_one += int((done & (np.isfinite(mine) != np.isfinite(other))).sum())
            trials = np.flatnonzero(both)
            parts.append(
                (np.full(len(trials), half), np.full(len(trials), row), trials, other[both], mine[both] - other[both])
            )
    half_of, row_of, trial, time, difference = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Agreement(level, reference, half_of, row_of, trial, time, difference, compared, only_one)


def relative_errors(run: Run, half: str, level: str) -> Floats | None:
    """Return the signed Δ/t [row, trial]; None when the time origin of the draws is not known from the files."""
    origin = _origin_over_tau(run.testbench)
    if origin is None:
        return None
    name, axis = _HALVES[half]
    desired = _values(run.draws, f"clean_{half}", level, {})
    rows = [_values(run.draws, name, level, {axis: k}) for k in range(len(run.table.rows(half)))]
    return np.stack([relative_error(desired, measured, origin) for measured in rows])


def _origin_over_tau(testbench: Testbench) -> float | None:
    """Return the time origin: arming is 0; the first input is known when all inputs are numbers."""
    if testbench.time_origin == "arming":
        return 0.0
    fixed = [value for value in testbench.input_times_over_tau if not isinstance(value, Uniform)]
    return min(fixed) if len(fixed) == len(testbench.input_times_over_tau) else None


def _values(draws: xr.Dataset, name: str, level: str, position: dict[str, int]) -> Floats:
    return np.asarray(draws[name].sel(level=level).isel(position).values, dtype=np.float64)
