"""The work on one batch: its draws evaluated, failed ones tried again."""

import base64
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.core.taskstore import Task
from neurocircuit.errors import SimulatorError, SimulatorMissing
from neurocircuit.neuron import levels
from neurocircuit.neuron.record import FireRecord
from neurocircuit.studies.sweep.draws import draw, noise_seeds
from neurocircuit.studies.sweep.ledger import name_of
from neurocircuit.studies.sweep.plan import COSTLY_LEVEL, Batch

BEFORE_ARMING = "a jittered input precedes arming"


@dataclass(frozen=True)
class BatchResult:
    """Fire times of a batch, units of tau from arming: inf silent, nan failed, with the reason by trial.

    retries: (trial, attempt, reason) of each failure that another attempt followed.
    """

    fire_time_over_tau: Floats
    failures: dict[int, str]
    duration_s: float
    retries: tuple[tuple[int, int, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON; the times as bytes, so that they come back exactly."""
        return {
            "fire_time_over_tau": base64.b64encode(self.fire_time_over_tau.astype("<f8").tobytes()).decode(),
            "failures": {str(trial): reason for trial, reason in self.failures.items()},
            "duration_s": self.duration_s,
            "retries": [list(retry) for retry in self.retries],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return what `to_dict` gave."""
        fire_time = np.frombuffer(base64.b64decode(values["fire_time_over_tau"]), dtype="<f8").astype(np.float64)
        failures = {int(trial): reason for trial, reason in values["failures"].items()}
        retries = tuple((trial, attempt, reason) for trial, attempt, reason in values["retries"])
        return cls(fire_time, failures, values["duration_s"], retries)

    @property
    def to_retry(self) -> tuple[int, ...]:
        """Trials that another attempt may mend: all failed ones but those that the draw itself rules out."""
        return tuple(sorted(trial for trial, reason in self.failures.items() if reason != BEFORE_ARMING))


def evaluate(batch: Batch) -> BatchResult:
    """Evaluate a batch; failed trials are tried again as often as the testbench says. Raise SimulatorMissing."""
    result, retries = compute(batch), []
    for attempt in range(1, batch.testbench.retries + 1):
        to_retry = result.to_retry
        if not to_retry:
            break
        retries += [(trial, attempt, result.failures[trial]) for trial in to_retry]
        new = compute(batch, to_retry)
        fire_time, redone = result.fire_time_over_tau.copy(), np.array(to_retry) - batch.first
        fire_time[redone] = new.fire_time_over_tau[redone]
        kept = {trial: reason for trial, reason in result.failures.items() if trial not in to_retry}
        result = BatchResult(fire_time, kept | new.failures, result.duration_s + new.duration_s)
    return replace(result, retries=tuple(retries))


def task_of(key: str, batch: Batch) -> Task:
    """Return the batch as a task of the ledger."""
    return Task(name_of(key), key, partial(_work, batch), batch.cost)


def _work(batch: Batch) -> dict[str, Any]:
    return evaluate(batch).to_dict()


def compute(batch: Batch, only: tuple[int, ...] | None = None) -> BatchResult:
    """Evaluate a batch, or of its trials those in `only`; the others then stay nan.

    A simulator error becomes the failure of the trials it concerns. Raise SimulatorMissing.
    """
    start = time.perf_counter()
    t_over_tau, weights, start_rad = inputs(batch)
    fire_time, failures = np.full(batch.count, np.nan), {}
    selected = np.ones(batch.count, dtype=bool) if only is None else np.isin(_trials(batch), only)
    early = (t_over_tau < 0).any(axis=1)
    failures.update({int(trial): BEFORE_ARMING for trial in _trials(batch)[early & selected]})
    chosen = np.flatnonzero(selected & ~early)
    if chosen.size:
        try:
            record = _evaluate(batch, t_over_tau[chosen], weights[chosen], start_rad[chosen], chosen)
        except SimulatorMissing:
            raise
        except SimulatorError as error:
            failures.update({int(trial): _one_line(str(error)) for trial in _trials(batch)[chosen]})
        else:
            fire_time[chosen] = record.fire_time_over_tau
            for k in np.flatnonzero(np.isnan(record.fire_time_over_tau)):
                reason = record.failures.get(int(k), "not a number")
                failures[int(_trials(batch)[chosen[k]])] = _one_line(reason)
    return BatchResult(fire_time, failures, time.perf_counter() - start)


def prepare(batch: Batch) -> None:
    """One draw of a level and neuron: it refuses the neuron here (InputError) or never. Raise SimulatorMissing.

    A draw of the costly level is too dear for that. Its saved states are made here instead, once for all processes;
    where they cannot be made, each draw will say why.
    """
    if batch.level != COSTLY_LEVEL:
        compute(replace(batch, first=0, count=1))
        return
    try:
        levels.arming(batch.level, batch.spec, np.zeros((1, 2)), len(batch.testbench.weights))
    except SimulatorMissing:
        raise
    except SimulatorError:
        return


def _evaluate(
    batch: Batch, t_over_tau: Floats, weights: Floats, start_rad: Floats, chosen: NDArray[np.intp]
) -> FireRecord:
    """Evaluate the chosen trials of the batch; only the disturbed rows have noise."""
    spec, noise_seed = batch.spec, None
    if batch.row.is_disturbed and spec.is_noisy:
        noise_seed = noise_seeds(batch.seed, batch.row.number, batch.first, batch.count)[chosen]
    else:
        spec = spec.without_noise()
    return levels.evaluate(
        batch.level,
        spec,
        t_over_tau,
        weights,
        start_rad=start_rad,
        noise_seed=noise_seed,
        timeout_s=batch.testbench.timeout_s,
        refined=batch.row.kind == "floor",
    )


def inputs(batch: Batch) -> tuple[Floats, Floats, Floats]:
    """Return the input times and weights [trial, input] of the batch's row, and start phases [trial, 2].

    Where the neuron has transistors, weights are put on the codes of its bank, at every level.
    """
    draws = draw(batch.spec, batch.testbench, batch.seed, batch.first, batch.count)
    row, bank = batch.row, batch.spec.weight_bank
    times, weights = draws.t_over_tau, draws.weights
    if row.half == "bits":
        weights = draws.quantised_weights
        if row.is_disturbed:
            weights = bank.with_bits(int(row.value)).quantise(weights)
    elif row.is_disturbed:
        times = draws.jittered_over_tau(batch.testbench, row.value)
    return times, weights if batch.spec.circuit is None else bank.quantise(weights), draws.start_rad


def _trials(batch: Batch) -> NDArray[np.int_]:
    return np.arange(batch.first, batch.first + batch.count)


def _one_line(text: str) -> str:
    return " ".join(text.split())
