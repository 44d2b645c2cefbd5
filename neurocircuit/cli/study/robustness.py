"""neurocircuit study robustness: weight bits, weight noise and spike-time jitter against accuracy (paper §4.2)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from neurocircuit.cli.common import data_option, echo_json, json_option, threads_option
from neurocircuit.cli.network import write_json
from neurocircuit.core.files import make_directory
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import InputError

STUDIES = {
    "table4": "Accuracy at 32, 8, 4, 2 bit of the weights, only rounded and retrained: Table 4.",
    "fig2": "Accuracy over weight bits and over noise on the weights: Fig. 2.",
    "jitter": "Accuracy over relative jitter of every spike time.",
}


@click.group("robustness")
def command() -> None:
    """Accuracy of a trained network against what hardware does to it."""


def _study(name: str, text: str) -> click.Command:
    @click.command(name, help=f"{text} Fine-tuned networks stay in OUT/runs and are not trained again by a later call.")
    @click.option("--weights", required=True, type=click.Path(path_type=Path), help="Trained weights to start from.")
    @click.option(
        "--recipe", "recipe_path", required=True, type=click.Path(path_type=Path), help="How to fine-tune them."
    )
    @click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the recipe.")
    @click.option("--no-retraining", is_flag=True, help="Measure the network as it is, train nothing.")
    @click.option("--out", required=True, type=click.Path(path_type=Path), help="Directory of result.json and report.")
    @click.option("--images", type=click.IntRange(min=1), help="Only the first so many test images.")
    @click.option("--draws", default=3, show_default=True, type=click.IntRange(min=2), help="Draws of each noise.")
    @data_option
    @threads_option
    @json_option
    def study(**options: Any) -> None:
        _run(name, **options)

    return study


for _name, _text in STUDIES.items():
    command.add_command(_study(_name, _text))


def _run(
    name: str,
    weights: Path,
    recipe_path: Path,
    settings: tuple[str, ...],
    no_retraining: bool,
    out: Path,
    images: int | None,
    draws: int,
    data: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    clock = RunClock()

    import torch

    from neurocircuit.report import write_report
    from neurocircuit.snn.recipe import load_recipe
    from neurocircuit.studies import robustness as known

    if threads is not None:
        torch.set_num_threads(threads)
    recipe = load_recipe(recipe_path, settings)
    if recipe.schedule.epochs < 1 or recipe.initial:
        raise InputError("--recipe must not name initial weights: those are --weights")
    say: Callable[[str], None] = lambda line: click.echo(line, err=True)  # noqa: E731
    study = known.Study(recipe, weights, out / "runs", data, images, draws, say, retrain=not no_retraining)
    make_directory(out)
    values: dict[str, Any] = {"kind": "robustness", "schema": 1, "studies": {name: known.STUDIES[name](study)}}
    values |= {
        "weights": str(weights),
        "data": study.subject.data.name,
        "network": study.subject.network.name,
        "n": len(study.images),
        "draws": draws,
        "epochs_of_each_step": recipe.schedule.epochs,
        "recipe_sha256": recipe.sha256,
        "run": clock.record().model_dump(),
    }
    write_json(out / "result.json", values)
    write_report(out / "result.json")
    if as_json:
        echo_json(values)
    else:
        click.echo(f"report: {out / 'report.html'}")
