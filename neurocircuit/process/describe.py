"""What a user asks of a process before a characterisation: which there are, whether a ring runs, what fan-in costs."""

import time
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.errors import InputError
from neurocircuit.process import cell_benches
from neurocircuit.process import fan_in as fan_ins
from neurocircuit.process.random_models import refuse_random_models
from neurocircuit.process.ring import check_ring
from neurocircuit.spice import process as processes
from neurocircuit.units import format_quantity

LARGEST_SUPPLY_V = 6.0
LARGEST_DEVIATION = 0.25  # of a ring from f1, that trim takes up without a word; generic65's corners lie within
LARGEST_RATIO = 2.0  # of a ring to f1 or of f1 to the ring: beyond, the file does not describe the process


class ProcessFacts(Values):
    """One process: where it comes from, and where its models are; missing: "" or what to type to get them."""

    name: str
    installed: bool
    summary: str
    corners: str
    supply: str
    licence: str
    source: str
    folder: str
    missing: str

    def __str__(self) -> str:
        state = "installed" if self.installed else "absent"
        lines = [
            f"{self.name:<20}{state:<11}{self.summary}",
            f"{'':<20}corners {self.corners}; licence: {self.licence}",
            f"{'':<20}source: {self.source}",
        ]
        return "\n".join([*lines, *([f"{'':<20}-> {self.missing}"] if self.missing else [])])


class Processes(Result):
    """The processes that the package knows."""

    kind: ClassVar[str] = "processes"

    processes: tuple[ProcessFacts, ...]

    def summary(self) -> str:
        """Return a few lines for each process."""
        return "\n".join(map(str, self.processes))


class RingCheck(Result):
    """A ring oscillator of a process at its nominal bias current; f1_Hz: what the process file says it should have.

    exit_code: 3 where the two are more than a factor of LARGEST_RATIO apart.
    """

    kind: ClassVar[str] = "ring_check"

    process: str
    corner: str
    temperature_C: float
    supply_V: float
    f_Hz: float
    f1_Hz: float
    power_W: float
    current_A: float
    duration_s: float

    @property
    def exit_code(self) -> int:
        """3 where the ring is so far from f1 that trim cannot bring it there."""
        return 0 if 1 / LARGEST_RATIO <= self.f_Hz / self.f1_Hz <= LARGEST_RATIO else 3

    def summary(self) -> str:
        """Return frequency and power in a line, and in a second one what to change where the ring is far from f1."""
        current = format_quantity(self.current_A, "A")
        line = (
            f"{self.process} {self.corner} {self.temperature_C:g} °C {self.supply_V:g} V: the ring runs at "
            f"{self.f_Hz / 1e6:.1f} MHz and {self.power_W * 1e6:.1f} µW with {current}; {self.duration_s:.1f} s"
        )
        return line + self._remark()

    def _remark(self) -> str:
        ratio = self.f_Hz / self.f1_Hz
        if abs(ratio - 1) <= LARGEST_DEVIATION:
            return ""
        less = ratio < 1
        return (
            f"\nit oscillates, but {'slower' if less else 'faster'} than looked for: {ratio:.2f} of f1 = "
            f"{format_quantity(self.f1_Hz, 'Hz')}; in the process file {'raise' if less else 'lower'} nominal.vco1, "
            f"make c_wire and the sizes {'smaller' if less else 'larger'}, or set f1 to what the ring has"
        )


class FanInRow(Values):
    """VCO1 with a number of synapses, all but one idle; losses relative to the first row."""

    synapses: int
    f1_Hz: float
    frequency_loss: Number
    jump_rad: tuple[float, ...]
    jump_loss: tuple[Number, ...]


class FanInCost(Result):
    """What idle synapses cost in a process: frequency, and the jump of each of `codes`, negative of a sink.

    limit: the largest number of synapses with which all of them stay within `largest_loss` of the first row.
    """

    kind: ClassVar[str] = "fan_in"

    process: str
    codes: tuple[int, ...]
    limit: int
    largest_loss: float
    rows: tuple[FanInRow, ...]

    def summary(self) -> str:
        """Return a table of changes relative to the first row, whose values it has, and the limit."""
        lines = [f"{'synapses':<10}{'f1':>18}" + "".join(f"{f'code {code}':>18}" for code in self.codes)]
        first, *others = self.rows
        jumps = "".join(f"{jump_rad:>14.4f} rad" for jump_rad in first.jump_rad)
        lines += [f"{first.synapses:<10}{first.f1_Hz / 1e6:>14.2f} MHz{jumps}"]
        lines += [
            f"{row.synapses:<10}" + "".join(f"{-100 * loss:>+16.2f} %" for loss in (row.frequency_loss, *row.jump_loss))
            for row in others
        ]
        limit = f"limit (each within {100 * self.largest_loss:g} %): {self.limit} synapses"
        return "\n".join([*lines, limit])


class CellRow(Values):
    """One quantity of a cell of the user's own beside the built-in one, SI."""

    cell: str
    quantity: str
    unit: str
    user: Number
    built_in: Number

    def __str__(self) -> str:
        user, built_in = (_four_digits(value, self.unit) for value in (self.user, self.built_in))
        change = "" if self.unit == "" or not self.built_in else f"{100 * (self.user / self.built_in - 1):+.1f} %"
        return f"{self.cell:<11}{self.quantity:<50}{user:>14}{built_in:>14}{change:>10}"


class CellComparison(Result):
    """The cells that a process file replaces, each on a bench of its own, beside the built-in ones."""

    kind: ClassVar[str] = "cell_comparison"

    process: str
    corner: str
    temperature_C: float
    supply_V: float
    rows: tuple[CellRow, ...]

    def summary(self) -> str:
        """Return a table."""
        head = f"{'cell':<11}{'quantity':<50}{'user':>14}{'built-in':>14}{'change':>10}"
        return "\n".join([head, *map(str, self.rows)])


def compare_cells(
    name: str, *, corner: str = "", temperature_C: float = 27.0, supply_V: float | None = None
) -> CellComparison:
    """Return what the benches of the replaced cells say of a process, by name or the path of its process.toml.

    Raise InputError for an unknown process or corner and where no cell is replaced, SimulatorError as the benches do.
    """
    installed = processes.load(name)
    condition = installed.condition(corner, temperature_C, supply_V)
    refuse_random_models(installed, condition)
    return CellComparison(
        process=installed.process.name,
        corner=condition.corner,
        temperature_C=condition.temperature_C,
        supply_V=condition.supply_V,
        rows=tuple(
            CellRow(cell=cell, quantity=user.label, unit=user.unit, user=user.value, built_in=built_in.value)
            for cell, pairs in cell_benches.compare(installed, condition).items()
            for user, built_in in pairs
        ),
    )


def list_processes() -> Processes:
    """Return the processes that come with the package, and whether their models are on this machine."""
    return Processes(processes=tuple(_facts(name) for name in processes.names()))


def check_process(
    name: str, *, corner: str = "", temperature_C: float = 27.0, supply_V: float | None = None
) -> RingCheck:
    """Return frequency and power of one ring of a process, by name or the path of its process.toml.

    corner: default the nominal one; supply_V: default the process's. Raise InputError for an unknown process or corner
    or a supply beyond 6 V, SimulatorBadOutput where the ring does not oscillate.
    """
    installed = processes.load(name)
    if supply_V is not None and not 0 < supply_V < LARGEST_SUPPLY_V:
        raise InputError(f"vdd must be within 0 … {LARGEST_SUPPLY_V:g} V, got {supply_V:g}")
    condition = installed.condition(corner, temperature_C, supply_V)
    began_s = time.perf_counter()
    refuse_random_models(installed, condition)
    ring = check_ring(installed, condition)
    return RingCheck(
        process=installed.process.name,
        corner=condition.corner,
        temperature_C=condition.temperature_C,
        supply_V=condition.supply_V,
        f_Hz=ring.f_Hz,
        f1_Hz=installed.process.f1_Hz,
        power_W=ring.power_W,
        current_A=installed.process.nominal.vco1_A,
        duration_s=time.perf_counter() - began_s,
    )


def fan_in_cost(
    name: str,
    *,
    corner: str = "",
    branch: int = 0,
    codes: Sequence[int] | None = None,
    progress: Progress = silent,
) -> FanInCost:
    """Return what idle synapses cost VCO1 of a process in frequency and phase jumps.

    Relative to the number with which neurons are characterised, up to where a loss passes its bound (fan_in.search).
    branch: synapses on a local node of a tree; 0: no tree. codes: of the synapse that spikes, negative of a sink;
    default: small and full scale, of both signs (fan_in.CODES). progress: hears which numbers are simulated.

    Raise InputError for an unknown process or corner, or a code that the bank does not have.
    """
    codes = fan_ins.CODES if codes is None else tuple(codes)
    for code in codes:
        if not 1 <= abs(code) <= fan_ins.FULL_SCALE:
            raise InputError(f"code must be within 1 … {fan_ins.FULL_SCALE}, or negative of a sink, got {code}")
    installed = processes.load(name)
    at = partial(fan_ins.measure, installed, installed.condition(corner), branch=branch, codes=codes)

    def measure_cases(synapses: Sequence[int]) -> fan_ins.FanIn:
        progress(0, 1, f"rings with {', '.join(map(str, synapses))} synapses")
        return at(synapses)

    limit, measured = fan_ins.search(measure_cases, installed.process.synapses)
    jumps = [list(map(tuple, values.T.tolist())) for values in (measured.jump_rad, measured.jump_loss)]
    columns = (measured.synapses, measured.f1_Hz, measured.frequency_loss, *jumps)
    names = tuple(FanInRow.model_fields)
    return FanInCost(
        process=installed.process.name,
        codes=measured.codes,
        limit=limit,
        largest_loss=fan_ins.LARGEST_LOSS,
        rows=tuple(FanInRow(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)),
    )


def _four_digits(value: float, unit: str) -> str:
    if unit == "Hz/A":
        return f"{1e-12 * value:.4g} MHz/µA"
    return format_quantity(float(f"{value:.4g}"), unit)


def _facts(name: str) -> ProcessFacts:
    process = processes.describe(name)
    try:
        folder, missing = str(processes.load(name).folder), ""
    except processes.ProcessMissing as error:
        folder, missing = "", str(error)
    return ProcessFacts(
        name=process.name,
        installed=not missing,
        summary=process.summary,
        corners=", ".join(process.corners),
        supply=format_quantity(process.supply_V, "V"),
        licence=process.licence,
        source=process.source,
        folder=folder,
        missing=missing,
    )
