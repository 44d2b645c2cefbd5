"""neurocircuit process: which semiconductor processes are here, and whether a ring runs in one."""

from typing import Any

import click

from neurocircuit.cli.common import (
    METRES,
    PATH,
    VOLTS,
    corner_option,
    deliver,
    json_option,
    progress,
    supply_option,
    temperature_option,
)


@click.group("process")
def command() -> None:
    """List the processes for the level transistor, start one of your own, or run a ring oscillator in one."""


@command.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """Name, corners, licence and source of each process, and whether its models are on this machine."""
    from neurocircuit.process.describe import list_processes

    result = list_processes()
    deliver(result, as_json)


@command.command("new")
@click.argument("name")
@click.option("--card", required=True, type=PATH, help="File of SPICE models, or a library with sections for corners.")
@click.option("--supply", "supply_V", type=VOLTS, help='Nominal supply, "1.1 V"; default: usual for the gate oxide.')
@click.option("--length", "shortest_channel_m", type=METRES, help='Shortest channel, "45 nm"; default: by the card.')
@click.option("--nmos", help="Model or subcircuit; default: that of the shortest name.")
@click.option("--pmos", help="Model or subcircuit; default: the one most like the NMOS in name.")
@click.option("--reference", is_flag=True, help="Name the models where they are instead of copying them.")
@click.option("--out", type=PATH, help="Folder to make. Default: NAME.")
@json_option
def new_command(name: str, as_json: bool, **options: Any) -> None:
    """Write a process file NAME/process.toml for a model card: fields explained, a first sizing, what to type next.

    The card tells transistors, corners and, by its gate oxide, supply and shortest channel; a sweep of one ring
    sizes frequencies, resistors, capacitor and currents in the proportions of generic65. Mismatch and wiring are
    assumed. Exit code 3 when the ring does not run: the file stands, with guesses.
    """
    from neurocircuit.process.new import new_process

    with progress() as on_progress:
        result = new_process(name, progress=on_progress, **options)
    deliver(result, as_json)


@command.command("check")
@click.argument("name")
@corner_option
@temperature_option
@supply_option
@json_option
def check_command(name: str, corner: str, temperature_C: float, supply_V: float | None, as_json: bool) -> None:
    """Run one ring of the process NAME (or of a process.toml) at its nominal current, in a small deck.

    One that is slower or faster than the file's f1 is told with what to change. Exit code 3 when it does not oscillate
    or is more than a factor of 2 from f1, 2 when models, corner or section are missing, or when a model file is wrong,
    would run commands, or draws random numbers.
    """
    from neurocircuit.process.describe import check_process

    result = check_process(name, corner=corner, temperature_C=temperature_C, supply_V=supply_V)
    deliver(result, as_json)


@command.command("fan-in")
@click.argument("name")
@corner_option
@click.option("--branch", default=0, type=click.IntRange(min=0), help="Synapses on a local node of a tree; 0: no tree.")
@click.option(
    "--code", type=int, help="Of the synapse that spikes, of 4 bit; negative: a sink. Default: 15, 4, -15, -4."
)
@json_option
def fan_in_command(name: str, corner: str, branch: int, code: int | None, as_json: bool) -> None:
    """What idle synapses cost in the process NAME in VCO1's frequency and phase jumps, and how many it carries."""
    from neurocircuit.process.describe import fan_in_cost

    with progress() as on_progress:
        codes = None if code is None else (code,)
        result = fan_in_cost(name, corner=corner, branch=branch, codes=codes, progress=on_progress)
    deliver(result, as_json)


@command.command("cells")
@click.argument("name")
@corner_option
@temperature_option
@supply_option
@json_option
def cells_command(name: str, corner: str, temperature_C: float, supply_V: float | None, as_json: bool) -> None:
    """Measure each cell that the process NAME replaces by the user's own, alone, beside the built-in one."""
    from neurocircuit.process.describe import compare_cells

    result = compare_cells(name, corner=corner, temperature_C=temperature_C, supply_V=supply_V)
    deliver(result, as_json)
