"""neurocircuit characterize: from a process to trim, datasheet and the spec for the fast levels."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import NAMES, NUMBERS, deliver, jobs_option, json_option, progress, scheduler_option


@click.command("characterize")
@click.option("--process", "process", default="generic65", show_default=True, help="Name, or path of a process.toml.")
@click.option("--corner", type=NAMES, help="Corners: tt,sf,tt_rcmax. Default: the nominal one.")
@click.option("--temp", type=NUMBERS, default="27", show_default=True, help="Temperatures in degC: 0,27,85.")
@click.option("--vdd", type=NUMBERS, default="1.0", show_default=True, help="Supplies over the nominal: 0.95,1.0,1.05.")
@click.option("--one-at-a-time", is_flag=True, help="Leave out conditions in which two of the three are not nominal.")
@click.option(
    "--trim-grid", is_flag=True, help="With --one-at-a-time: trim at all corners and temperatures, at nominal supply."
)
@click.option("--only", type=NAMES, help="Measurements: trim,cco,...; what they need runs too. Default: all.")
@click.option("--resolution", default=1e-4, show_default=True, help="Step of the trim currents over the nominal ones.")
@click.option("--cases", default=40, show_default=True, type=click.IntRange(2, 1000), help="Random prediction cases.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Seed of all random draws.")
@click.option("--synapses", type=click.IntRange(2, 5000), help="On each neuron, idle ones too. Default: the process's.")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory. Default: reports/datasheet-PROCESS.")
@click.option("--resume", is_flag=True, help="Continue the run in --out; finished measurements are kept.")
@jobs_option
@scheduler_option
@click.option("--report/--no-report", default=True, help="Write the report, or the data files only.")
@json_option
def command(as_json: bool, **options: Any) -> None:
    """Trim and measure the neuron of a process in transistors; write its datasheet and its spec for the fast levels.

    Assumed noise, prediction, fan-in, mismatch and power are measured at the first condition only, the nominal one.
    Ctrl-C keeps finished measurements. Exit code 3: some measurements failed, the others are written.
    """
    from neurocircuit.studies.characterisation import characterize

    with progress() as on_progress:
        result = characterize(progress=on_progress, **options)
    deliver(result, as_json)
