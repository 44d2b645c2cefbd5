"""TransferTable on xarray: axes level, input_jitter and bits; statistics of output jitter; provenance."""

import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr

from neurocircuit.core.arrays import Floats
from neurocircuit.core.files import write_atomically
from neurocircuit.core.netcdf import CONVENTION, SCHEMA_VERSION, check_seal, dataset_bytes, read_dataset, seal
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.tables import render
from neurocircuit.tables.jitter import EXPONENT_METHOD, INTERVAL_METHOD, STATISTICS

HALVES = {"jitter": "input_jitter", "bits": "bits"}
_AXES = {
    "level": {"long_name": "level of the neuron"},
    "input_jitter": {"units": "1", "long_name": "standard deviation of the input jitter"},
    "bits": {"units": "bit", "long_name": "resolution of the weight bank"},
}
_EXPONENTS = ("exponent", "exponent_low", "exponent_high")
Rows = Mapping[tuple[str, float], Mapping[str, float]]


class TransferTable:
    """Output jitter of the neuron (ratios), by level, over input jitter and over weight bits.

    Each half holds one variable per statistic, such as jitter_mean [level, input_jitter]; nan where not run.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        """Wrap a sealed dataset; use `from_statistics` or `load`."""
        self.dataset = dataset

    @classmethod
    def from_statistics(
        cls,
        jitter: Rows,
        bits: Rows,
        exponents: Mapping[str, tuple[float, float, float]],
        provenance: Mapping[str, Any],
    ) -> Self:
        """Build from `jitter.output_jitter` results by (level, row), and exponents (value, low, high) by level.

        Axes keep the order in which levels and rows first appear. An empty half leaves no variables.
        `provenance` must be what JSON can hold. Raise InputError when both halves are empty.
        """
        if not jitter and not bits:
            raise InputError("a transfer table must have at least one row, got none")
        levels = list(dict.fromkeys(level for level, _ in [*jitter, *bits]))
        rows: dict[str, list[Any]] = {
            "jitter": sorted({float(row) for _, row in jitter}),
            "bits": sorted({int(row) for _, row in bits}),
        }
        variables: dict[str, Any] = {}
        for half, results in (("jitter", jitter), ("bits", bits)):
            for name, meaning in STATISTICS.items() if results else ():
                values = [[results.get((level, row), {}).get(name, math.nan) for row in rows[half]] for level in levels]
                variables[f"{half}_{name}"] = (("level", HALVES[half]), np.array(values), _about(meaning))
        for k, name in enumerate(_EXPONENTS if len(rows["jitter"]) > 1 else ()):
            slopes = [exponents.get(level, (math.nan,) * 3)[k] for level in levels]
            variables[name] = (("level",), np.array(slopes), _about(f"{name}: d log(mean) / d log(input jitter)"))
        coordinates = {
            "level": ("level", np.array(levels), _AXES["level"]),
            "input_jitter": ("input_jitter", np.array(rows["jitter"], dtype=np.float64), _AXES["input_jitter"]),
            "bits": ("bits", np.array(rows["bits"], dtype=np.int32), _AXES["bits"]),
        }
        return cls(seal(xr.Dataset(variables, coordinates, _attributes(provenance))))

    def save(self, path: Path | str) -> None:
        """Write a netCDF 3 file whose bytes depend on the content only."""
        write_atomically(Path(path), dataset_bytes(self.dataset))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file written by `save`.

        Raise FileFormatError for a foreign, damaged, changed or newer file, InputError for an unreadable one.
        """
        path = Path(path)
        dataset = read_dataset(path)
        check_seal(dataset, path)
        try:
            json.loads(dataset.attrs["provenance"])
        except (KeyError, ValueError):
            raise FileFormatError(f"{path} lacks readable provenance") from None
        return cls(dataset)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What determined the numbers: spec, testbench, sweep, hashes, engines, versions, seed."""
        result: dict[str, Any] = json.loads(self.dataset.attrs["provenance"])
        return result

    @property
    def metric(self) -> str:
        """The statistic that the table's column shows: mean, median or maximum."""
        return str(self.provenance.get("testbench", {}).get("metric", "mean"))

    def why_no_interval(self, half: str, level: str, value: float) -> str:
        """Return why a row's draws allow no interval of the mean, in words; "" where they do, or nobody asked."""
        reasons: dict[str, str] = self.provenance.get("no_interval", {}).get(level, {})
        return reasons.get(f"{half}={value:g}", "")

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels, the main one first."""
        return tuple(map(str, self.dataset["level"].values))

    @cached_property
    def halves(self) -> tuple[str, ...]:
        """Which of "jitter" and "bits" were run."""
        return tuple(half for half in HALVES if f"{half}_mean" in self.dataset)

    def rows(self, half: str) -> tuple[float, ...]:
        """Return the row values: ratios of input jitter, or whole bits; empty for an absent half."""
        return self._rows[half]

    @cached_property
    def _rows(self) -> dict[str, tuple[float, ...]]:
        return {
            half: tuple(self.dataset[axis].values.tolist()) * (half in self.halves) for half, axis in HALVES.items()
        }

    def row(self, half: str, level: str, value: float) -> dict[str, float]:
        """Return all statistics of one row; nan where the level did not run it.

        ValueError for an unknown level or row.
        """
        k, column = self.levels.index(level), self.rows(half).index(value)
        return {name: float(self._values[f"{half}_{name}"][k, column]) for name in STATISTICS}

    @cached_property
    def _values(self) -> dict[str, Floats]:
        """The same numbers as the dataset; label lookups in xarray take a millisecond each."""
        return {str(name): variable.values for name, variable in self.dataset.data_vars.items()}

    def exponent(self, level: str) -> tuple[float, float, float]:
        """Return the exponent of the jitter curve with its interval; nan when there are fewer than two rows."""
        if "exponent" not in self.dataset:
            return math.nan, math.nan, math.nan
        value, low, high = (float(self._values[name][self.levels.index(level)]) for name in _EXPONENTS)
        return value, low, high

    def to_csv(self) -> str:
        """Return one line per half, level and row; floats in full (repr), units in the header."""
        return render.csv_text(self)

    def to_latex(self, paper: Mapping[str, Mapping[float, float]] | None = None) -> str:
        """Return a booktabs table like Table 3 of the paper; `paper` gives its ratios by half and row for a column."""
        return render.latex_text(self, paper or {})

    def to_text(self) -> str:
        """Return the plain columns for a terminal."""
        return render.plain_text(self)


def _about(meaning: str) -> dict[str, str]:
    return {"units": "1", "long_name": meaning}


def _attributes(provenance: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "convention": CONVENTION,
        "schema_version": SCHEMA_VERSION,
        "interval_method": INTERVAL_METHOD,
        "exponent_method": EXPONENT_METHOD,
        "provenance": json.dumps(provenance, sort_keys=True, allow_nan=False),
    }
