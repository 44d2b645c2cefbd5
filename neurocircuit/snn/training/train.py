"""Training as one call: by a recipe, into a folder, to a `Model`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neurocircuit.core.files import make_directory
from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.result import RUN
from neurocircuit.errors import InputError
from neurocircuit.noise import NoiseTable
from neurocircuit.snn import checkpoint, weights_file
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.augment import Augmentation
from neurocircuit.snn.data.library import Splits
from neurocircuit.snn.data.sets import Data
from neurocircuit.snn.encode import OF_RELU as RELU_ENCODING
from neurocircuit.snn.loss import OF_RELU as RELU_LOSS
from neurocircuit.snn.model import Model
from neurocircuit.snn.recipe import Recipe, load_recipe, put_settings
from neurocircuit.snn.training import parallel
from neurocircuit.snn.training.own_code import module_of
from neurocircuit.snn.training.recalibrate import recalibrate
from neurocircuit.snn.training.run import CHECKPOINT, Trainer
from neurocircuit.snn.training.runlog import Trained
from neurocircuit.snn.unroll import check_mappable
from neurocircuit.snn.windowed import WindowedNetwork
from neurocircuit.spec.fields import stated_over


def train(
    recipe: Recipe | Path | str,
    *,
    network: nn.Module | None = None,
    initial: Model | WindowedNetwork | Path | str | None = None,
    noise: NoiseTable | Path | str | None = None,
    settings: Sequence[str] = (),
    out: Path | str | None = None,
    **options: Any,
) -> Model:
    """Return the network that a recipe trains; its files stay in `out` (default: reports/NAME-HASH).

    recipe: a `Recipe`, the TOML file of one, or the name of one that ships, such as "mnist". network: a torch module of
    one's own instead of the recipe's network; training starts from its present weights and leaves it as it is. initial:
    weights to start from; noise: noise table under which it trains, gradients through eq. (4) with the noise held
    constant. settings: changes such as "schedule.lr=1e-3". Further options are those of `train_run`: data, device,
    threads, resume, chips, mode, bits, recalibrate_chips, mapped_images, allow_code, progress.

    Raise SpecError naming field and bound, InputError where `out` holds another run.

    >>> train("digits", settings=["epochs=1"], out="run").sha256  # doctest: +SKIP
    """
    return train_run(recipe, network=network, initial=initial, noise=noise, settings=settings, out=out, **options).model


def train_run(
    recipe: Recipe | Path | str,
    *,
    network: nn.Module | None = None,
    initial: Model | WindowedNetwork | Path | str | None = None,
    noise: NoiseTable | Path | str | None = None,
    mode: str | None = None,
    chips: str | None = None,
    bits: int | None = None,
    settings: Sequence[str] = (),
    out: Path | str | None = None,
    resume: bool = False,
    recalibrate_chips: int | None = None,
    mapped_images: int = 300,
    data: Data | None = None,
    device: str = "cpu",
    threads: int | None = None,
    allow_code: bool = False,
    progress: Progress = silent,
) -> Trained:
    """Train as `train` does and return the whole run.

    data: folder of the data, or data sets of your own (`nc.data.from_torch`, or one of torch), which take the place of
    those that the recipe names. mode, chips, bits: of the recipe's [hardware] section. resume: go on from the last
    checkpoint in `out`. recalibrate_chips: afterwards map the weights onto the table's circuit, scales from
    `mapped_images` training images, and calibrate it on so many chips. allow_code: run the code that the recipe's
    network names. Several processes of torchrun train together.
    """
    folder = None if out is None else Path(out)
    requested = {"hardware.mode": mode, "hardware.chips": chips, "hardware.bits": bits}
    for name, value in (("initial", initial), ("hardware.noise", noise)):
        requested[name] = None if value is None else str(_file(value, folder, name))
    changes = (*settings, *(f"{name}={json.dumps(value)}" for name, value in requested.items() if value is not None))
    recipe = load_recipe(recipe, changes) if not isinstance(recipe, Recipe) else _changed(recipe, changes)
    if recalibrate_chips is not None and (not recipe.hardware.noise or recipe.hardware.mode != "calibrated"):
        raise InputError("--recalibrate needs the noise table of a mapped network: give --noise TABLE")
    stated = recipe
    if recipe.initial and (initial_subject := weights_file.read_subject(Path(recipe.initial))) is not None:
        recipe = recipe.inheriting(initial_subject)
    inherited = _inherited(recipe, stated)
    splits = Splits(recipe.data, data_or_path := sets.as_data(data), progress)
    recipe, start = _with_network(recipe.replace(data=splits.spec), network, allow_code)
    folder = folder or Path("reports") / f"{recipe.name}-{recipe.sha256[:8]}"
    try:
        trained = _train(recipe, start, folder, resume, splits, device, threads, inherited, progress)
    finally:
        parallel.leave()
    if recalibrate_chips is None or not trained.leads:
        return trained
    recalibrated = recalibrate(
        trained.checkpoint,
        Path(recipe.hardware.noise),
        data_or_path,
        chips=recalibrate_chips,
        mapped_images=mapped_images,
        progress=progress,
    )
    return trained.with_recalibrated(recalibrated)


def _file(value: Model | WindowedNetwork | NoiseTable | Path | str, out: Path | None, name: str) -> Path | str:
    """Return the path of weights or of a table; those without a file are written beside the run first."""
    if isinstance(value, Model | WindowedNetwork):
        if isinstance(value, Model) and value.path is not None:
            return value.path
        path = _beside(out, name, "initial.pt")
        value.save(path)
        return path
    if isinstance(value, NoiseTable):
        path = _beside(out, name, "noise.nc")
        value.save(path)
        return path
    return value


def _beside(out: Path | None, name: str, file: str) -> Path:
    if out is None:
        raise InputError(f"{name} without a file needs out, the folder of the run: it is written beside it")
    make_directory(out.parent)
    return out.parent / f"{out.name}.{file}"


def _changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Return a recipe with settings put in place, by way of its file content; what it leaves out stays so."""
    stated = recipe.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    return Recipe.from_dict(put_settings(stated, changes))


def _inherited(recipe: Recipe, stated: Recipe) -> str:
    """Return in a line what of a recipe is as in its initial weights; "" where it states all itself."""
    shown = {
        "data": recipe.data.name,
        "encoding": recipe.encoding.formula,
        "augmentation": "none" if recipe.augmentation == Augmentation() else "theirs",
    }
    taken = [f"{name} ({text})" for name, text in shown.items() if getattr(stated, name) != getattr(recipe, name)]
    return f"as in {recipe.initial}, for the recipe leaves it out: {', '.join(taken)}" if taken else ""


def _with_network(recipe: Recipe, network: nn.Module | None, allow_code: bool) -> tuple[Recipe, nn.Module | None]:
    """Return the recipe with the layers of a network of one's own, and the network with the weights to start from.

    None without one: the weights are drawn.
    """
    described = recipe.network
    if network is None and described.name == "own" and described.graph is None:
        network = module_of(str(described.code), allow_code, recipe.seed)
    if network is None:
        return (_for_relu(recipe) if described.is_relu else recipe), None
    subject, made = checkpoint.of_module(recipe.subject, network)
    recipe = recipe.replace(network=subject.network, encoding=subject.encoding)
    return (_for_relu(recipe) if recipe.network.is_relu else recipe), checkpoint.traced_in(made)


def _for_relu(recipe: Recipe) -> Recipe:
    """Return a ReLU network's recipe with the encoding and the loss that it wants, where the recipe leaves them out."""
    return recipe.replace(
        encoding=stated_over(recipe.encoding, RELU_ENCODING), loss=stated_over(recipe.loss, RELU_LOSS)
    )


def _train(
    recipe: Recipe,
    start: nn.Module | None,
    out: Path,
    resume: bool,
    data: Splits,
    device: str,
    threads: int | None,
    inherited: str,
    progress: Progress,
) -> Trained:
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        process_device = parallel.device_of_process(device)
        processes = parallel.join(process_device)
        trainer = Trainer(recipe, out, data, process_device, processes, start)
        _prepare(trainer, resume)
        if processes.leads:
            Trained.of(trainer.identity() | {"finished": False}, out).write(out / RUN)
        progress = progress if processes.leads else silent
        if inherited:
            progress(0, trainer.steps - trainer.step, inherited)
        if trainer.recipe.data.is_own:
            progress(0, trainer.steps - trainer.step, trainer.data_summary)
        try:
            check_mappable(trainer.recipe, trainer.network)
        except InputError as error:  # known now, not after hours
            progress(0, trainer.steps - trainer.step, f"`map` will refuse this network: {error}")
        trainer.run(progress)
        reached = {
            "finished": True,
            "layer": trainer.layer,
            "steps_done": trainer.step,
            "held_out_accuracy": trainer.held_out_accuracy,
            "held_out": trainer.on_held_out(progress),
            "share_outside_noise_table": trainer.conditions.share_outside,
        }
        trained = Trained.of(trainer.identity() | reached, out)
        trained._leads = processes.leads
        if trained.leads:
            trained.write(out / RUN)
        return trained
    finally:
        torch.set_num_threads(before)


def _prepare(trainer: Trainer, resume: bool) -> None:
    """Make or check the directory; no file is touched when something does not fit."""
    out = trainer.directory
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must be a directory, got the file {out}")
    if resume:
        trainer.resume()
        trainer.processes.wait()
        return
    trainer.processes.wait()
    if trainer.processes.leads:
        taken = [name for name in (CHECKPOINT, RUN, "log.csv") if (out / name).exists()]
        if taken:
            raise InputError(f"--out {out} holds a run ({taken[0]}); go on with --resume, or give another directory")
        make_directory(out)
