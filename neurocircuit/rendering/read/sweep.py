"""A run directory as `sweep` leaves it, read and checked."""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurocircuit.core.files import read_json_object
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.neuron.record import Waveforms
from neurocircuit.spec import NeuronSpec, Testbench
from neurocircuit.tables import TransferTable, read_dataset, transistor_rows

_WAVEFORM_FIELDS = ("time_over_tau", "vco_rad", "up", "loop_filter", "membrane", "q")
_SENSITIVITY_COLUMNS = {
    "interpretation",
    "what",
    "row_kind",
    "row_value",
    "output_percent",
    "ci_low_percent",
    "ci_high_percent",
    "fired",
    "n",
}


@dataclass(frozen=True)
class Interpretation:
    """One row of one variant of the testbench or the neuron; ratios, nan where there is none."""

    name: str
    what: str
    half: str
    row: float
    output: float
    ci_low: float
    ci_high: float
    fired: int
    n: int


@dataclass(frozen=True)
class Run:
    """Everything that the report may say."""

    directory: Path
    spec: NeuronSpec
    testbench: Testbench
    seed: int
    record: dict[str, Any]
    table: TransferTable
    draws: xr.Dataset
    interpretations: tuple[Interpretation, ...]
    waveforms: dict[str, Waveforms]
    shown_inputs_over_tau: tuple[float, ...]
    shown_weights: tuple[float, ...]
    transistor: tuple[transistor_rows.ControlledRow, ...] = ()
    chips: tuple[NeuronSpec, ...] = ()
    lost_chips: dict[str, str] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The level of the main rows."""
        return self.testbench.level

    @property
    def levels(self) -> tuple[str, ...]:
        """All levels, the main one first."""
        return (self.main, *(level for level in self.table.levels if level != self.main))


def read_run(directory: Path) -> Run:
    """Read the files of a finished sweep. sensitivity.csv and waveforms.nc may be absent, the others must be there.

    Raise InputError or FileFormatError naming the file that is missing, foreign, damaged, or of another request.
    """
    if not directory.is_dir():
        raise InputError(f"run directory {directory} does not exist")
    request = _json(directory / "request.json")
    record = _json(directory / "run.json")
    table = TransferTable.load(directory / "table.nc")
    for key in ("spec", "testbench", "sweep"):
        if key not in request:
            raise FileFormatError(f"{directory / 'request.json'} lacks {key}")
        if table.provenance.get(key) != request[key]:
            raise FileFormatError(f"{directory / 'table.nc'} belongs to another request: its {key} differs")
    testbench = Testbench.from_dict(request["testbench"])
    if testbench.level not in table.levels:
        raise FileFormatError(f"{directory / 'table.nc'} lacks the level {testbench.level} of the testbench")
    waveforms, inputs, weights = _waveforms(directory / "waveforms.nc")
    return Run(
        directory=directory,
        spec=NeuronSpec.from_dict(request["spec"]),
        testbench=testbench,
        seed=int(request["sweep"]["seed"]),
        record=record,
        table=table,
        draws=_draws(directory / "draws.nc", table),
        interpretations=_interpretations(directory / "sensitivity.csv"),
        waveforms=waveforms,
        shown_inputs_over_tau=inputs,
        shown_weights=weights,
        transistor=transistor_rows.read(directory / "transistor.csv"),
        chips=tuple(NeuronSpec.from_dict(chip) for chip in request.get("chips", ())),
        lost_chips=dict(request.get("lost_chips", {})),
    )


def _json(path: Path) -> dict[str, Any]:
    hint = ": the sweep has not finished, continue it with --resume" if path.name == "run.json" else ""
    return read_json_object(path, hint)


def _draws(path: Path, table: TransferTable) -> xr.Dataset:
    dataset = read_dataset(path)
    for half, name, axis in (("jitter", "jittered", "input_jitter"), ("bits", "quantised", "bits")):
        if half not in table.halves:
            continue
        for variable in (f"clean_{half}", name):
            if variable not in dataset:
                raise FileFormatError(f"{path} lacks {variable}")
        if tuple(dataset[axis].values.tolist()) != table.rows(half):
            raise FileFormatError(f"{path} has another axis {axis} than table.nc")
    if {str(level) for level in dataset["level"].values} != set(table.levels):
        raise FileFormatError(f"{path} has another axis level than table.nc")
    return dataset


def _interpretations(path: Path) -> tuple[Interpretation, ...]:
    if not path.exists():
        return ()
    try:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        if lines and set(lines[0]) != _SENSITIVITY_COLUMNS:
            raise ValueError(f"columns must be {', '.join(sorted(_SENSITIVITY_COLUMNS))}")
        return tuple(_interpretation(line) for line in lines)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError) as error:
        raise FileFormatError(f"{path} is not a table of interpretations: {error}") from None


def _interpretation(line: dict[str, str]) -> Interpretation:
    output, low, high = (
        float(line[f"{name}_percent"]) / 100 if line[f"{name}_percent"] else math.nan
        for name in ("output", "ci_low", "ci_high")
    )
    counts = int(line["fired"]), int(line["n"])
    return Interpretation(
        line["interpretation"], line["what"], line["row_kind"], float(line["row_value"]), output, low, high, *counts
    )


def _waveforms(path: Path) -> tuple[dict[str, Waveforms], tuple[float, ...], tuple[float, ...]]:
    if not path.exists():
        return {}, (), ()
    dataset = read_dataset(path)
    levels = [str(name).removeprefix("membrane_") for name in dataset.data_vars if str(name).startswith("membrane_")]
    try:
        waveforms = {
            level: Waveforms(*(dataset[f"{name}_{level}"].values for name in _WAVEFORM_FIELDS)) for level in levels
        }
        inputs, weights = (np.atleast_1d(dataset.attrs[name]).tolist() for name in ("input_times_over_tau", "weights"))
    except KeyError as error:
        raise FileFormatError(f"{path} lacks {error}") from None
    return waveforms, tuple(inputs), tuple(weights)
