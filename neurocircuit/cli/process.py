"""neurocircuit process: which semiconductor processes are here, and whether a ring runs in one."""

import time

import click

from neurocircuit.cli.common import echo_json, json_option
from neurocircuit.errors import InputError
from neurocircuit.process import fan_in
from neurocircuit.process.ring import check_ring
from neurocircuit.spice import process as processes
from neurocircuit.units import format_quantity


@click.group("process")
def command() -> None:
    """List the processes for the level transistor, or run a ring oscillator in one."""


@command.command("list")
@json_option
def list_processes(as_json: bool) -> None:
    """Name, corners, licence and source of each process, and whether its models are on this machine."""
    found = [_facts(name) for name in processes.names()]
    if as_json:
        echo_json({"processes": found})
        return
    for facts in found:
        click.echo(f"{facts['name']:<12}{'installed' if facts['installed'] else 'absent':<11}{facts['summary']}")
        click.echo(f"{'':<12}corners {facts['corners']}; licence: {facts['licence']}")
        click.echo(f"{'':<12}source: {facts['source']}")
        if facts["missing"]:
            click.echo(f"{'':<12}-> {facts['missing']}")


@command.command("check")
@click.argument("name")
@click.option("--corner", default="", help="Corner; default: the process's first.")
@click.option("--temp", "temperature_C", type=float, default=27.0, show_default=True, help="Temperature, °C.")
@click.option("--vdd", "supply_V", type=float, help="Supply, V; default: the process's nominal one.")
@json_option
def check(name: str, corner: str, temperature_C: float, supply_V: float | None, as_json: bool) -> None:
    """Run one ring of the process NAME (or of a process.toml) at its nominal current, in a small deck.

    Exit code 3 when it does not oscillate, 2 when models or corner are missing.
    """
    installed = processes.load(name)
    if supply_V is not None and not 0 < supply_V < 6:
        raise InputError(f"--vdd must be within 0 … 6 V, got {supply_V:g}")
    condition = installed.condition(corner, temperature_C, supply_V)
    began = time.perf_counter()
    ring = check_ring(installed, condition)
    duration_s = time.perf_counter() - began
    if as_json:
        echo_json(
            {
                "process": installed.process.name,
                **condition.to_dict(),
                "f_Hz": ring.f_Hz,
                "power_W": ring.power_W,
                "current_A": installed.process.nominal.vco1_A,
                "duration_s": duration_s,
            }
        )
        return
    current = format_quantity(installed.process.nominal.vco1_A, "A")
    click.echo(
        f"{installed.process.name} {condition.corner} {condition.temperature_C:g} °C {condition.supply_V:g} V: "
        f"the ring runs at {ring.f_Hz / 1e6:.1f} MHz and {ring.power_W * 1e6:.1f} µW with {current}; {duration_s:.1f} s"
    )


@command.command("fan-in")
@click.argument("name")
@click.option("--corner", default="", help="Corner; default: the process's first.")
@click.option("--branch", default=0, type=click.IntRange(min=0), help="Synapses on a local node of a tree; 0: no tree.")
@json_option
def fan_in_command(name: str, corner: str, branch: int, as_json: bool) -> None:
    """What idle synapses cost in the process NAME: VCO1's frequency and phase jump with 2, 26, 128 and 801 of them."""
    installed = processes.load(name)
    found = fan_in.measure(installed, installed.condition(corner), branch=branch)
    rows = list(zip(found.synapses, found.f1_Hz, found.frequency_loss, found.jump_rad, found.jump_loss, strict=True))
    if as_json:
        keys = ("synapses", "f1_Hz", "frequency_loss", "jump_rad", "jump_loss")
        echo_json({"limit": found.limit, "rows": [dict(zip(keys, map(float, row), strict=True)) for row in rows]})
        return
    click.echo("synapses  f1         change    jump at full scale  loss")
    for count, f1_Hz, slower, jump_rad, lost in rows:
        click.echo(
            f"{count:<10}{f1_Hz / 1e6:7.2f} MHz{-100 * slower:+7.2f} %   {jump_rad:8.4f} rad      {100 * lost:7.2f} %"
        )
    click.echo(f"limit (either {100 * fan_in.LARGEST_LOSS:g} %): {found.limit:.0f} synapses")


def _facts(name: str) -> dict[str, object]:
    process = processes.describe(name)
    try:
        folder, missing = str(processes.load(name).folder), ""
    except processes.ProcessMissing as error:
        folder, missing = "", str(error)
    return {
        "name": process.name,
        "installed": not missing,
        "summary": process.summary,
        "corners": ", ".join(process.corners),
        "supply": format_quantity(process.supply_V, "V"),
        "licence": process.licence,
        "source": process.source,
        "folder": folder,
        "missing": missing,
    }
