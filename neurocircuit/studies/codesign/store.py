"""The trials on disk: an SQLite file of Optuna, one study for each fidelity, shared by any number of processes.

A worker holds a file lock as long as it lives. A trial that is running under a lock which is free has died with its
worker (kill -9 included: the kernel frees the lock); it is marked failed and its values are queued again. The sampler
of each trial is seeded by the study's seed and the trial's position among those that did not fail, so what one worker
tries does not depend on when it was killed.
"""

import fcntl
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from neurocircuit.errors import FileFormatError
from neurocircuit.results.codesign import Evaluated, Outcome
from neurocircuit.studies.codesign.study import MAXIMISED, CountRange, StudySpec

LARGEST_RETRIES = 2
_FILE, _LOCK, _WORKERS = "study.db", "study.lock", "workers"
_OUTCOME = "outcome"  # attribute of a trial
_TIMEOUT_s = 120.0  # for another process's write


class Finished:
    """No trial is left to ask for at a fidelity, and none runs."""


class Wait:
    """No trial is left to ask for, but others run: one of them may die and come back."""


class Store:
    """The studies of a folder, one for each fidelity, and this process's lock as a worker."""

    def __init__(self, out: Path, spec: StudySpec) -> None:
        """Open or create the storage. Raise FileFormatError for a file that is none of Optuna."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.out, self.spec = out, spec
        (out / _WORKERS).mkdir(parents=True, exist_ok=True)
        self.worker = uuid4().hex
        self._worker_lock = (out / _WORKERS / self.worker).open("w")
        fcntl.flock(self._worker_lock, fcntl.LOCK_EX)
        with self.locked():
            try:
                self._storage = optuna.storages.RDBStorage(
                    f"sqlite:///{(out / _FILE).resolve()}", engine_kwargs={"connect_args": {"timeout": _TIMEOUT_s}}
                )
            except Exception as error:  # SQLAlchemy's and Optuna's have no common base but this
                raise FileFormatError(f"{out / _FILE} is no storage of trials: {type(error).__name__}") from None
            directions = [
                StudyDirection.MAXIMIZE if name in MAXIMISED else StudyDirection.MINIMIZE for name in spec.objectives
            ]
            self.studies = [
                optuna.create_study(
                    storage=self._storage, study_name=fidelity.name, directions=directions, load_if_exists=True
                )
                for fidelity in spec.fidelities
            ]

    def close(self) -> None:
        """Give the worker's lock back."""
        self._worker_lock.close()
        (self.out / _WORKERS / self.worker).unlink(missing_ok=True)
        self._storage.engine.dispose()

    def locked(self) -> AbstractContextManager[None]:
        """Return a lock that one process at a time holds."""
        return folder_lock(self.out)

    def trials(self, stage: int) -> list[FrozenTrial]:
        """Return all trials of a fidelity, by number."""
        return self.studies[stage].get_trials(deepcopy=False)

    def complete(self, stage: int) -> list[FrozenTrial]:
        """Return the finished trials of a fidelity, by number."""
        return [trial for trial in self.trials(stage) if trial.state == TrialState.COMPLETE]

    def enqueue(self, stage: int, values: Mapping[str, float], source: str) -> None:
        """Put values in the queue of a fidelity, once for each source. Call it inside `locked`."""
        kept = [trial for trial in self.trials(stage) if trial.state != TrialState.FAIL]
        if all(trial.user_attrs.get("source") != source for trial in kept):
            self.studies[stage].enqueue_trial(dict(values), user_attrs={"source": source})

    def ask(self, stage: int, target: int | None) -> Trial | Finished | Wait:
        """Return the next trial of a fidelity; target: trials of the sampler in all, None: only of the queue."""
        with self.locked():
            self._reclaim(stage)
            states = [trial.state for trial in self.trials(stage) if trial.state != TrialState.FAIL]
            waiting, running = states.count(TrialState.WAITING), states.count(TrialState.RUNNING)
            if not waiting and (target is None or len(states) >= target):
                return Wait() if running else Finished()
            study = self.studies[stage]
            study.sampler = self._sampler(stage, len(states) - waiting)
            with _quiet():
                trial = study.ask(_distributions(self.spec))
            trial.set_user_attr("worker", self.worker)
            return trial

    def tell(self, stage: int, trial: Trial, outcome: Outcome) -> None:
        """Store the outcome of a trial."""
        objectives = {"accuracy": outcome.accuracy, "energy": outcome.energy, "latency": outcome.latency}
        with self.locked():  # SQLite refuses two that read and then write at once
            for name, value in outcome.constraints.items():
                trial.set_constraint(name, value)
            trial.set_user_attr(_OUTCOME, outcome.model_dump(mode="json"))
            self.studies[stage].tell(trial, [objectives[name] for name in self.spec.objectives])

    def fail(self, stage: int, trial: Trial) -> None:
        """Mark a trial whose evaluation raised an error."""
        with self.locked():
            self.studies[stage].tell(trial, state=TrialState.FAIL)

    def _reclaim(self, stage: int) -> None:
        """Queue the trials again whose worker died."""
        for trial in self.trials(stage):
            if trial.state != TrialState.RUNNING or self._alive(trial.user_attrs.get("worker", "")):
                continue
            self.studies[stage].tell(trial.number, state=TrialState.FAIL)
            retries = trial.user_attrs.get("retries", 0) + 1
            if retries > LARGEST_RETRIES:
                continue
            kept = {"retries": retries, "source": trial.user_attrs.get("source", f"again {trial.number}")}
            values = trial.system_attrs.get("fixed_params", {}) | trial.params
            if (
                values.keys() == self.spec.parameters.ranges.keys()
            ):  # else killed while its values were drawn: they are drawn again
                self.studies[stage].enqueue_trial(values, user_attrs=kept)

    def _alive(self, worker: str) -> bool:
        if worker == self.worker:
            return True
        try:
            with (self.out / _WORKERS / worker).open("r") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _sampler(self, stage: int, position: int) -> optuna.samplers.BaseSampler:
        seed = int(np.random.SeedSequence([self.spec.seed, stage, position]).generate_state(1)[0])
        if self.spec.sampler == "nsga2":
            return optuna.samplers.NSGAIISampler(population_size=self.spec.population, seed=seed)
        return optuna.samplers.TPESampler(n_startup_trials=self.spec.population, seed=seed)


@contextmanager
def folder_lock(out: Path) -> Iterator[None]:
    """Hold the lock of a study's folder."""
    with (out / _LOCK).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def pause(seconds: float = 0.5) -> None:
    """Wait until other workers may have finished a trial."""
    time.sleep(seconds)


def outcome_of(trial: FrozenTrial) -> Outcome:
    """Return what was stored of a finished trial."""
    return Outcome.model_validate(trial.user_attrs[_OUTCOME])


def is_feasible(trial: FrozenTrial) -> bool:
    """Return whether a finished trial keeps all constraints."""
    return all(value <= 0 for value in trial.constraints.values())


def is_evaluated(trial: FrozenTrial) -> bool:
    """Return whether the design of a finished trial was run, feasible or not."""
    return isinstance(outcome_of(trial).details, Evaluated)


def _distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    return {
        name: IntDistribution(parameter.low, parameter.high)
        if isinstance(parameter, CountRange)
        else FloatDistribution(parameter.low, parameter.high, log=parameter.scale == "log")
        for name, parameter in spec.parameters.ranges.items()
    }


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
