"""Robustness studies of a trained network: weight bits (Table 4), weight noise (Fig. 2), spike-time jitter.

Fine-tuning starts from the study's weights and follows a recipe of its own; test images are never trained on.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurocircuit.core.files import file_sha256, make_directory, read_json_object
from neurocircuit.core.pool import Pool, Progress, open_pool, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.result import RUN
from neurocircuit.core.taskstore import Task, TaskStore, key_of, run_tasks
from neurocircuit.errors import InputError
from neurocircuit.results.robustness import Robustness, SpikeErrors, SpikeJitter, Table4, Table4Row, WeightNoise
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data import sets
from neurocircuit.snn.data.images import ImageSource
from neurocircuit.snn.evaluate import accuracy
from neurocircuit.snn.hardware.jitter import JitteredNetwork, JitteredWindows, SpikeErrorsNetwork, has_own_clocks
from neurocircuit.snn.hardware.quantise import EXACT_BITS, Rounding, round_once
from neurocircuit.snn.models import spiking_layers
from neurocircuit.snn.recipe import Recipe, Subject, load_recipe
from neurocircuit.snn.training.run import FINAL, Trainer
from neurocircuit.snn.training.runlog import Trained
from neurocircuit.snn.windowed import windowed_in
from neurocircuit.spec import FullScale, WeightBank
from neurocircuit.studies.evaluation import torch_threads

BITS = (8, 4, 2)
FINE_BITS = (8, 7, 6, 5, 4, 3, 2)
SNR_DB = (10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0)
JITTERS = (0.001, 0.003, 0.01, 0.03, 0.05, 0.1)
JITTERS_OVER_TAU = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)  # of windowed networks, and of study spikes
MISSED = (0.001, 0.003, 0.01, 0.03, 0.1)
THRESHOLD_ERRORS = (0.01, 0.02, 0.05, 0.1, 0.2)
TRAINED_SNR_DB, TRAINED_JITTER = 20.0, 0.05
QUANTISERS = ("word", "bank")


def robustness(
    study: str,
    weights: Path | str,
    recipe: Recipe | Path | str,
    *,
    beside: Mapping[str, Path | str] | None = None,
    settings: Sequence[str] = (),
    out: Path | str = ".",
    retrain: bool = True,
    first: int | None = None,
    draws: int = 3,
    data: Path | str | None = None,
    threads: int | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Robustness:
    """Measure the accuracy of a trained network against what hardware does to it.

    Args:
        study: table4, accuracies at 32, 8, 4 and 2 bit of the weights, only rounded and retrained (Table 4 of the
            paper); fig2, over weight bits and over noise on the weights (Fig. 2); or jitter, over relative jitter of
            every spike time (windowed networks: over jitter in units of tau); spikes, over jitter in units of tau,
            over missed spikes and over errors of the neurons' thresholds, nothing retrained.
        weights: checkpoint to start from.
        recipe: how to fine-tune it, one that names no initial weights; a file, or the name of one that ships.
        beside: more checkpoints of the same data set by their names, for studies jitter and spikes; they are not
            trained. Those of study spikes may be free or windowed.
        settings: changes of the recipe, such as "lr=1e-3".
        out: folder; fine-tuned networks stay in out/runs and are not trained again, accuracies in out/tasks.
        retrain: or measure the network as it is.
        first: only so many test images. None: all.
        draws: of each noise, at least 2.
        data: folder of the data sets; default NEUROCIRCUIT_DATA.
        threads: of torch, in each process.
        jobs: processes that evaluate; changes no number.
        scheduler: "local" or the address of a Dask scheduler, to evaluate there.
        progress: hears how far it is.

    Raise InputError naming what does not fit, also where out/runs holds another run.

    >>> result = robustness("fig2", "weights.pt", "mnist_finetune", first=1000)  # doctest: +SKIP
    >>> result.studies["fig2"].noise["clean"]  # doctest: +SKIP
    """
    if study not in STUDIES:
        raise InputError(f"study must be among {', '.join(STUDIES)}, got {study!r}")
    clock = RunClock()
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, tuple(settings))
    if beside and study not in ("jitter", "spikes"):
        raise InputError(f"beside is for study jitter or spikes, got {study}")
    if recipe.initial:
        raise InputError("recipe must not name initial weights: those are the study's own")
    with torch_threads(threads), open_pool(jobs, scheduler, preload=(__name__,)) as pool:
        subject = Study(recipe, Path(weights), Path(out) / "runs", data, first, draws, pool, progress, retrain)
        subject.beside = {name: Path(file) for name, file in (beside or {}).items()}
        numbers = STUDIES[study](subject)
    return Robustness(
        studies={study: numbers},
        weights=str(weights),
        data=subject.subject.data.name,
        network=subject.subject.network.name,
        n=len(subject.images),
        draws=draws,
        epochs_of_each_step=recipe.schedule.epochs,
        full_scale=recipe.hardware.full_scale,
        recipe_sha256=subject.recipe.sha256,
        run=clock.record(),
    )


class Study:
    """One network, its test images, and a recipe for fine-tuning it. Files of the fine-tuned go below `folder`."""

    def __init__(
        self,
        recipe: Recipe,
        weights: Path,
        folder: Path,
        data: Path | str | None,
        first: int | None,
        draws: int,
        pool: Pool,
        progress: Progress = silent,
        retrain: bool = True,
    ) -> None:
        """Load network and images: the first so many test images, None: all. retrain: fine-tune at all.

        Raise InputError for fewer than 2 draws of a noise, or more images than there are.
        """
        if draws < 2:
            raise InputError(f"draws must be >= 2, got {draws}")
        self.weights, self.folder, self.draws = weights, folder, draws
        self.data = None if data is None else Path(data)
        self.retrain = retrain
        self._progress, self._steps_done, self._steps_reused, self._worked = progress, 0, 0, False
        self.subject, self.network = checkpoint.load_network(weights)
        self.recipe = recipe.inheriting(self.subject)
        self.first, self.pool = first, pool
        self.images = sets.load(self.subject.data, "test", data).first(first)
        self.store = TaskStore(folder.parent / "tasks")
        self.beside: dict[str, Path] = {}

    def network_beside(self, name: str) -> nn.Module:
        """Return a network of `beside`. Raise InputError for one of other data."""
        subject, network = checkpoint.load_network(self.beside[name])
        if subject.data.name != self.subject.data.name:
            raise InputError(f"beside: {name} must be a network of the same data, got {self.beside[name]}")
        return network

    def tell(self, text: str, steps: int) -> None:
        """Tell that one more of `steps` is done; one for which nothing was computed anew counts in neither number."""
        if self._worked:
            self._steps_done += 1
        else:
            self._steps_reused += 1
        self._worked = False
        self._progress(self._steps_done, steps - self._steps_reused, text)

    def fine_tuned(self, name: str, start: Path, **hardware: Any) -> Path:
        """Return the file of weights trained on from `start` under [hardware]; that of a finished run is taken.

        Raise InputError when the directory holds another run.
        """
        directory = self.folder / name
        recipe = self.recipe.replace(initial=str(start), hardware=self.recipe.hardware.replace(**hardware))
        final = directory / FINAL
        if final.exists():
            kept = read_json_object(directory / RUN)
            if (kept["recipe_sha256"], kept["initial_sha256"]) != (recipe.sha256, file_sha256(start)):
                raise InputError(f"{directory} holds another run than this study asks for; give another --out")
        else:
            self._worked = True
            make_directory(directory)
            trainer = Trainer(recipe, directory, self.data, torch.device("cpu"))
            if (directory / "checkpoint.pt").exists():
                trainer.resume()
            Trained.of(trainer.identity(), directory).write(directory / RUN)
            trainer.run()
            Trained.of(trainer.identity() | {"finished": True}, directory).write(directory / RUN)
        return final

    def networks(self, name: str, **hardware: Any) -> dict[str, Path]:
        """Return the files of the network as it is ("clean"), and trained on under [hardware] if the study retrains."""
        files = {"clean": self.weights}
        if self.retrain:
            files["trained"] = self.fine_tuned(name, self.weights, **hardware)
        return files

    def accuracies(self, weights: Path, cases: "Sequence[Case]") -> list[float]:
        """Return accuracies on the test images, one for each disturbance of the network in a file.

        Finished ones are taken from the store beside `folder`. Raise as `run_tasks`.
        """
        images = {"data": self.images.sha256, "first": self.first, "subject": self.subject.to_dict()}
        network = {"weights_sha256": file_sha256(weights), "threads": torch.get_num_threads()}
        tasks = []
        for case in cases:
            key = key_of({"case": asdict(case)} | images | network)
            tasks.append(
                Task(key, key, partial(_measured, weights, self.data, self.first, case, torch.get_num_threads()))
            )
        self._worked |= len(self.store.finished(tasks)) < len(tasks)
        values = run_tasks(tasks, self.store, self.pool)
        return [values[task.name]["accuracy"] for task in tasks]

    def rounded(self, kind: str, bits: int) -> dict[str, Any]:
        """Return the fields of a case of rounded weights, of the full scales that the recipe has."""
        return {"kind": kind, "bits": bits, "full_scale": self.recipe.hardware.full_scale}

    def accuracy(self, weights: Path, **case: Any) -> float:
        """Return the accuracy of the network in a file under one disturbance."""
        return self.accuracies(weights, [Case(**case)])[0]


@dataclass(frozen=True)
class Case:
    """A disturbance of a network: its weights as `Rounding` makes them of kind, bits and snr_dB, or spikes jittered.

    jitter: relative, of a free network; jitter_over_tau: in units of τ. missed: share of the neurons' spikes.
    threshold: relative deviation of thresholds. seed: of the noise. The default disturbs nothing.
    """

    kind: str | None = None
    bits: int = EXACT_BITS
    snr_dB: float | None = None
    full_scale: FullScale = "layer"
    jitter: float = 0.0
    jitter_over_tau: float = 0.0
    missed: float = 0.0
    threshold: float = 0.0
    seed: int = 0


def _measured(weights: Path, data: Path | None, first: int | None, case: Case, threads: int) -> dict[str, float]:
    """Return the accuracy of the network in a file on its test images."""
    torch.set_num_threads(threads)
    subject, network = checkpoint.load_network(weights)
    images = _test_images(subject, data, first)
    if case.jitter or case.jitter_over_tau or case.missed or case.threshold:
        noisy = _disturbed(network, case)
        noisy.event_rng.manual_seed(case.seed)
        return {"accuracy": accuracy(noisy, images, subject)}
    if case.kind is not None:
        generator = torch.Generator().manual_seed(case.seed)
        round_once(network, Rounding(case.kind, case.bits, WeightBank(), case.snr_dB, generator, case.full_scale))
    return {"accuracy": accuracy(network, images, subject)}


@lru_cache(maxsize=1)
def _test_images(subject: Subject, data: Path | None, first: int | None) -> ImageSource:
    return sets.load(subject.data, "test", data).first(first)


def _disturbed(network: nn.Module, case: Case) -> JitteredNetwork | SpikeErrorsNetwork | JitteredWindows:
    if windowed_in(network) is not None:
        return JitteredWindows(network, case.jitter_over_tau, case.missed, case.threshold)
    if case.jitter:
        return JitteredNetwork(network, [case.jitter] * (len(spiking_layers(network)) + 1), own_clocks=True)
    return SpikeErrorsNetwork(network, case.jitter_over_tau, case.missed, case.threshold)


def _table4(study: Study) -> Table4:
    """Return accuracies at 32, 8, 4, 2 bit: only rounded, and retrained at each from the one before (paper §4.2).

    Half the steps of a windowed network, which has no batch norm to make up for lost weights, are at one bit more.
    """
    quantisers = {}
    for kind in QUANTISERS:
        start, rows = study.weights, []
        for bits in BITS:
            after, retrained = study.accuracy(study.weights, **study.rounded(kind, bits)), math.nan
            if study.retrain:
                gradual = (bits + 1,) if windowed_in(study.network) is not None else ()
                start = study.fine_tuned(f"{kind}-{bits}bit", start, bits=bits, gradual=gradual, quantiser=kind)
                retrained = study.accuracy(start, **study.rounded(kind, bits))
            rows.append(Table4Row(bits=bits, after=after, retrained=retrained))
            study.tell(f"{kind} {bits} bit: after {after:.2%}, retrained {retrained:.2%}", len(QUANTISERS) * len(BITS))
        quantisers[kind] = tuple(rows)
    return Table4(unrounded=study.accuracy(study.weights), bits=BITS, quantisers=quantisers)


def _fig2(study: Study) -> WeightNoise:
    """Return accuracies over bits and over weight noise, after training and after training under noise of 20 dB."""
    fine = {
        kind: study.accuracies(study.weights, [Case(**study.rounded(kind, bits)) for bits in FINE_BITS])
        for kind in QUANTISERS
    }
    networks = study.networks(f"weights-{TRAINED_SNR_DB:g}dB", weight_snr_dB=TRAINED_SNR_DB)
    curves = {}
    cases = [Case(kind="bank", snr_dB=snr, seed=draw) for snr in SNR_DB for draw in range(study.draws)]
    for name, weights in networks.items():
        curves[name] = np.reshape(study.accuracies(weights, cases), (len(SNR_DB), study.draws)).tolist()
        study.tell(f"weight noise, {name}: " + ", ".join(f"{np.mean(row):.2%}" for row in curves[name]), len(networks))
    return WeightNoise(
        zero={name: study.accuracy(weights) for name, weights in networks.items()},
        bits=FINE_BITS,
        rounded=fine,
        snr_dB=SNR_DB,
        trained_snr_dB=TRAINED_SNR_DB,
        noise=curves,
    )


def _jitter(study: Study) -> SpikeJitter:
    """Return accuracies over jitter of every spike time, of the network as it is and trained under 5 %."""
    is_windowed = windowed_in(study.network) is not None
    under, amounts = ("jitter_over_tau", JITTERS_OVER_TAU) if is_windowed else ("jitter", JITTERS)
    networks = study.networks(f"jitter-{TRAINED_JITTER:g}", **{under: TRAINED_JITTER}) | study.beside
    for name, file in study.beside.items():
        if (windowed_in(study.network_beside(name)) is not None) != is_windowed:
            raise InputError(f"beside: {name} must be a network of the same kind and data, got {file}")
    curves = {}
    draws = [(amount, draw) for amount in amounts for draw in range(study.draws)]
    cases = [Case(jitter_over_tau=j, seed=s) if is_windowed else Case(jitter=j, seed=s) for j, s in draws]
    for name, weights in networks.items():
        rows = curves[name] = np.reshape(study.accuracies(weights, cases), (len(amounts), study.draws)).tolist()
        study.tell(f"jitter, {name}: " + ", ".join(f"{np.mean(row):.2%}" for row in rows), len(networks))
    return SpikeJitter(
        zero={name: study.accuracy(weights) for name, weights in networks.items()},
        jitter=amounts,
        trained_jitter=TRAINED_JITTER,
        accuracy=curves,
        time_origin="none" if is_windowed else "layer" if has_own_clocks(study.network) else "image",
    )


def _spikes(study: Study) -> SpikeErrors:
    """Return accuracies over errors of spikes and of thresholds, free and windowed networks alike."""
    networks = {"clean": study.weights} | study.beside
    for name in study.beside:
        study.network_beside(name)
    swept = {"jitter_over_tau": JITTERS_OVER_TAU, "missed": MISSED, "threshold": THRESHOLD_ERRORS}
    curves: dict[str, dict[str, Any]] = {}
    for field, amounts in swept.items():
        errors: list[dict[str, Any]] = [{field: amount} for amount in amounts]
        cases = [Case(**error, seed=draw) for error in errors for draw in range(study.draws)]
        curves[field] = {}
        for name, weights in networks.items():
            rows = np.reshape(study.accuracies(weights, cases), (len(amounts), study.draws)).tolist()
            curves[field][name] = rows
            text = f"{field}, {name}: " + ", ".join(f"{np.mean(row):.2%}" for row in rows)
            study.tell(text, len(swept) * len(networks))
    return SpikeErrors(
        zero={name: study.accuracy(weights) for name, weights in networks.items()},
        jitter_over_tau=JITTERS_OVER_TAU,
        jittered=curves["jitter_over_tau"],
        missed=MISSED,
        lost=curves["missed"],
        threshold_error=THRESHOLD_ERRORS,
        mismatched=curves["threshold"],
    )


STUDIES: dict[str, Callable[[Study], Table4 | WeightNoise | SpikeJitter | SpikeErrors]] = {
    "table4": _table4,
    "fig2": _fig2,
    "jitter": _jitter,
    "spikes": _spikes,
}
