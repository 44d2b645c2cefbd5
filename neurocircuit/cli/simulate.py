"""neurocircuit simulate: one neuron, any level, times and a picture."""

from pathlib import Path

import click

from neurocircuit.cli.common import deliver, json_option, progress, seed_option, spec_option
from neurocircuit.spec import NeuronSpec


@click.command("simulate")
@click.option("--inputs", required=True, help="Spike times: in tau (0.16,0.16), with a unit (3.2ns,4ns), or inf.")
@click.option("--weights", required=True, help="Weights, one for each input, in units of the threshold: 0.8,0.8.")
@click.option("--level", default="edge", show_default=True, help="Levels to run and overlay: edge,bsource.")
@spec_option
@seed_option
@click.option("--timeout", default="30 s", show_default=True, help="Limit of one ngspice run.")
@click.option("--out", type=click.Path(path_type=Path), help="Picture (.png, .svg).  [default: neuron.png]")
@click.option("--no-picture", is_flag=True, help="Only print.")
@json_option
def command(
    inputs: str,
    weights: str,
    level: str,
    spec: NeuronSpec | None,
    seed: int,
    timeout: str,
    out: Path | None,
    no_picture: bool,
    as_json: bool,
) -> None:
    """Simulate one neuron: print when it fires, and draw VCO phases, UP, loop filter, membrane and Q.

    With --json the picture is drawn only when --out asks for it. Without --spec the level transistor takes generic65 as
    it was characterised, every other one the embedded circuit.
    """
    from neurocircuit.studies.simulate import picture_path, simulate

    with progress() as on_progress:
        result = simulate(
            inputs,
            weights,
            spec,
            level=level,
            seed=seed,
            timeout_s=timeout,
            picture=picture_path(out, draw=not (no_picture or as_json)),
            progress=on_progress,
        )
    deliver(result, as_json)
