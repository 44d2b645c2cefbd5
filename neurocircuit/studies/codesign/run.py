"""A study run: folder begun or checked, fidelity after fidelity, any number of workers, until all designs are seen."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from neurocircuit.core.files import make_directory, read_json, write_atomically
from neurocircuit.errors import InputError
from neurocircuit.spec import NeuronSpec, Variation
from neurocircuit.studies.codesign import choose
from neurocircuit.studies.codesign.design import Values, base_values
from neurocircuit.studies.codesign.store import Finished, Store, Wait, folder_lock, wait
from neurocircuit.studies.codesign.study import Fidelity, StudySpec
from neurocircuit.studies.codesign.trial import Outcome

DEFINITION = "definition.json"
_OTHERS = ("definition.json", "study.db", "study.lock", "workers")

Evaluate = Callable[[Values, Fidelity], Outcome]
Prepare = Callable[[], Evaluate]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Definition:
    """What determines the trials: the study, and the content of the files that it names."""

    study: StudySpec
    base: NeuronSpec
    variation: Variation
    checkpoint_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """As it stands in definition.json. The number of trials, paths and what follows the trials may change."""
        study = self.study.to_dict()
        for name in ("trials", "checkpoint", "circuit", "variation", "verification", "retraining"):
            study.pop(name, None)
        return {
            "schema": 1,
            "study": study,
            "circuit": self.base.to_dict(),
            "variation": self.variation.to_dict(),
            "checkpoint_sha256": self.checkpoint_sha256,
        }


@dataclass(frozen=True)
class Options:
    """Of a call. deadline: by time.monotonic, after which no trial begins; None: none."""

    workers: int = 1
    deadline: float | None = None


def begin(definition: Definition, out: Path) -> None:
    """Make the folder, or check that it holds this study. Raises InputError naming the first field that differs."""
    path = out / DEFINITION
    if not path.exists() and out.exists() and (not out.is_dir() or _foreign(out)):
        raise InputError(f"--out {out} holds other files and no study; give an empty or a new directory")
    make_directory(out)
    with folder_lock(out):  # two commands may begin at once
        wanted = definition.to_dict()
        if not path.exists():
            write_atomically(path, json.dumps(wanted, indent=1) + "\n")
            return
        differing = _difference(read_json(path), wanted)
    if differing:
        raise InputError(
            f"--out {out} holds a study with another {differing[0]} ({differing[1]}, now {differing[2]}); "
            "give another directory"
        )


def _foreign(out: Path) -> list[str]:
    """What in a folder belongs to no study; another command may be about to begin one there."""
    return [one.name for one in out.iterdir() if one.name not in _OTHERS and not one.name.startswith(f".{DEFINITION}.")]


def run(definition: Definition, out: Path, prepare: Prepare, options: Options, tell: Tell = lambda text: None) -> bool:
    """Evaluate what is still to be evaluated; False when the time was up before.

    prepare: makes, in each worker, the function that evaluates values at a fidelity; it must be picklable for more
    than one worker.
    """
    begin(definition, out)
    others = [
        multiprocessing.get_context("spawn").Process(
            target=_other, args=(definition, out, prepare, options, os.getpid()), daemon=False
        )
        for _ in range(options.workers - 1)
    ]
    for other in others:
        other.start()
    try:
        finished = _work(definition, out, prepare, options, tell, None)
        for other in others:
            other.join()
    finally:
        _stop(others)
    return finished


def _stop(others: Sequence[BaseProcess]) -> None:
    for other in others:
        if other.is_alive():
            other.terminate()
        other.join()


def _other(definition: Definition, out: Path, prepare: Prepare, options: Options, parent: int) -> None:
    _work(definition, out, prepare, options, lambda text: None, parent)


def _work(
    definition: Definition, out: Path, prepare: Prepare, options: Options, tell: Tell, parent: int | None
) -> bool:
    """Trials until all fidelities are done; parent: stop when that process is gone."""
    store = Store(out, definition.study)
    try:
        evaluate: Evaluate | None = None
        for stage, fidelity in enumerate(definition.study.fidelities):
            _fill(store, stage, definition)
            target = definition.study.trials if stage == 0 else None
            progress = _Progress(store, stage, definition.study.trials if stage == 0 else None, tell)
            while True:
                late = options.deadline is not None and time.monotonic() > options.deadline
                if late or (parent is not None and os.getppid() != parent):
                    return False
                trial = store.ask(stage, target)
                if isinstance(trial, Finished):
                    break
                if isinstance(trial, Wait):
                    wait()
                    continue
                evaluate = evaluate or prepare()
                try:
                    outcome = evaluate(trial.params, fidelity)
                except BaseException:
                    store.fail(stage, trial)
                    raise
                store.tell(stage, trial, _objectives(outcome), outcome.constraints, asdict(outcome))
                progress.tell(outcome)
        return True
    finally:
        store.close()


def _objectives(outcome: Outcome) -> dict[str, float]:
    return {"accuracy": outcome.accuracy, "energy": outcome.energy, "latency": outcome.latency}


def _fill(store: Store, stage: int, definition: Definition) -> None:
    """Queue the base circuit at the first fidelity, and what the one before found promising at the others."""
    study = definition.study
    with store.locked():
        if stage == 0:
            values = base_values(definition.base, definition.variation, study.power)
            own = {name: values[name] for name in study.parameters.ranges}
            if all(one.low <= own[name] <= one.high for name, one in study.parameters.ranges.items()):
                store.enqueue(0, own, "base circuit")
            return
        designs = study.fidelities[stage].designs
        feasible = [trial for trial in store.complete(stage - 1) if is_feasible(trial)]
        if not feasible or designs is None:
            return
        costs = choose.smaller_is_better(np.array([trial.values for trial in feasible]), study.objectives)
        for k in choose.promising(costs, designs):
            store.enqueue(stage, feasible[k].params, f"trial {feasible[k].number}")
        for trial in feasible:  # beside them the base circuit, to be held against
            if trial.params == _base(definition):
                store.enqueue(stage, trial.params, f"trial {trial.number}")


def _base(definition: Definition) -> dict[str, float]:
    """The base circuit in the study's parameters."""
    values = base_values(definition.base, definition.variation, definition.study.power)
    return {name: values[name] for name in definition.study.parameters.ranges}


def is_feasible(trial: Any) -> bool:
    """Whether a finished trial of Optuna keeps all constraints."""
    return all(value <= 0 for value in trial.constraints.values())


class _Progress:
    """A line after each trial: how many, how good, how long still."""

    def __init__(self, store: Store, stage: int, target: int | None, tell: Tell) -> None:
        self._store, self._stage, self._target, self._tell = store, stage, target, tell
        self._began, self._already = time.monotonic(), len(store.complete(stage))

    def tell(self, outcome: Outcome) -> None:
        trials = self._store.complete(self._stage)
        feasible = [trial for trial in trials if is_feasible(trial)]
        every = self._target or len([t for t in self._store.trials(self._stage) if t.state.name != "FAIL"])
        each_s = (time.monotonic() - self._began) / max(len(trials) - self._already, 1)
        name = self._store.spec.fidelities[self._stage].name
        seen = (
            f"accuracy {outcome.accuracy:.1%}, {1e9 * outcome.energy:.3g} nJ, {1e9 * outcome.latency:.3g} ns"
            if outcome.feasible
            else "infeasible: " + ", ".join(key for key, value in outcome.constraints.items() if value > 0)
        )
        left_s = each_s * max(every - len(trials), 0)
        self._tell(
            f"{name}: {len(trials)} of {every} designs, {len(trials) - len(feasible)} infeasible; {seen}; "
            f"{each_s:.1f} s each, {left_s / 60:.1f} min left"
        )


def _difference(found: Any, wanted: Any, where: str = "") -> tuple[str, Any, Any] | None:
    """Path and both values of the first difference of two JSON structures."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            below = _difference(found.get(key), wanted.get(key), f"{where}.{key}".lstrip("."))
            if below:
                return below
        return None
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        items = (_difference(a, b, f"{where}[{k}]") for k, (a, b) in enumerate(zip(found, wanted, strict=True)))
        return next((one for one in items if one), None)
    return None if found == wanted else (where, _short(found), _short(wanted))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
