"""neurocircuit study circuit-curves: accuracy of whole images against quantities of the circuit."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import (
    PATH,
    SPEC,
    VARIATION,
    data_option,
    deliver,
    jobs_option,
    json_option,
    progress,
    scheduler_option,
    seed_option,
    split_option,
)

NAMES = "cycles, mismatch, phase_noise, headroom, ratio"


@click.command("circuit-curves")
@click.option(
    "--clean",
    required=True,
    multiple=True,
    type=PATH,
    metavar="WEIGHTS",
    help="A network trained without the circuit's noise; repeat for each training seed.",
)
@click.option(
    "--aware",
    multiple=True,
    type=PATH,
    metavar="WEIGHTS",
    help="A network trained under that noise; repeat for each training seed.",
)
@click.option(
    "--circuit",
    "circuits",
    multiple=True,
    type=(SPEC, VARIATION),
    metavar="SPEC VARIATION",
    help="Circuit to change (TOML files, or the word embedded); may be repeated.  [default: embedded embedded]",
)
@click.option(
    "--quantity",
    multiple=True,
    metavar="NAME[=V1,V2,...]",
    help=f"What to change, and its values beside the circuit's own: {NAMES} "
    "(phase_noise in rad2/s, headroom as the used share of the phase range). Default: all.",
)
@click.option("--images", default=40, show_default=True, type=click.IntRange(min=2), help="Images.")
@split_option("test")
@click.option(
    "--map-images",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Training images that the mappings see.",
)
@click.option(
    "--chips",
    default=3,
    show_default=True,
    type=click.IntRange(min=2),
    help="Chips; the networks of a group share them in turn.",
)
@click.option(
    "--level", type=click.Choice(("edge", "averaged")), default="edge", show_default=True, help="Level of the neuron."
)
@jobs_option
@scheduler_option
@click.option("--out", required=True, type=PATH, help="Folder of tasks, result.json and report.")
@seed_option
@data_option
@json_option
def command(out: Path, as_json: bool, **options: Any) -> None:
    """Change one quantity of a circuit at a time, map each network again, and run whole images neuron by neuron.

    Networks trained without and with the circuit's noise meet the same images, chips and events. A mapping that breaks
    a limit is run and marked; a circuit that cannot be is a row with its reason. Finished tasks stay in OUT/tasks.
    """
    from neurocircuit.studies.circuit_curves.study import circuit_curves

    with progress() as on_progress:
        result = circuit_curves(out=out, progress=on_progress, **options)
    deliver(result, as_json, out)
