"""A co-design study as one call: circuit parameters against accuracy, energy and latency."""

import time
from functools import partial
from pathlib import Path

import torch

from neurocircuit.core import shipped
from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import TimeUp
from neurocircuit.results.codesign import Codesign
from neurocircuit.studies.codesign import run
from neurocircuit.studies.codesign.finish import finish
from neurocircuit.studies.codesign.retrain import check_recipe
from neurocircuit.studies.codesign.study import Files, StudySpec, files_of
from neurocircuit.studies.codesign.trial import Evaluator, Problem


def codesign(
    study: Path | str,
    out: Path | str | None = None,
    *,
    trials: int | None = None,
    workers: int = 1,
    timeout_min: float | None = None,
    verify: bool = True,
    data: Path | str | None = None,
    progress: Progress = silent,
) -> Codesign:
    """Search the circuit parameters of a study for accuracy, energy (J) and latency (s); recommend and replay designs.

    The same call again continues a study that was stopped or killed; several at once share its trials. All of them run
    on one machine, so there is no Dask scheduler here: trials are in an SQLite file, and which of them died with their
    workers is known by file locks of the kernel, neither of which is safe on a network's file system.

    Args:
        study: file of the study (.toml), or the name of one that ships, such as mnist.
        out: folder of the study: its trials, and the files of the recommended designs in out/designs. Default:
            reports/codesign-NAME.
        trials: designs at the first fidelity, instead of the study's.
        workers: processes on this machine. With one, the same study gives the same trials.
        timeout_min: minutes after which no further trial begins.
        verify: replay the recommended designs on whole images, and retrain them where the study says so.
        data: folder of the data sets; default NEUROCIRCUIT_DATA.
        progress: hears how far it is.

    Returns:
        All designs of all fidelities with their values (SI units, window in tau), what decides the objectives, and the
        recommended designs by role; `save(out)` writes result.json and trials.csv.

    Raise InputError for a file that is missing, an `out` that holds another study, or where no design keeps the limits;
    SpecError for a field of the study; TimeUp where the time was up before all designs were evaluated.

    >>> result = codesign("mnist", "study", workers=2)  # doctest: +SKIP
    >>> result.recommended["balanced"].values["cycles_per_tau"]  # doctest: +SKIP
    3.6632151940532247
    """
    clock = RunClock()
    torch_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the workers share the machine
    try:
        path = shipped.toml_path("STUDY", shipped.folder("training", "codesign"), study)
        spec = StudySpec.from_toml(path)
        if trials is not None:
            spec = spec.replace(trials=trials)
        data_folder = None if data is None else Path(data)
        files = files_of(path, spec)
        problem = Problem.load(spec, files, data_folder)
        problem.images(spec.split, 1)  # missing data is told before anything is written
        if spec.retraining is not None:
            check_recipe(problem)
        folder = Path("reports") / f"codesign-{spec.name}" if out is None else Path(out)
        definition = run.Definition(
            spec, problem.base, problem.variation, problem.checkpoint_sha256, problem.power, problem.readout_window
        )
        deadline = None if timeout_min is None else time.monotonic() + 60.0 * timeout_min
        prepare = partial(_prepare, spec, files, data_folder)
        if not run.run(definition, folder, prepare, run.Options(workers, deadline), progress):
            raise TimeUp(f"stopped after {timeout_min:g} minutes; the same command continues: {folder}")
        result = finish(problem, folder, clock, workers, progress, replay=verify)
    finally:
        torch.set_num_threads(torch_threads)
    result._out = folder
    return result


def _prepare(study: StudySpec, files: Files, data: Path | None) -> Evaluator:
    """Return what evaluates designs; made in each worker."""
    torch.set_num_threads(1)
    return Evaluator(Problem.load(study, files, data))
