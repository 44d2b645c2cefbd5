"""Run a characterisation: each measurement at each condition is a task of a store, and is not made twice.

The store is the folder `conditions` of the run: a file for each measurement, which the datasheet is made from.
"""

import json
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from importlib import import_module
from pathlib import Path
from typing import Any

from neurocircuit.core.files import make_directory, read_json, write_atomically
from neurocircuit.core.pool import Pool, Progress, open_pool, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.taskstore import TaskStore, key_of
from neurocircuit.errors import InputError, NeurocircuitError, SimulatorError
from neurocircuit.process.context import Context
from neurocircuit.process.request import NEEDS, Request, slug
from neurocircuit.results.measurement import Measured
from neurocircuit.spec import Condition
from neurocircuit.spice import ngspice
from neurocircuit.spice.process import cells_text, load

REQUEST, RUN, CONDITIONS = "request.json", "run.json", "conditions"
_MODULES = {name: f"neurocircuit.process.measurements.{name}" for name in NEEDS}

Work = Callable[[Request, Condition, str, dict[str, Measured], Path], Measured]


def begin(request: Request, out: Path, resume: bool) -> None:
    """Make or check the run directory. Raise InputError in one line that says what stands there and how to go on."""
    path = out / REQUEST
    if path.exists():
        held = read_json(path)
        if held != request.to_dict():
            new = request.to_dict()
            different = next(key for key in {**new, **held} if held.get(key) != new.get(key))
            raise InputError(
                f"--out {out} holds a run of another request ({different} = {held.get(different)!r}, asked for "
                f"{new.get(different)!r}); give another directory"
            )
        if not resume and not (out / RUN).exists():
            raise InputError(f"--out {out} holds an unfinished run; continue it with --resume")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out} holds other files and no characterisation; give an empty or a new directory")
    elif resume:
        raise InputError(f"--resume must name the directory of a run, got {out}")
    for condition in request.conditions:
        make_directory(out / CONDITIONS / slug(condition))
    write_atomically(path, json.dumps(request.to_dict(), indent=1) + "\n")


def execute(
    request: Request,
    out: Path,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
    work: Work | None = None,
) -> dict[str, Any]:
    """Make every measurement that the store lacks; write run.json and return its content.

    work: makes one measurement; by default the module of its name. A measurement that fails is named with its reason,
    those that need it are left out, the others go on; the next call tries again. A measurement by other code is made
    anew.

    Raise InputError for an unknown process and for an unusable scheduler, FileFormatError for a damaged measurement,
    WorkerLost.
    """
    clock, run = RunClock(), _Run(request, out, work or measure, progress)
    with open_pool(jobs, scheduler, tuple(_MODULES.values())) as pool:
        run.make_all(pool)
    failed = [
        {"condition": slug(request.conditions[k]), "measurement": name, "reason": reason}
        for (k, name), reason in sorted(run.failed.items(), key=lambda item: run.order.index(item[0]))
    ]
    record = {
        "kind": "characterisation",
        "schema": 1,
        "run": clock.record().model_dump(),
        "status": "partial" if failed else "complete",
        "exit_code": 3 if failed else 0,
        "failed": failed,
        "ngspice": ngspice.version().number,
        "jobs": jobs,
        "scheduler": scheduler,
    }
    write_atomically(out / RUN, json.dumps(record, indent=1, allow_nan=False) + "\n")
    return record


def results(out: Path, condition: Condition, request: Request) -> dict[str, Measured]:
    """Return what has been measured at a condition, by this code. Raise as `execute` for a damaged file."""
    store = _store(out)
    stored = (
        (name, store.get(_name(condition, name), _key(request, condition, name))) for name in request.at(condition)
    )
    return {name: Measured.from_dict(value) for name, value in stored if value is not None}


STILL_RUNNING_s = 30.0  # after so long without a finished measurement the progress names the oldest that runs

_Task = tuple[int, str]  # number of the condition, measurement


class _Run:
    """The measurements of a request, each made when those that it needs are there."""

    def __init__(self, request: Request, out: Path, work: Work, progress: Progress) -> None:
        self.request, self.work, self.progress = request, work, progress
        self.store = _store(out)
        self.done = [results(out, condition, request) for condition in request.conditions]
        self.order = [(k, name) for k, condition in enumerate(request.conditions) for name in request.at(condition)]
        self.open = [(k, name) for k, name in self.order if name not in self.done[k]]
        self.reused = len(self.order) - len(self.open)
        self.failed: dict[_Task, str] = {}
        self._remove_stale()

    def _remove_stale(self) -> None:
        """Remove measurements by other code, and with them the record that the run has finished; say how many."""
        stale = [
            path for k, name in self.open if (path := self.store.path(_name(self.request.conditions[k], name))).exists()
        ]
        if stale:
            (self.store.folder.parent / RUN).unlink(missing_ok=True)
        for path in stale:
            path.unlink()
        if self.reused or stale:
            reason = f", {len(stale)} of them because other code made their files" if stale else ""
            text = f"measurements: {self.reused} reused, {len(self.open)} made anew{reason}"
            self.progress(0, len(self.open), text)

    def make_all(self, pool: Pool) -> None:
        """Make what is open, as many at a time as the pool has slots."""
        running: dict[Future[Measured], tuple[_Task, float]] = {}
        while self.open or running:
            self._give_up_what_needs_a_failed_one()
            for task in [task for task in self.open if self._is_ready(task)][: pool.slots - len(running)]:
                self.open.remove(task)
                self._tell(task, "running")
                running[self._submit(pool, task)] = task, time.monotonic()
            ended = wait(running, timeout=STILL_RUNNING_s, return_when=FIRST_COMPLETED).done if running else set()
            if running and not ended:
                task, began_s = min(running.values(), key=lambda value: value[1])
                self._tell(task, f"running for {time.monotonic() - began_s:.0f} s")
            for future in ended:
                task, began_s = running.pop(future)
                self._finish(pool, task, future, time.monotonic() - began_s)

    def _is_ready(self, task: _Task) -> bool:
        return all(need in self.done[task[0]] for need in NEEDS[task[1]])

    def _submit(self, pool: Pool, task: _Task) -> Future[Measured]:
        k, name = task
        condition = self.request.conditions[k]
        folder = self.store.folder / slug(condition)
        needed = {need: self.done[k][need] for need in NEEDS[name]}  # no more: nothing hangs on the order
        return pool.submit(self.work, self.request, condition, name, needed, folder)

    def _finish(self, pool: Pool, task: _Task, future: Future[Measured], duration_s: float) -> None:
        k, name = task
        try:
            measured = pool.result(future)
        except (SimulatorError, InputError) as error:
            self._fail(task, _reason(error))
            return
        condition = self.request.conditions[k]
        self.store.put(_name(condition, name), _key(self.request, condition, name), measured.to_dict())
        self.done[k][name] = measured
        self._tell(task, f"done ({duration_s:.1f} s)")

    def _give_up_what_needs_a_failed_one(self) -> None:
        for k, name in list(self.open):
            failed = next((need for need in NEEDS[name] if (k, need) in self.failed), None)
            if failed is not None:
                self.open.remove((k, name))
                self._fail((k, name), f"it needs {failed}, which failed")

    def _fail(self, task: _Task, reason: str) -> None:
        self.failed[task] = reason
        self._tell(task, f"failed: {reason}")

    def _tell(self, task: _Task, what: str) -> None:
        made = len(self.failed) + sum(map(len, self.done)) - self.reused
        self.progress(
            made, len(self.order) - self.reused, f"{slug(self.request.conditions[task[0]])} {task[1]}: {what}"
        )


def measure(request: Request, condition: Condition, name: str, done: dict[str, Measured], folder: Path) -> Measured:
    """Make one measurement at a condition from those that it needs. Raise SimulatorError, InputError."""
    module = import_module(_MODULES[name])
    measured: Measured = module.measure(
        Context(load(request.process).with_synapses(request.synapses), condition, request, done, folder)
    )
    return measured


def identity(process: str, condition: Condition) -> dict[str, Any]:
    """Return what determines a measurement at a condition beside request and code: models, cells, simulator."""
    installed = load(process)
    return {
        "condition": condition.to_dict(),
        "process": installed.toml_sha256,
        "models": installed.models_sha256(condition.corner),
        "cells": cells_text(installed.process, installed.own_cells),
        "ngspice": ngspice.version().number,
    }


def _key(request: Request, condition: Condition, name: str) -> str:
    """Return the key of a measurement; which others are asked for does not enter."""
    settings: dict[str, Any] = {"resolution": request.resolution, "cases": request.cases, "seed": request.seed}
    settings |= {"synapses": request.synapses}
    return key_of({"measurement": name} | settings | identity(request.process, condition))


def _store(out: Path) -> TaskStore:
    return TaskStore(out / CONDITIONS, indent=1)


def _name(condition: Condition, name: str) -> str:
    return f"{slug(condition)}/{name}"


def _reason(error: NeurocircuitError) -> str:
    return ngspice.reason_of(error) if isinstance(error, SimulatorError) else str(error)
