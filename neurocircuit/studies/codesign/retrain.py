"""A recommended design's own network: the study's checkpoint trained further under that circuit's noise."""

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from neurocircuit.core.files import file_sha256, write_atomically
from neurocircuit.errors import InputError
from neurocircuit.network.calibrate import fit_table
from neurocircuit.network.mapping import Mapping
from neurocircuit.network.run import Circuit
from neurocircuit.results.codesign import Retrained
from neurocircuit.results.inference import InferenceFigures
from neurocircuit.snn import checkpoint
from neurocircuit.snn.models import count_weights
from neurocircuit.snn.recipe import Recipe, load_recipe
from neurocircuit.snn.training.run import BEST, CHECKPOINT, FINAL, Trainer
from neurocircuit.snn.unroll import unrolled
from neurocircuit.spec import MappedNetwork
from neurocircuit.studies import inference
from neurocircuit.studies.codesign.design import Design
from neurocircuit.studies.codesign.trial import Problem

RETRAINED = "retrained"
_BEFORE = "before.nc"  # noise table of the design with the study's checkpoint: what training goes by


def retrain(problem: Problem, design: Design, mapped: MappedNetwork, folder: Path, seed: int) -> Retrained:
    """Train at the design `mapped`, leave weights.pt and network.toml in folder/retrained, run whole images at edge.

    seed: of the chips of those images, which are those of the study's verification. Raise InputError where the recipe
    is for other data, or training diverges.
    """
    settings = problem.study.retraining
    assert settings is not None  # noqa: S101
    out = folder / RETRAINED
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    training = problem.images(problem.study.mapping.split, settings.calibration_images)
    table, _, _ = fit_table(
        Circuit.of(mapped, problem.physical),
        training.spikes,
        seed=problem.study.seed,
        chip_count=settings.calibration_chips,
        points_per_layer=settings.points,
    )
    table.save(out / _BEFORE)
    recipe = recipe_of(problem, out / _BEFORE, mapped.neuron.weight_bank.excitatory.bits)
    trainer = Trainer(recipe, out, problem.data, torch.device("cpu"))
    trainer.run()
    for name in (CHECKPOINT, BEST):
        (out / name).unlink(missing_ok=True)
    retrained = with_weights(problem, out / FINAL)
    mapping = _mapped(retrained, design, out)
    return Retrained(
        **dict(_on_circuit(retrained, design, mapping.mapped, seed)),
        recipe_sha256=recipe.sha256,
        steps=trainer.step,
        held_out_accuracy=trainer.held_out_accuracy,
        lead_rad=tuple(layer.lead_rad for layer in mapping.mapped.layers),
        limits_met=mapping.met,
    )


def recipe_of(problem: Problem, table: Path, bits: int) -> Recipe:
    """Return the study's recipe under a noise table. Raise InputError where it is for other data or another network."""
    settings, path = problem.study.retraining, problem.files.recipe
    assert settings is not None  # noqa: S101
    assert path is not None  # noqa: S101
    files: tuple[str, ...] = (
        f'hardware.noise="{table}"',
        f'initial="{problem.files.checkpoint}"',
        f"hardware.bits={bits}",
    )
    subject = problem.subject
    if problem.readout_window is not None:
        files = (*files, f"encoding.alpha={problem.readout_window!r}")
    recipe = load_recipe(path, (*settings.settings, *files)).inheriting(subject)
    if recipe.data.name != subject.data.name:
        raise InputError(f"retraining.recipe must have data.name {subject.data.name}, got {recipe.data.name}")
    for name in ("network", "encoding"):
        if getattr(recipe, name) != getattr(subject, name):
            raise InputError(f"retraining.recipe must have the {name} of the study's checkpoint, got another one")
    return recipe


def check_recipe(problem: Problem) -> None:
    """Raise InputError or SpecError for a recipe that cannot be read or does not fit, before hours of trials."""
    recipe_of(problem, Path(_BEFORE), problem.base.weight_bank.excitatory.bits)


def with_weights(problem: Problem, weights: Path) -> Problem:
    """Return the problem with other weights of the same network."""
    subject, network = checkpoint.load_network(weights)
    return replace(
        problem,
        physical=unrolled(subject, network).physical,
        files=replace(problem.files, checkpoint=weights),
        checkpoint_sha256=file_sha256(weights),
    )


def _mapped(problem: Problem, design: Design, out: Path) -> Mapping:
    """Return the network mapped to the design, and leave its network.toml in a folder."""
    count = problem.study.verification.map_images
    mapping = problem.mapping(design, problem.images(problem.study.mapping.split, count))
    mapped = mapping.mapped.replace(checkpoint=FINAL, name=f"{problem.study.name}-{out.parent.name}-retrained")
    write_atomically(out / "network.toml", mapped.to_toml())
    return mapping


def _on_circuit(problem: Problem, design: Design, mapped: MappedNetwork, seed: int) -> InferenceFigures:
    settings = problem.study.verification
    images = problem.images(settings.split, settings.images)
    circuit = Circuit.of(mapped, problem.physical)
    inferences = inference.on_circuit(circuit, images.spikes, images.labels, range(settings.chips), "edge", seed)
    return inference.figures(
        inferences, design.power, design.neuron.tau_s, count_weights(problem.network), problem.neurons
    )
