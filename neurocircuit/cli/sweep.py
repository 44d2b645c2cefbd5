"""neurocircuit sweep: input jitter and weight bits to output jitter, as in Table 3, with a report."""

from typing import Any

import click

from neurocircuit.cli.common import (
    INTEGERS,
    NAMES,
    NUMBERS,
    PATH,
    PERCENTAGES,
    deliver,
    json_option,
    progress,
    scheduler_option,
    spec_option,
)
from neurocircuit.neuron.levels import LEVELS


@click.command("sweep")
@click.option("--jitter", type=PERCENTAGES, help="Input jitter: 1-9% (steps of 2 %), 1-9%:1, 1,3,5%, or none.")
@click.option("--bits", type=INTEGERS, help="Bits of the weight bank: 4,8,16 or none. Default: 4,8,16,24,32.")
@spec_option
@click.option(
    "--testbench", help="TOML file, or the name of one that ships. Default: paper; transistor with --level transistor."
)
@click.option("--level", type=click.Choice(LEVELS), help="Level of the neuron. Default: the testbench's.")
@click.option(
    "--cross-check",
    type=click.Choice([*LEVELS, "none"]),
    help="A second level for a few draws; ideal and averaged always run. Default: bsource.",
)
@click.option("--trials", type=int, help="Draws per row. Default: the testbench's; 12 in transistors.")
@click.option(
    "--cross-trials",
    type=int,
    help="Draws per row of the cross-check; in transistors, of those repeated at half the time step. Default: the "
    "testbench's; 3 in transistors.",
)
@click.option("--seed", type=int, help="Seed of all random draws. Default: 1.")
@click.option("--process", help="Trim and fit the neuron of this process first: a name, or a process.toml.")
@click.option("--corner", type=NAMES, help="Corners of the process: tt,ss; a folder each. Default: the nominal one.")
@click.option("--temp", type=NUMBERS, help="Temperatures in degC. Default: 27.")
@click.option("--vdd", type=NUMBERS, help="Supplies over the nominal one. Default: 1.")
@click.option(
    "--mc",
    type=click.IntRange(min=1),
    help="Chips with mismatch; the draws are shared among those that can be trimmed.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes. Default: the processors of this machine.")
@scheduler_option
@click.option("--out", type=PATH, help="Directory of the run. Default: reports/sweep-<hash>.")
@click.option(
    "--resume", is_flag=True, help="Continue the run in --out DIR; options that are left out are taken from there."
)
@click.option("--ledger", type=PATH, help="Folder that keeps finished batches.")
@click.option("--dry-run", is_flag=True, help="Only say how much there is to do.")
@click.option("--report/--no-report", default=True, help="Write the report, or the data files only.")
@json_option
def command(as_json: bool, **options: Any) -> None:
    """Sweep input jitter and weight bits; write the transfer table and a report like Table 3.

    Ctrl-C keeps what is finished. Exit code 3: some draws failed, the others are written.
    """
    from neurocircuit.studies.sweep.api import sweep_runs

    with progress() as on_progress:
        result = sweep_runs(progress=on_progress, **options)
    deliver(result, as_json)
