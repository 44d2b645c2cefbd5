"""A study run: folder begun or checked, fidelity after fidelity, any number of workers, until all designs are seen."""

import json
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from neurocircuit.core.files import make_directory, read_json, write_atomically
from neurocircuit.core.pool import Progress, open_pool, silent
from neurocircuit.errors import InputError
from neurocircuit.results.characterised_neuron import CharacterisedNeuron
from neurocircuit.results.codesign import Outcome
from neurocircuit.spec import NeuronSpec, Variation
from neurocircuit.studies.codesign import choose
from neurocircuit.studies.codesign.design import Values, base_values
from neurocircuit.studies.codesign.store import Finished, Store, Wait, folder_lock, is_feasible, outcome_of, pause
from neurocircuit.studies.codesign.study import Fidelity, StudySpec

DEFINITION = "definition.json"
_POLL_s = 1.0
_STUDY_FILES = ("definition.json", "study.db", "study.lock", "workers")

Evaluate = Callable[[Values, Fidelity], Outcome]
Prepare = Callable[[], Evaluate]


@dataclass(frozen=True)
class Definition:
    """The study and the content of the files that it names: what determines the trials."""

    study: StudySpec
    base: NeuronSpec
    variation: Variation
    checkpoint_sha256: str
    power: CharacterisedNeuron
    readout_window: float | None = None  # of a windowed network, at the base circuit

    @property
    def base_values(self) -> dict[str, float]:
        """The base circuit in the parameters that vary, as far as it has them."""
        values = base_values(self.base, self.variation, self.power.bias_A, self.readout_window)
        return {name: values[name] for name in self.study.parameters.ranges}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of definition.json. The number of trials, paths and what follows the trials may change."""
        study = self.study.to_dict()
        for name in ("trials", "checkpoint", "circuit", "variation", "verification", "retraining"):
            study.pop(name, None)
        return {
            "schema": 1,
            "study": study,
            "circuit": self.base.to_dict(),
            "variation": self.variation.to_dict(),
            "checkpoint_sha256": self.checkpoint_sha256,
            "power": self.power.model_dump(mode="json"),
        }


@dataclass(frozen=True)
class Options:
    """How a call runs; deadline: in seconds of time.monotonic, after which no trial begins; None: none."""

    workers: int = 1
    deadline: float | None = None


def begin(definition: Definition, out: Path) -> None:
    """Make the folder, or check that it holds this study. Raise InputError naming the first field that differs."""
    path = out / DEFINITION
    if not path.exists() and out.exists() and (not out.is_dir() or _foreign(out)):
        raise InputError(f"--out {out} holds other files and no study; give an empty or a new directory")
    make_directory(out)
    with folder_lock(out):  # two commands may begin at once
        if not path.exists():
            write_atomically(path, json.dumps(definition.to_dict(), indent=1) + "\n")
            return
        difference = _difference(read_json(path), definition.to_dict())
    if difference:
        field, stored, current = difference
        raise InputError(
            f"--out {out} holds a study with another {field} ({stored}, now {current}); give another directory"
        )


def _foreign(out: Path) -> list[str]:
    """Return what in a folder belongs to no study; another command may be about to begin one there."""
    return [
        path.name
        for path in out.iterdir()
        if path.name not in _STUDY_FILES and not path.name.startswith(f".{DEFINITION}.")
    ]


def run(definition: Definition, out: Path, prepare: Prepare, options: Options, progress: Progress = silent) -> bool:
    """Evaluate the designs that are not yet evaluated; return False when the time was up before.

    prepare: makes, in each worker, the function that evaluates values at a fidelity; it must be picklable for more
    than one worker. Workers, and other calls on the same folder, share the trials by the store.
    """
    begin(definition, out)
    messages = _Messages(definition, out, progress)
    with open_pool(options.workers, preload=(__name__,)) as pool:
        if options.workers == 1:
            return _work(definition, out, prepare, options.deadline, messages.tell)
        workers = [pool.submit(_work, definition, out, prepare, options.deadline) for _ in range(options.workers)]
        while wait(workers, timeout=_POLL_s, return_when=FIRST_EXCEPTION).not_done:
            for worker in workers:
                if worker.done():
                    pool.result(worker)  # raises what it raised
            messages.tell()
        return all(pool.result(worker) for worker in workers)


def _work(
    definition: Definition,
    out: Path,
    prepare: Prepare,
    deadline: float | None,
    tell: Callable[[], None] = lambda: None,
) -> bool:
    """Evaluate trials until all fidelities are done; return False when the time was up before."""
    store = Store(out, definition.study)
    try:
        evaluate: Evaluate | None = None
        for stage, fidelity in enumerate(definition.study.fidelities):
            _fill(store, stage, definition)
            target = definition.study.trials if stage == 0 else None
            while True:
                if deadline is not None and time.monotonic() > deadline:
                    return False
                trial = store.ask(stage, target)
                if isinstance(trial, Finished):
                    break
                if isinstance(trial, Wait):
                    pause()
                    continue
                evaluate = evaluate or prepare()
                try:
                    outcome = evaluate(trial.params, fidelity)
                except BaseException:
                    store.fail(stage, trial)
                    raise
                store.tell(stage, trial, outcome)
                tell()
        return True
    finally:
        store.close()


def _fill(store: Store, stage: int, definition: Definition) -> None:
    """Queue the base circuit at the first fidelity, at each other one the promising designs of the one before."""
    study = definition.study
    with store.locked():
        if stage == 0:
            queued_values = definition.base_values
            if all(
                bounds.low <= queued_values[name] <= bounds.high for name, bounds in study.parameters.ranges.items()
            ):
                store.enqueue(0, queued_values, "base circuit")
            return
        designs = study.fidelities[stage].designs
        feasible = [trial for trial in store.complete(stage - 1) if is_feasible(trial)]
        if not feasible or designs is None:
            return
        costs = choose.smaller_is_better(np.array([trial.values for trial in feasible]), study.objectives)
        for k in choose.promising(costs, designs):
            store.enqueue(stage, feasible[k].params, f"trial {feasible[k].number}")
        for trial in feasible:  # beside them the base circuit, to be held against
            if trial.params == definition.base_values:
                store.enqueue(stage, trial.params, f"trial {trial.number}")


class _Messages:
    """Tells the progress of all workers by the trials in the store: how many, and how good the last one is."""

    def __init__(self, definition: Definition, out: Path, progress: Progress) -> None:
        self._study, self._out, self._progress = definition.study, out, progress
        self._total = self._study.trials + sum(fidelity.designs or 0 for fidelity in self._study.fidelities)
        self._before = 0 if progress is silent else sum(map(len, self._stages()))  # by calls before this one

    def tell(self) -> None:
        """Tell what has finished until now."""
        if self._progress is silent:
            return
        stages = self._stages()
        done = sum(map(len, stages))
        if done == self._before:
            return
        stage = max(k for k, trials in enumerate(stages) if trials)
        infeasible = sum(not is_feasible(trial) for trial in stages[stage])
        last = max(stages[stage], key=lambda trial: trial.datetime_complete or datetime.min)
        designs = f"{len(stages[stage])} designs, {infeasible} infeasible"
        label = f"{self._study.fidelities[stage].name}: {designs}; {_result(last)}"
        self._progress(done - self._before, max(self._total, done) - self._before, label)

    def _stages(self) -> list[list[FrozenTrial]]:
        """Return the complete trials of each fidelity."""
        store = Store(self._out, self._study)
        try:
            return [store.complete(stage) for stage in range(len(self._study.fidelities))]
        finally:
            store.close()


def _result(trial: FrozenTrial) -> str:
    """Return what a finished trial gave, in words."""
    if not is_feasible(trial):
        return "infeasible: " + ", ".join(name for name, value in trial.constraints.items() if value > 0)
    outcome = outcome_of(trial)
    return f"accuracy {outcome.accuracy:.1%}, {1e9 * outcome.energy:.3g} nJ, {1e9 * outcome.latency:.3g} ns"


def _difference(stored: Any, current: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Return path and both values of the first difference of two JSON structures; None where they are equal."""
    if isinstance(stored, dict) and isinstance(current, dict):
        keys = sorted(stored.keys() | current.keys())
        differences = (_difference(stored.get(key), current.get(key), f"{path}.{key}".lstrip(".")) for key in keys)
    elif isinstance(stored, list) and isinstance(current, list) and len(stored) == len(current):
        differences = (_difference(a, b, f"{path}[{k}]") for k, (a, b) in enumerate(zip(stored, current, strict=True)))
    else:
        return None if stored == current else (path, _short(stored), _short(current))
    return next((difference for difference in differences if difference), None)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
