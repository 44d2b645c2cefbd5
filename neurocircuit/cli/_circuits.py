"""The sweep's options for a process: which neurons they ask for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurocircuit.errors import InputError
from neurocircuit.spec import NeuronSpec, SweepSpec
from neurocircuit.units import parse_numbers

if TYPE_CHECKING:
    from neurocircuit.spec import Condition


@dataclass(frozen=True)
class Asked:
    """Options as given; None: not given."""

    process: str | None
    corner: str | None
    temp: str | None
    vdd: str | None
    mc: int | None

    @property
    def any(self) -> bool:
        """Whether one of them was given."""
        return any(value is not None for value in (self.process, self.corner, self.temp, self.vdd, self.mc))


def check(asked: Asked, spec: Path | None, resume: bool) -> None:
    """Raises InputError where the options do not go together."""
    if resume and asked.any:
        raise InputError("--resume takes process, condition and chips from the run: do not give them again")
    if asked.process is not None and spec is not None:
        raise InputError("--process and --spec must not stand together: the process gives its own neuron")
    if asked.process is None and any(value is not None for value in (asked.corner, asked.temp, asked.vdd)):
        raise InputError("--corner, --temp and --vdd need --process")


def conditions(asked: Asked) -> "list[Condition]":
    """The conditions of a process, every combination. Raises InputError for an unknown process or corner."""
    from neurocircuit.process.request import conditions as combined
    from neurocircuit.spice.process import load, models_of

    process = load(asked.process or "").process
    corners = tuple((asked.corner or process.nominal_corner).split(","))
    for corner in corners:
        models_of(process, corner)
    temperatures, supplies = parse_numbers(asked.temp or "27", "--temp"), parse_numbers(asked.vdd or "1", "--vdd")
    return list(combined(corners, temperatures, supplies, process.supply_V))


def neuron_at(asked: Asked, condition: "Condition") -> NeuronSpec:
    """The trimmed and fitted neuron of a condition."""
    from neurocircuit.process.conditions import neuron_at

    return neuron_at(asked.process or "", condition)


def chips(
    spec: NeuronSpec, count: int, seed: int | None, inputs: int, dry: bool
) -> tuple[tuple[NeuronSpec, ...], dict[str, str]]:
    """The chips of --mc that can be trimmed, or all untrimmed if dry; and why not, by name, said on stderr too.

    inputs: synapses that the draws use.
    """
    from neurocircuit.process.monte_carlo import chips, drawn

    seed = SweepSpec().seed if seed is None else seed
    if dry:
        return drawn(spec, count, seed), {}
    found = chips(spec, count, seed, inputs)
    for name, reason in found.lost.items():
        click.echo(f"neurocircuit: {name} cannot be trimmed and is left out: {reason}", err=True)
    return found.trimmed, found.lost


def folder(out: Path | None, condition: "Condition") -> Path:
    """Directory of one of several conditions."""
    from neurocircuit.process.request import slug

    if out is None:
        raise InputError("several conditions must come with --out: each gets a folder below it")
    return out / slug(condition)
