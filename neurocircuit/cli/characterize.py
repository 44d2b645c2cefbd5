"""neurocircuit characterize: from a process to trim, datasheet and the spec for the fast levels."""

import sys
from pathlib import Path

import click

from neurocircuit.cli.common import echo_json, jobs_option, json_option, scheduler_option
from neurocircuit.core.pool import shown
from neurocircuit.units import parse_numbers


@click.command("characterize")
@click.option("--process", "process", default="generic65", show_default=True, help="Name, or path of a process.toml.")
@click.option("--corner", help="Corners: tt,ss,ff. Default: the nominal one.")
@click.option("--temp", default="27", show_default=True, help="Temperatures in degC: 0,27,85.")
@click.option("--vdd", default="1.0", show_default=True, help="Supplies over the nominal one: 0.95,1.0,1.05.")
@click.option("--one-at-a-time", is_flag=True, help="Leave out conditions in which two of the three are not nominal.")
@click.option(
    "--trim-grid", is_flag=True, help="With --one-at-a-time: trim at all corners and temperatures, at nominal supply."
)
@click.option("--only", help="Measurements: trim,cco,...; what they need runs too. Default: all.")
@click.option("--resolution", default=1e-4, show_default=True, help="Step of the trim currents over the nominal ones.")
@click.option("--cases", default=40, show_default=True, type=click.IntRange(2, 1000), help="Random prediction cases.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Root of all random draws.")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory. Default: reports/datasheet-PROCESS.")
@click.option("--resume", is_flag=True, help="Continue the run in --out; finished measurements are kept.")
@jobs_option
@scheduler_option
@click.option("--no-report", is_flag=True, help="Write the data files only.")
@json_option
def command(
    process: str,
    corner: str | None,
    temp: str,
    vdd: str,
    one_at_a_time: bool,
    trim_grid: bool,
    only: str | None,
    resolution: float,
    cases: int,
    seed: int,
    out: Path | None,
    resume: bool,
    jobs: int,
    scheduler: str | None,
    no_report: bool,
    as_json: bool,
) -> None:
    """Trim and measure the neuron of a process in transistors; write its datasheet and its spec for the fast levels.

    Phase noise and prediction are measured at the first condition only, which is the nominal one.
    Ctrl-C keeps finished measurements. Exit code 3: some measurements failed, the rest is there.
    """
    from neurocircuit.process import request as requests
    from neurocircuit.process import run, spec_files
    from neurocircuit.spice.process import load, models_of

    installed = load(process)
    corners = tuple(corner.split(",")) if corner else (installed.process.nominal_corner,)
    temperatures, ratios = parse_numbers(temp, "--temp"), parse_numbers(vdd, "--vdd")
    supply_V = installed.process.supply_V
    wanted = requests.conditions(corners, temperatures, ratios, supply_V, one_at_a_time)
    grid = requests.conditions(corners, temperatures, (1.0,), supply_V) if trim_grid else ()
    trim_only = tuple(condition for condition in grid if condition not in wanted)
    asked = requests.Request(
        process=process,
        conditions=(*wanted, *trim_only),
        measurements=requests.with_needs(only.split(",") if only else tuple(requests.NEEDS)),
        resolution=resolution,
        cases=cases,
        seed=seed,
        trim_only=trim_only,
    )
    for condition in asked.conditions:
        models_of(installed.process, condition.corner)  # an unknown corner is told before anything is written
    out = out or Path("reports") / f"datasheet-{installed.process.name}"
    run.begin(asked, out, resume)
    try:
        with shown() as progress:
            record = run.execute(asked, out, jobs, scheduler, progress)
    except KeyboardInterrupt:
        click.echo(f"neurocircuit: stopped; finished measurements are kept, add --resume --out {out}", err=True)
        sys.exit(130)
    specs = spec_files.write(asked, out)
    report = None if no_report else _report(out)
    if as_json:
        echo_json({"out": str(out), "report": str(report) if report else None, **record})
    else:
        for path in specs:
            click.echo(f"spec:   {path}")
        if report:
            click.echo(f"report: {report}")
    if record["exit_code"]:
        sys.exit(record["exit_code"])


def _report(out: Path) -> Path:
    from neurocircuit.report import write_report

    write_report(out)
    return out / "report.html"
