"""neurocircuit run: from a circuit to the accuracy of a network on it."""

from pathlib import Path

import click

from neurocircuit.cli.common import PATH, data_option, deliver, jobs_option, json_option, progress


@click.command("run")
@click.argument("loop", metavar="LOOP", type=PATH, default="loop.toml")
@click.option("--out", type=PATH, help="Folder of the run. Default: run, beside LOOP.")
@jobs_option
@data_option
@json_option
def command(loop: Path, out: Path | None, as_json: bool, jobs: int, data: Path | None) -> None:
    """Go from circuit to accuracy by LOOP (default: loop.toml): one report of what the circuit does to the network.

    Sweep, train, map, calibrate, verify, train under the circuit's noise, and the same again. Each stage has a folder
    and a report of its own. The same command continues an interrupted run to the same results, and after a change runs
    only the stages whose inputs have changed. Exit code 3: a mapping breaks a limit of the circuit.
    """
    from neurocircuit.studies.loop.api import run

    with progress() as report_progress:
        result = run(loop, out, data=data, jobs=jobs, progress=report_progress)
    deliver(result, as_json)
