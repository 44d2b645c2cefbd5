"""Two circuits side by side, from whatever is at hand of each: a spec, a sweep, a mapped network, a loop."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurocircuit.core.netcdf import read_dataset
from neurocircuit.core.pool import Progress, part_of, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.result import RESULT, RUN
from neurocircuit.errors import InputError, UnitError
from neurocircuit.network.mapping import Mapping
from neurocircuit.process.power import characterised_of, of_neuron
from neurocircuit.rendering import results_at
from neurocircuit.results.circuit_comparison import Change, CircuitComparison, LimitChange, Measured, RowChange
from neurocircuit.results.inference import NeuronPower
from neurocircuit.results.loop import LoopRun, TransferRow
from neurocircuit.results.replay import Replay
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.derived import derived
from neurocircuit.spec.fields import read_toml
from neurocircuit.studies.sweep import rundir
from neurocircuit.studies.sweep.api import sweep_runs
from neurocircuit.tables import TransferTable
from neurocircuit.tables.compare import RowDifference
from neurocircuit.tables.compare import compare as compare_tables
from neurocircuit.tables.render import percent_text, row_name
from neurocircuit.units import parse_quantity, rounded_quantity

TRIALS = 500  # of a row, where both circuits have to be swept
_CIRCUITS = ("circuit.toml", "spec.toml")


@dataclass(frozen=True)
class Side:
    """What is known of one circuit. sweep: folder of a finished one; table: of a sweep without its draws."""

    label: str
    spec: NeuronSpec
    sweep: Path | None = None
    mapping: Mapping | None = None
    replay: Replay | None = None
    loop: LoopRun | None = None


def compare_circuits(
    a: NeuronSpec | Path | str,
    b: NeuronSpec | Path | str,
    *,
    trials: int = TRIALS,
    seed: int = 1,
    jobs: int = 1,
    progress: Progress = silent,
) -> CircuitComparison:
    """Return what differs between two circuits: fields, rows of Table 3, limits, latency, energy, accuracy.

    Args:
        a: a spec or its file (.toml), "embedded", a mapping's file (.json), or a folder: of a sweep, a mapped network,
            a condition of `characterize`, a project or its run.
        b: the other one.
        trials: draws of each row, where there is no sweep of both: they are then swept at level edge.
        seed: of these sweeps; draws are the same for both, so that differences are paired.
        jobs: processes of these sweeps.
        progress: hears how far they are.

    Returns:
        The comparison; `save(out)` writes result.json. Latency and energy of an inference where both have whole images;
        else of one neuron of the testbench, from arming until it fires.

    Raise InputError for a path that holds no circuit.

    >>> from neurocircuit.spec import NeuronSpec
    >>> two = compare_circuits(NeuronSpec(), NeuronSpec(name="fast", f0_Hz=1.528e9), trials=20)
    >>> print(*two.fields)
    f0 764 MHz → 1.528 GHz
    """
    clock = RunClock()
    sides = side_of(a), side_of(b)
    if all(side.sweep is not None for side in sides):
        return _compared(sides, [side.sweep for side in sides if side.sweep is not None], clock)
    if trials < 2:
        raise InputError(f"trials must be >= 2, got {trials}")
    with tempfile.TemporaryDirectory(prefix="neurocircuit-compare-") as folder:
        sweeps = [Path(folder) / name for name in ("a", "b")]
        for k, (side, out) in enumerate(zip(sides, sweeps, strict=True)):
            sweep_runs(
                spec=side.spec,
                level="edge",
                cross_check="none",
                bits=(4, 8, 16),
                trials=trials,
                seed=seed,
                out=out,
                ledger=Path(folder) / "ledger",
                report=False,
                jobs=jobs,
                progress=part_of(progress, k, 2),
            )
        return _compared(sides, sweeps, clock)


def side_of(source: NeuronSpec | Path | str) -> Side:
    """Return what is known of a circuit. Raise InputError for a path that holds none."""
    if isinstance(source, NeuronSpec):
        return Side(source.name, source)
    if str(source) == "embedded":
        return Side("embedded", NeuronSpec())
    path = Path(source)
    if not path.exists():
        raise InputError(f"{path} does not exist: give a spec (.toml), embedded, or the folder of a run")
    return _of_folder(path) if path.is_dir() else _of_file(path)


def _of_file(path: Path) -> Side:
    if path.suffix == ".toml":
        values = read_toml(path)
        if "layers" not in values:  # a neuron, else a mapped network
            return Side(str(path), NeuronSpec.from_dict(values))
        path = path.with_suffix(".mapping.json")
    ((file, kind),) = results_at(path)
    if kind != "mapping":
        raise InputError(f"{path} must be a spec (.toml) or a mapping, got a result of kind {kind}")
    mapping = Mapping.load(file)
    return Side(str(path), mapping.mapped.neuron, mapping=mapping)


def _of_folder(folder: Path) -> Side:
    if (folder / "loop.toml").is_file():  # a project: its run, where that has finished
        run = folder / "run"
        return _of_loop(run, str(folder)) if (run / RESULT).is_file() else _of_spec(folder)
    kinds = {kind: file for file, kind in _results(folder)}
    if "loop" in kinds:
        return _of_loop(folder, str(folder))
    if "sweep" in kinds:
        if not (folder / RUN).is_file():
            raise InputError(f"{folder} holds a sweep that has not finished")
        return Side(str(folder), rundir.read_request(folder).spec, sweep=folder)
    if "mapping" in kinds:
        mapping = Mapping.load(kinds["mapping"])
        return Side(str(folder), mapping.mapped.neuron, mapping=mapping)
    return _of_spec(folder)


def _results(folder: Path) -> list[tuple[Path, str]]:
    try:
        return results_at(folder)
    except InputError:  # none there
        return []


def _of_spec(folder: Path) -> Side:
    for name in _CIRCUITS:
        if (folder / name).is_file():
            return Side(str(folder), NeuronSpec.from_toml(folder / name))
    raise InputError(
        f"{folder} must hold a circuit ({', '.join(_CIRCUITS)}), a sweep, a mapped network or a loop's run"
    )


def _of_loop(run: Path, label: str) -> Side:
    return Side(
        label,
        NeuronSpec.from_toml(run / "circuit.toml"),
        run / "sweep",
        Mapping.load(run / "aware-map" / "network.mapping.json"),
        Replay.load(run / "aware-verify"),
        LoopRun.load(run),
    )


def _compared(sides: tuple[Side, Side], sweeps: list[Path], clock: RunClock) -> CircuitComparison:
    a, b = sides
    tables = [TransferTable.load(sweep / "table.nc") for sweep in sweeps]
    level = rundir.read_request(sweeps[0]).testbench.level
    rows = [row for row in compare_tables(*sweeps).rows if row.level == level]
    measured, power_source = _measured(sides, sweeps, level)
    limits = _limits(a.mapping, b.mapping)
    return CircuitComparison(
        label_a=a.label,
        label_b=b.label,
        circuit_a=a.spec.name,
        circuit_b=b.spec.name,
        fields=_fields(a.spec.to_dict(), b.spec.to_dict()),
        derived=_derived(a.spec, b.spec),
        level=level,
        trials=min(rundir.read_request(sweep).levels.get(level, 0) for sweep in sweeps),
        rows=tuple(
            RowChange(
                half=row.half,
                level=row.level,
                value=row.value,
                before=row.before,
                after=row.after,
                change=row.change,
                low=row.low,
                high=row.high,
                paired=row.paired,
                text=_in_words(row),
            )
            for row in rows
        ),
        transfer_a=TransferRow.of(tables[0], level),
        transfer_b=TransferRow.of(tables[1], level),
        limits=limits,
        measured=measured,
        power_source=power_source,
        notes=tuple(_notes(sides, bool(rows), bool(limits), any(one.unit == "J" for one in measured), level)),
        run=clock.record(),
    )


def _in_words(row: RowDifference) -> str:
    """Return a row of both tables and its change in points, in a line."""
    what = "input jitter" if row.half == "jitter" else "weights"
    interval = f" ({_points(row.low)} … {_points(row.high)})" if row.decided else ""
    name = (
        f"{what} {row_name(row.half, row.value)}" if row.half == "jitter" else f"{row_name(row.half, row.value)} {what}"
    )
    return f"{name}: {row.before} % → {row.after} %, {_points(row.change)} points{interval}"


def _points(ratio: float) -> str:
    text = percent_text(abs(ratio))
    return f"{'−' if ratio < 0 else '+'}{text}"


def _measured(sides: tuple[Side, Side], sweeps: list[Path], level: str) -> tuple[tuple[Measured, ...], str]:
    """Return latency, energy and accuracy of both, and where the power behind the energies is from."""
    a, b = sides
    measured = []
    if a.loop is not None and b.loop is not None:
        for name in ("clean", "trained"):
            word = {"clean": "as trained", "trained": "noise-aware"}[name]
            before, after = (getattr(loop.recovery, name) for loop in (a.loop, b.loop))
            measured.append(Measured(name=f"accuracy on chips, {word}", unit="", before=before, after=after))
    costs = [side.replay.images.cost for side in sides if side.replay is not None and side.replay.images is not None]
    known = [cost for cost in costs if cost is not None]
    if len(known) == 2:
        before, after = known
        measured += [
            _unsure("latency of an image", "s", before.latency_s, after.latency_s),
            _unsure(f"energy of an image, {before.energy[1]}", "J", before.energy[0], after.energy[0]),
        ]
        return tuple(measured), before.power_source
    latencies = [_fire_s(side.spec, sweep, level) for side, sweep in zip(sides, sweeps, strict=True)]
    measured.append(_unsure("a neuron of the testbench fires after", "s", *latencies))
    powers = [_power(side.spec) for side in sides]
    energies = [power.power_W * latency for power, latency in zip(powers, latencies, strict=True)]
    if all(map(math.isfinite, energies)):
        measured.append(_unsure("its energy until then", "J", *energies))
    return tuple(measured), powers[0].source


def _unsure(name: str, unit: str, before: float, after: float) -> Measured:
    """Return a quantity without an interval."""
    return Measured(name=name, unit=unit, before=(before, math.nan, math.nan), after=(after, math.nan, math.nan))


def _fire_s(spec: NeuronSpec, sweep: Path, level: str) -> float:
    """Return the mean over draws of when the undisturbed neuron fires, from arming; nan where none is known."""
    if not (sweep / "draws.nc").is_file():
        return math.nan
    draws = read_dataset(sweep / "draws.nc")
    name = "clean_jitter" if "clean_jitter" in draws else "clean_bits"
    times = draws[name].sel(level=level).values
    fired = times[np.isfinite(times)]
    return float(fired.mean()) * spec.tau_s if len(fired) else math.nan


def _power(spec: NeuronSpec) -> NeuronPower:
    """Return the power of a neuron: of its condition, or, without transistors, by generic65's law at its frequency.

    nan where none is characterised.
    """
    if spec.circuit is not None:
        return of_neuron(spec)
    try:
        characterised = characterised_of(spec)
        return characterised.power(characterised.bias_A, spec.f0_Hz / NeuronSpec().f0_Hz)
    except InputError as error:
        return NeuronPower(power_W=math.nan, source=str(error))


def _fields(a: dict[str, Any], b: dict[str, Any]) -> tuple[Change, ...]:
    """Return the fields, but for the name, whose values differ, as files have them."""
    before, after = (dict(_flat(values, "")) for values in (a, b))
    return tuple(
        Change(name=name, before=_short(before.get(name)), after=_short(after.get(name)))
        for name in dict.fromkeys((*before, *after))
        if name != "name" and before.get(name) != after.get(name)
    )


def _flat(values: dict[str, Any], path: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        pairs += _flat(value, f"{path}{name}.") if isinstance(value, dict) else [(f"{path}{name}", value)]
    return pairs


def _short(value: Any) -> str:
    """Return a value of a file in four digits and few words."""
    if value is None:
        return "absent"
    if isinstance(value, list):
        texts = list(dict.fromkeys(map(_short, value)))
        return ", ".join(texts) if len(texts) <= 4 else f"{len(value)} values"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = _variance_per_second(str(value)) or rounded_quantity(str(value))
    return text if len(text) <= 40 else text[:37] + "..."


def _variance_per_second(text: str) -> str:
    """Return a diffusion without a prefix, which would seem to be squared with its unit; "" for other quantities.

    >>> _variance_per_second("40 krad2/s"), _variance_per_second("0.25 rad2/s"), _variance_per_second("764 MHz")
    ('40 000 rad²/s', '0.25 rad²/s', '')
    """
    try:
        value = float(f"{parse_quantity(text, 'rad2/s', 'it'):.4g}")
    except UnitError:
        return ""
    return f"{value:,.0f} rad²/s".replace(",", " ") if value >= 1000 else f"{value:g} rad²/s"


def _derived(a: NeuronSpec, b: NeuronSpec) -> tuple[Change, ...]:
    before, after = ({quantity.name: quantity for quantity in derived(spec)} for spec in (a, b))
    return tuple(
        Change(name=name, before=f"{before[name].value:.4g}", after=f"{after[name].value:.4g}")
        for name in before
        if name in after and not math.isclose(before[name].value, after[name].value, rel_tol=1e-9)
    )


def _limits(a: Mapping | None, b: Mapping | None) -> tuple[LimitChange, ...]:
    """Return the limits that both mappings have."""
    if a is None or b is None:
        return ()
    before, after = ({f"layer {limit.layer} {limit.name}": limit for limit in side.limits} for side in (a, b))
    return tuple(
        LimitChange(
            name=name,
            before=before[name].value / before[name].bound,
            after=after[name].value / after[name].bound,
            met_before=before[name].met,
            met_after=after[name].met,
        )
        for name in before
        if name in after
    )


def _notes(sides: tuple[Side, Side], has_rows: bool, has_limits: bool, has_energy: bool, level: str) -> list[str]:
    """Return what could not be compared, and why."""
    notes = []
    mapped = [name for name, side in zip("AB", sides, strict=True) if side.mapping is not None]
    networks = [side.loop.network for side in sides if side.loop is not None]
    if len(set(networks)) > 1:
        notes.append(f"the networks differ: A has {networks[0]}, B {networks[1]}")
    if not has_limits:
        which = (
            "neither has" if not mapped else f"only {mapped[0]} has" if len(mapped) == 1 else "no layer in common in"
        )
        notes.append(
            f"limits: not compared, {which} a mapped network".replace("in a mapped network", "in the mapped networks")
        )
    if not has_energy:
        reasons = dict.fromkeys(
            power.source for power in map(_power, (side.spec for side in sides)) if power.power_W != power.power_W
        )
        notes.append(f"energy: {'; '.join(reasons)}")
    if not has_rows:
        notes.append(f"the two sweeps have no row of level {level} in common")
    return notes
