"""neurocircuit study circuit-curves: accuracy of whole images against quantities of the circuit."""

from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import PATH, SPEC, VARIATION, deliver, progress, whole_image_options

NAMES = "cycles, mismatch, phase_noise, headroom, ratio"


@click.command("circuit-curves")
@click.option(
    "--clean",
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
    "--beside",
    multiple=True,
    type=(str, PATH),
    metavar="NAME WEIGHTS",
    help="A network of another group, such as another window; repeat for each group and training seed.",
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
@click.option(
    "--method",
    type=click.Choice(("circuit", "table")),
    default="circuit",
    show_default=True,
    help="Run every neuron of each image, or make a noise table at each point for many images.",
)
@click.option("--out", required=True, type=PATH, help="Folder of tasks, result.json and report.")
@whole_image_options(map_images=100, chips=3, fewest=2)
def command(out: Path, as_json: bool, **options: Any) -> None:
    """Change one quantity of a circuit at a time, map each network again, and run whole images neuron by neuron.

    Networks, such as those trained without and with the circuit's noise, meet the same images, chips and events; each
    chip carries one network of a group. A mapping that breaks a limit is run and marked; a circuit that cannot be is a
    row with its reason. Finished tasks stay in OUT/tasks.
    """
    from neurocircuit.studies.circuit_curves.study import circuit_curves

    with progress() as on_progress:
        result = circuit_curves(out=out, progress=on_progress, **options)
    deliver(result, as_json, out)
