"""A training run: what was trained, how it went, epoch by epoch."""

from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.rendering.document import Document, Section, Table, draw, section
from neurocircuit.rendering.figures.training import training_figure
from neurocircuit.rendering.read.result import read_result, record_rows
from neurocircuit.rendering.read.training import Epoch, read_log
from neurocircuit.rendering.renderers.decisions import confusion_section, spikes_section
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import interval
from neurocircuit.results.evaluation import HeldOut

LOG = "log.csv"
_MOST_ROWS = 12


def render(file: Path) -> Document:
    """Return the report of a training run: its result file, and log.csv beside it."""
    values = read_result(file, "recipe")
    epochs = read_log(file.with_name(LOG))
    recipe = values["recipe"]
    held_out = None if values.get("held_out") is None else HeldOut.model_validate(values["held_out"])
    sections = (
        section(
            "Course",
            draw("training", "Loss and accuracy over the epochs.", partial(training_figure, epochs))
            if epochs
            else None,
            _table(epochs) if epochs else "No epoch is finished.",
        ),
        *_on_held_out(held_out),
        section("Recipe", Table("Every setting", ("", ""), record_rows(recipe), prose=(1,))),
        section("Training data", Table("Files", ("", ""), _data(values), prose=(1,))),
        run_section({"run": _record(values)}),
    )
    remarks = [] if values.get("finished", True) else ["The run is not finished: go on with --resume."]
    outside = values.get("share_outside_noise_table")
    if outside is not None and outside > 1e-3:
        remarks.append(
            f"{outside:.2%} of the neurons lay beyond the noise table: calibrate again before you believe it."
        )
    title = f"Training of {recipe['network']['name']} on {recipe['data']['name']}: {recipe['name']}"
    return Document(title, _answer(values, epochs), sections, tuple(remarks))


def _answer(values: dict[str, Any], epochs: list[Epoch]) -> str:
    steps = f"{values.get('steps_done', 0)} of {values['steps']} steps on {values['images']} images"
    text = f"{values['weights']} weights, trained {steps}, seed {values['recipe']['seed']}."
    if epochs:
        text += f" Loss {epochs[-1].loss:.3g} in the last epoch."
    if values.get("held_out_accuracy") is not None:
        text += (
            f" {values['held_out_accuracy']:.2%} of the {values['held_out_images']} held-out images are right; "
            "training never reads the test set."
        )
    return text


def _on_held_out(held_out: HeldOut | None) -> tuple[Section, ...]:
    """Return what the trained weights do with the held-out images; nothing where there are none."""
    if held_out is None:
        return ()
    sentence = f"The trained weights on the held-out images, without noise: {interval(held_out.interval)} are right."
    if not held_out.layers:
        return (section("Held-out images", sentence), *confusion_section(held_out.confusion))
    return (
        spikes_section(held_out.layers, held_out.decision_over_tau, sentence),
        *confusion_section(held_out.confusion),
    )


def _table(epochs: list[Epoch]) -> Table:
    step = -(-len(epochs) // _MOST_ROWS)
    shown = epochs[::-step][::-1]
    return Table(
        "Epochs" + ("" if step == 1 else f", every {step}th and the last"),
        ("epoch", "step", "rate", "loss", "right in training", "right, held out", "neurons that spike", "seconds"),
        tuple(
            (
                f"{epoch.epoch}",
                f"{epoch.step}",
                f"{epoch.lr:.2e}",
                f"{epoch.loss:.4g}",
                f"{epoch.train_accuracy:.2%}",
                "–" if epoch.held_out_accuracy is None else f"{epoch.held_out_accuracy:.2%}",
                f"{epoch.fraction_spiked:.1%}",
                f"{epoch.seconds:.0f}",
            )
            for epoch in shown
        ),
        note="Right in training: running, of the augmented images as they were trained on. Spikes: of the last batch.",
    )


def _data(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    lines = [line.partition(": ") for line in values.get("data_summary", "").splitlines()]
    digests = [(f"sha256 of {name}", digest) for name, digest in values["data_sha256"].items()]
    return (
        ("images", f"{values['images']}"),
        ("held out", f"{values['held_out_images']}"),
        ("published files", "yes" if values["data_canonical"] else "no"),
        *((name, facts) for name, _, facts in lines),
        *digests,
    )


def _record(values: dict[str, Any]) -> dict[str, Any]:
    """Return the run record, and what else the weights depend on."""
    names = ("recipe_sha256", "initial_sha256", "noise_sha256", "threads", "processes", "device", "cpu_capability")
    return dict(values["run"]) | {name: values[name] for name in (*names, "layer", "resumed") if values.get(name)}
