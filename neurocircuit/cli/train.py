"""neurocircuit train: one recipe, from random weights to a file of trained ones."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurocircuit.cli.common import data_option, device_option, echo_json, json_option, threads_option
from neurocircuit.core.files import make_directory
from neurocircuit.core.pool import shown, silent
from neurocircuit.errors import InputError

if TYPE_CHECKING:
    from neurocircuit.snn.recipe import Recipe
    from neurocircuit.snn.training.run import Trainer


@click.command("train")
@click.argument("recipe_path", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the recipe: --set lr=1e-3.")
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the run. Default: reports/NAME-<hash>.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of the same recipe in --out.")
@click.option(
    "--noise", metavar="TABLE", help="Train under a noise table (of calibrate; for --mode transfer: of sweep)."
)
@click.option("--mode", type=click.Choice(("calibrated", "transfer")), help="How --noise is read. Default: calibrated.")
@click.option(
    "--chips", type=click.Choice(("fresh", "fixed")), help="Another chip at each step, or one. Default: fresh."
)
@click.option("--bits", type=click.IntRange(1, 32), help="Round weights to so many bits, straight-through gradients.")
@click.option(
    "--recalibrate",
    "recalibrated_chips",
    type=click.IntRange(min=2),
    metavar="CHIPS",
    help="After training map the weights onto the table's circuit and calibrate it on so many chips.",
)
@click.option(
    "--mapped-images",
    default=300,
    show_default=True,
    type=click.IntRange(min=2),
    help="Training images on which --recalibrate chooses scales; the deepest membrane of all sets the lead.",
)
@click.option("--initial", metavar="WEIGHTS", help="Start from the weights of this file instead of random ones.")
@data_option
@device_option
@threads_option
@json_option
def command(
    recipe_path: Path,
    settings: tuple[str, ...],
    out: Path | None,
    resume: bool,
    noise: str | None,
    mode: str | None,
    chips: str | None,
    bits: int | None,
    recalibrated_chips: int | None,
    mapped_images: int,
    initial: str | None,
    data: Path | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Train the network of RECIPE (TOML); write weights.pt, checkpoint.pt, log.csv and run.json.

    An interrupted run goes on with --resume to the same weights, at the same number of threads. For several processes:
    torchrun --nproc-per-node 2 -m neurocircuit train RECIPE --out DIR.

    --noise, --mode, --chips, --bits and --initial are the recipe's [hardware] section and `initial`; gradients pass
    through eq. (4) with the noise held constant. Files are named from the current directory.
    """
    from neurocircuit.noise.model import LARGEST_OUTSIDE
    from neurocircuit.snn.recipe import load_recipe
    from neurocircuit.snn.training import parallel

    given = {
        "hardware.noise": noise,
        "hardware.mode": mode,
        "hardware.chips": chips,
        "hardware.bits": bits,
        "initial": initial,
    }
    options = tuple(f"{name}={json.dumps(value)}" for name, value in given.items() if value is not None)
    recipe = load_recipe(recipe_path, (*settings, *options))
    if recalibrated_chips is not None and (not recipe.hardware.noise or recipe.hardware.mode != "calibrated"):
        raise InputError("--recalibrate needs the noise table of a mapped network: give --noise TABLE")
    out = out or Path("reports") / f"{recipe.name}-{recipe.sha256[:8]}"
    result = None
    try:
        result = _train(recipe, out, resume, data, device, threads)
    finally:
        parallel.leave()
    if result is None:
        return
    if recalibrated_chips is not None:
        from neurocircuit.snn.training.recalibrate import recalibrate

        with shown() as progress:
            again = recalibrate(
                Path(result["weights"]),
                Path(recipe.hardware.noise),
                data,
                chips=recalibrated_chips,
                mapped_images=mapped_images,
                progress=progress,
            )
        result |= {
            "network": str(again.network),
            "table": str(again.table),
            "lead_rad_and_before": again.lead_rad_and_before,
            "limits_met": again.limits_met,
        }
    if as_json:
        echo_json(result)
        return
    held_out = result["held_out_accuracy"]
    chosen = "" if held_out is None else f"; {held_out:.2%} of {recipe.data.held_out} held-out images right"
    click.echo(f"trained {result['steps_done']} steps{chosen}: {result['weights']}")
    outside = result["share_outside_noise_table"]
    if outside is not None and outside > LARGEST_OUTSIDE:
        click.echo(
            f"neurocircuit: {outside:.2%} of the neurons lay beyond the noise table: recalibrate before you believe it",
            err=True,
        )
    if "table" in result:
        leads = ", ".join(f"{now:g} (before {old:g})" for now, old in result["lead_rad_and_before"])
        click.echo(f"mapped again, leads {leads} rad: {result['network']}\nnoise table: {result['table']}")


def _train(
    recipe: "Recipe", out: Path, resume: bool, data: Path | None, device: str, threads: int | None
) -> dict[str, Any] | None:
    """Train and write run.json; what was reached, or None in a process that does not lead."""
    import torch

    from neurocircuit.snn.training import parallel, runlog
    from neurocircuit.snn.training.run import FINAL, Trainer

    if threads is not None:
        torch.set_num_threads(threads)
    process_device = parallel.device_of_process(device)
    processes = parallel.join(process_device)
    trainer = Trainer(recipe, out, data, process_device, processes)
    _prepare(trainer, resume)
    if trainer.resumed and processes.leads:
        changes = ", ".join(f"{name} {a} -> {b}" for name, (a, b) in _changes(trainer.resumed[-1]))
        click.echo(f"neurocircuit: resumed with {changes}: the weights can differ in their last bits", err=True)
    if processes.leads:
        runlog.write_run(out, trainer.identity() | {"finished": False})
    with shown() as progress:
        trainer.run(progress if processes.leads else silent)
    if not processes.leads:
        return None
    reached = {
        "steps_done": trainer.step,
        "held_out_accuracy": trainer.held_out_accuracy,
        "share_outside_noise_table": trainer.conditions.share_outside,
    }
    runlog.write_run(out, trainer.identity() | {"finished": True, "layer": trainer.layer, **reached})
    return {"finished": True, "out": str(out), "weights": str(out / FINAL), **reached}


def _changes(resumed: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    return [(name, change) for name, change in resumed.items() if name != "step"]


def _prepare(trainer: "Trainer", resume: bool) -> None:
    """Make or check the directory; no file is touched when something does not fit."""
    from neurocircuit.snn.training.run import CHECKPOINT

    out = trainer.directory
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must be a directory, got the file {out}")
    if resume:
        trainer.resume()
        trainer.processes.wait()
        return
    trainer.processes.wait()
    if trainer.processes.leads:
        taken = [name for name in (CHECKPOINT, "run.json", "log.csv") if (out / name).exists()]
        if taken:
            raise InputError(f"--out {out} holds a run ({taken[0]}); go on with --resume, or give another directory")
        make_directory(out)
