"""Run batches on any concurrent.futures.Executor: bounded queue, retries, no failed batch poisons the others."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from neurocircuit.core.pool import WorkerLost
from neurocircuit.studies.sweep.plan import Batch
from neurocircuit.studies.sweep.worker import BatchResult, compute

_IN_FLIGHT_PER_SLOT = 2
Result = TypeVar("Result")


@dataclass
class Task:
    """A batch under way: its key, the attempts made, and what they gave."""

    key: str
    batch: Batch
    attempts: int = 0
    result: BatchResult | None = None
    retried: list[dict[str, Any]] = field(default_factory=list)

    @property
    def trials_wanted(self) -> tuple[int, ...] | None:
        """The trials of the next attempt; None: all."""
        return None if self.result is None else self.result.to_retry

    @property
    def outcome(self) -> BatchResult:
        """What the attempts gave; there has been one."""
        if self.result is None:
            raise RuntimeError("no attempt was made")
        return self.result

    def add(self, result: BatchResult) -> None:
        """Take in an attempt: a retry adds what it mended to what stood."""
        self.attempts += 1
        if self.result is None:
            self.result = result
            return
        redone = self.result.to_retry
        fire_time = self.result.fire_time_over_tau.copy()
        index = np.array(redone) - self.batch.first
        fire_time[index] = result.fire_time_over_tau[index]
        kept = {trial: reason for trial, reason in self.result.failures.items() if trial not in redone}
        self.result = BatchResult(fire_time, kept | result.failures, self.result.duration_s + result.duration_s)

    def note_retry(self) -> None:
        """Record why another attempt is made."""
        for trial in self.outcome.to_retry:
            where = {"level": self.batch.level, "row": self.batch.row.name, "trial": trial}
            self.retried.append({**where, "attempt": self.attempts, "reason": self.outcome.failures[trial]})


def run_batches(
    batches: Iterable[tuple[str, Batch]], executor: Executor, slots: int, finished: Callable[[Task], None]
) -> None:
    """Compute batches given with their keys; `finished` gets each one as it ends, in any order.

    slots: how many the executor works on at a time. A failed trial is tried again as often as the testbench says.
    Raises WorkerLost when a worker process dies; whatever a batch raises (SimulatorMissing) ends the run.
    """
    waiting = iter(batches)
    running: dict[Future[BatchResult], Task] = {}
    exhausted = False
    while running or not exhausted:
        while not exhausted and len(running) < _IN_FLIGHT_PER_SLOT * slots:
            if (item := next(waiting, None)) is None:
                exhausted = True
            else:
                _submit(executor, running, Task(*item))
        done = wait(running, return_when=FIRST_COMPLETED).done
        for future in done:
            task = running.pop(future)
            task.add(answer(future))
            if task.trials_wanted and task.attempts <= task.batch.testbench.retries:
                task.note_retry()
                _submit(executor, running, task)
            else:
                finished(task)


def _submit(executor: Executor, running: dict[Future[BatchResult], Task], task: Task) -> None:
    try:
        running[executor.submit(compute, task.batch, task.trials_wanted)] = task
    except BrokenProcessPool:
        raise WorkerLost(_LOST) from None


def answer(future: Future[Result]) -> Result:
    """The result of a task; raises what it raised, WorkerLost when its process died."""
    try:
        return future.result()
    except BrokenProcessPool:
        raise WorkerLost(_LOST) from None


_LOST = "a worker process was killed (out of memory?)"
