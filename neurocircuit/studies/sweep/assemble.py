"""From finished batches to fire times, statistics and the data files of a run; all reductions in trial order."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from neurocircuit.core.arrays import Floats
from neurocircuit.core.provenance import versions
from neurocircuit.core.stats import half_width
from neurocircuit.core.taskstore import sha256_of
from neurocircuit.errors import SimulatorError
from neurocircuit.neuron import levels as neuron_levels
from neurocircuit.neuron.record import Waveforms
from neurocircuit.spice.deck import netlist_sha256
from neurocircuit.studies.sweep import resolution
from neurocircuit.studies.sweep.draws import draw
from neurocircuit.studies.sweep.identity import Environment
from neurocircuit.studies.sweep.interpretations import INTERPRETATIONS, LEVEL
from neurocircuit.studies.sweep.plan import COSTLY_LEVEL, Batch, Half, Row, SweepRequest
from neurocircuit.studies.sweep.worker import BatchResult, inputs
from neurocircuit.tables import TransferTable
from neurocircuit.tables.jitter import curve_exponent, output_jitter, relative_error
from neurocircuit.tables.transistor_rows import CONTROL_VARIATE, ControlledRow

_SENSITIVITY_COLUMNS = "interpretation,what,row_kind,row_value,output_percent,ci_low_percent,ci_high_percent,fired,n"


class Fires:
    """Fire times of a request, whole rows, units of tau from arming: inf silent, nan failed."""

    def __init__(self, request: SweepRequest, results: Mapping[str, BatchResult], environment: Environment) -> None:
        """Join the batches, which `results` gives by key, in trial order."""
        self.request = request
        self._rows: dict[tuple[str, Row], Floats] = {
            (level, row): np.full(draws, math.nan)
            for level, draws in request.levels.items()
            for row in request.rows(level)
        }
        for batch in request.batches():
            part = slice(batch.first, batch.first + batch.count)
            self._rows[batch.level, batch.row][part] = results[batch.key(environment)].fire_time_over_tau

    def measured(self, level: str, row: Row) -> Floats:
        """Return the fire times of one row at one level; [trial]."""
        return self._rows[level, row]

    def desired(self, level: str, half: Half) -> Floats:
        """Return the clean run of the level, or eq. (4) where the testbench says so; [trial]."""
        eq4 = self.request.testbench.desired == "eq4"
        return self._rows["ideal" if eq4 else level, Row(half, "clean")][: self.request.levels[level]]

    def signed(self, level: str, row: Row) -> Floats:
        """Return the δ/t of a disturbed row, nan where not both runs fired; [trial]."""
        desired = self.desired(level, row.half)
        return relative_error(desired, self.measured(level, row), self.origin[: len(desired)])

    def floor(self, level: str, row: Row) -> float:
        """Return the mean |Δ|/t when only the numerics of the level are refined; nan when no draw fires.

        A level that refines every row tells how far Δ/t itself moves, in the median: one draw of few may move to
        another pulse, and since start phases are drawn evenly, as many move back. One that does not refine every row
        tells how far the clean run moves.
        """
        half = row.half
        clean, refined = self._rows[level, Row(half, "clean")], self._rows[level, Row(half, "floor")]
        origin = self.origin[: len(clean)]
        moved = relative_error(clean, refined, origin)
        if level == COSTLY_LEVEL:
            fine = self._rows[level, Row(half, "floor", row.value)]
            moved = relative_error(refined, fine, origin) - relative_error(clean, self.measured(level, row), origin)
        moved = np.abs(moved[np.isfinite(moved)])
        average = np.median if level == COSTLY_LEVEL else np.mean
        return float(average(moved)) if moved.size else math.nan

    def statistics(self, level: str, row: Row) -> dict[str, float]:
        """Return `output_jitter` of a disturbed row."""
        desired = self.desired(level, row.half)
        return output_jitter(
            desired,
            self.measured(level, row),
            origin_over_tau=self.origin[: len(desired)],
            floor=self.floor(level, row),
            pulse_spacing_over_tau=resolution.pulse_spacing_over_tau(self.request.effective_spec, level),
            enough_draws=not self.shortage(level, row),
        )

    def shortage(self, level: str, row: Row) -> str:
        """Return why the draws of a disturbed row allow no interval of its mean, "" where they do."""
        fired = int(np.isfinite(self.signed(level, row)).sum())
        return resolution.shape(self.request, level, row).shortage(fired)

    def exponent(self, level: str) -> tuple[float, float, float]:
        """Return the exponent of output over input jitter with its interval, where every row has one."""
        rows = self.request.disturbed("jitter")
        relative = np.stack([self.signed(level, row) for row in rows])
        enough = not any(self.shortage(level, row) for row in rows)
        return curve_exponent(np.array(self.request.sweep.jitter), relative, enough_draws=enough)

    @cached_property
    def origin(self) -> Floats:
        """Where relative jitter counts from, units of tau; [trial]."""
        most, request = max(self.request.levels.values()), self.request
        if request.testbench.time_origin == "arming":
            return np.zeros(most)
        draws = draw(request.effective_spec, request.testbench, request.sweep.seed, 0, most)
        return draws.origin_over_tau(request.testbench)


def transfer_table(fires: Fires, environment: Environment, controlled: Sequence[ControlledRow] = ()) -> TransferTable:
    """Return the table, the testbench's own level first; controlled: rows of the costly level, and their estimates."""
    request = fires.request
    levels = sorted(request.levels, key=lambda level: level != request.testbench.level)
    rows = {
        half: {(level, row.value): fires.statistics(level, row) for level in levels for row in request.disturbed(half)}
        for half in ("jitter", "bits")
    }
    used = {(row.half, row.row): row for row in controlled if row.method == CONTROL_VARIATE}
    disturbed = [row for half in request.halves for row in request.disturbed(half)]
    estimated = {row: used[row.half, row.value] for row in disturbed if (row.half, row.value) in used}
    for row, estimate in estimated.items():
        rows[row.half][COSTLY_LEVEL, row.value] |= {
            "mean": estimate.mean,
            "standard_error": (estimate.ci_high - estimate.mean) / half_width(1.0, estimate.n - 1),
            "ci_low": estimate.ci_low,
            "ci_high": estimate.ci_high,
        }
    exponents = {level: fires.exponent(level) for level in levels} if request.sweep.jitter else {}
    shortages = {level: _without_interval(fires, level) for level in levels}
    for row in estimated:
        shortages[COSTLY_LEVEL].pop(row.name, None)
    provenance = {
        **request.to_dict(),
        "seed": request.sweep.seed,
        "spec_sha256": sha256_of(request.spec.to_dict()),
        "netlist_sha256": netlist_sha256() if "bsource" in request.levels else None,
        "engines": {level: environment.engines[level] for level in levels},
        "not_modelled": {level: list(neuron_levels.not_modelled(level, request.effective_spec)) for level in levels},
        "versions": versions(),
        "no_interval": shortages,
        **({"control_variate": [row.name for row in estimated]} if estimated else {}),
    }
    return TransferTable.from_statistics(rows["jitter"], rows["bits"], exponents, provenance)


def _without_interval(fires: Fires, level: str) -> dict[str, str]:
    """Return why rows have no interval, by the names of the rows."""
    rows = [row for half in fires.request.halves for row in fires.request.disturbed(half)]
    return {row.name: reason for row in rows if (reason := fires.shortage(level, row))}


def draws_dataset(fires: Fires) -> xr.Dataset:
    """Return every fire time: clean_jitter, clean_bits (desired) [level, trial].

    jittered, quantised [level, row, trial].
    """
    request = fires.request
    most, levels = max(request.levels.values()), list(request.levels)
    variables: dict[str, Any] = {}
    about = {"units": "tau", "long_name": "fire time from arming; inf silent, nan failed or not run"}
    axes: tuple[tuple[Half, str, str], ...] = (("jitter", "input_jitter", "jittered"), ("bits", "bits", "quantised"))
    for half, axis, name in axes:
        if half not in request.halves:
            continue
        desired = [_padded(fires.desired(level, half), most) for level in levels]
        rows = request.disturbed(half)
        measured = [[_padded(fires.measured(level, row), most) for row in rows] for level in levels]
        variables[f"clean_{half}"] = (("level", "trial"), np.array(desired), about)
        variables[name] = (("level", axis, "trial"), np.array(measured), about)
    coordinates: dict[str, Any] = {"level": np.array(levels)}
    if request.sweep.jitter:
        coordinates["input_jitter"] = np.array(request.sweep.jitter)
    if request.sweep.bits:
        coordinates["bits"] = np.array(request.sweep.bits, dtype=np.int32)
    return xr.Dataset(variables, coordinates, {"schema_version": 1, "seed": str(request.sweep.seed)})


def waveforms_dataset(fires: Fires) -> tuple[xr.Dataset, list[dict[str, Any]]]:
    """Waveforms of one clean neuron at every level: the first draw that fires at the testbench's level, else draw 0.

    A level whose simulator does not deliver is left out and named, with the reason, in the second result.
    """
    request = fires.request
    half = request.halves[0]
    fired = np.isfinite(fires.measured(request.testbench.level, Row(half, "clean")))
    trial = int(np.argmax(fired))
    spec = request.effective_spec.without_noise()
    batch = Batch(spec, request.testbench, request.sweep.seed, request.testbench.level, Row(half, "clean"), trial, 1)
    t_over_tau, weights, start_rad = (array[0] for array in inputs(batch))
    variables: dict[str, Any] = {}
    failed: list[dict[str, Any]] = []
    for level in request.levels:
        try:
            shown = neuron_levels.waveforms(level, spec, t_over_tau, weights, start_rad, 0)
        except SimulatorError as error:
            failed.append(
                {"level": level, "row": "waveforms", "trials": [trial], "reason": " ".join(str(error).split())}
            )
        else:
            variables.update(_waveform_variables(level, shown))
    about = {
        "trial": trial,
        "input_times_over_tau": t_over_tau,
        "weights": weights,
        "start_rad": start_rad,
    }
    return xr.Dataset(variables, attrs=about), failed


def sensitivity_csv(interpretations: Mapping[str, Fires]) -> str:
    """Return one line per interpretation and row; percent.

    The interval is that of the mean, empty for another metric.
    """
    lines = [_SENSITIVITY_COLUMNS]
    for interpretation in INTERPRETATIONS:
        if interpretation.name not in interpretations:
            continue
        fires = interpretations[interpretation.name]
        metric = fires.request.testbench.metric
        for row in (row for half in fires.request.halves for row in fires.request.disturbed(half)):
            statistics = fires.statistics(LEVEL, row)
            low, high = (statistics["ci_low"], statistics["ci_high"]) if metric == "mean" else (math.nan, math.nan)
            numbers = [_cell(100.0 * value) for value in (statistics[metric], low, high)]
            counts = [str(int(statistics["fired"])), str(int(statistics["n"]))]
            value = repr(row.value) if row.half == "jitter" else str(int(row.value))
            lines.append(
                ",".join([interpretation.name, f'"{interpretation.what}"', row.half, value, *numbers, *counts])
            )
    return "\n".join(lines) + "\n"


def _cell(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""


def _padded(values: Floats, length: int) -> Floats:
    return np.concatenate([values, np.full(length - len(values), math.nan)])


def _waveform_variables(level: str, shown: Waveforms) -> dict[str, Any]:
    sample = f"sample_{level}"
    fields = ("time_over_tau", "up", "loop_filter", "membrane", "q")
    variables: dict[str, Any] = {f"{name}_{level}": ((sample,), getattr(shown, name)) for name in fields}
    return variables | {f"vco_rad_{level}": (("vco", sample), shown.vco_rad)}
