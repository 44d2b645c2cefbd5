"""neurocircuit study noise-coverage: transistor neurons under drawn device noise against their spec's prediction."""

from pathlib import Path

import click

from neurocircuit.cli.common import PATH, SPEC, deliver, json_option, progress
from neurocircuit.spec import NeuronSpec


@click.command("noise-coverage")
@click.option(
    "--spec", required=True, type=SPEC, help="Characterised neuron, with its circuit and the noise of its devices."
)
@click.option(
    "--cases", type=click.IntRange(1), default=20, show_default=True, help="Random neurons with their inputs."
)
@click.option("--draws", type=click.IntRange(1), default=2, show_default=True, help="Runs of each under noise.")
@click.option("--seed", type=click.IntRange(0), default=5, show_default=True, help="Of cases and noise.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@click.option("--out", required=True, type=PATH, help="Folder of tasks, result.json and report.")
@json_option
def command(spec: NeuronSpec, cases: int, draws: int, seed: int, jobs: int, out: Path, as_json: bool) -> None:
    """Run transistor neurons with the noise of their devices drawn, and count how often they fire as predicted.

    The prediction is level edge with the spec's phase noise and flicker. Finished runs stay in OUT/tasks.
    """
    from neurocircuit.studies.noise_coverage import noise_coverage

    with progress() as on_progress:
        result = noise_coverage(spec, cases, draws, seed, out, jobs, on_progress)
    deliver(result, as_json, out)
