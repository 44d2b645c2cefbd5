"""Run a characterisation: each measurement at each condition is a task and a file; what is there is not repeated."""

import json
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from neurocircuit import __version__
from neurocircuit.core.files import read_json, write_atomically
from neurocircuit.core.pool import open_pool
from neurocircuit.errors import InputError, NeurocircuitError, SimulatorError
from neurocircuit.process import result
from neurocircuit.process.context import Context
from neurocircuit.process.request import NEEDS, Request, slug
from neurocircuit.process.result import Measured
from neurocircuit.spec import Condition
from neurocircuit.spice import ngspice
from neurocircuit.spice.process import load

REQUEST, RUN, FAILED = "request.json", "run.json", ".failed.txt"
_MODULES = {name: f"neurocircuit.process.measurements.{name}" for name in NEEDS}


@dataclass(frozen=True)
class Event:
    """One finished task, for the progress line. error: "" when it succeeded; skipped: it was there already."""

    condition: Condition
    measurement: str
    error: str
    duration_s: float
    skipped: bool = False


Task = tuple[int, str]
Work = Callable[[Request, Condition, str, dict[str, Measured], Path], Measured]


def begin(request: Request, out: Path, resume: bool) -> None:
    """Make or check the run directory. Raises InputError in one line that says what stands there and how to go on."""
    path = out / REQUEST
    if path.exists():
        found = read_json(path)
        if found != request.to_dict():
            different = next(key for key in request.to_dict() if found.get(key) != request.to_dict()[key])
            raise InputError(
                f"--out {out} holds a run of another request ({different} = {found.get(different)!r}, asked for "
                f"{request.to_dict()[different]!r}); give another directory"
            )
        if not resume and not (out / RUN).exists():
            raise InputError(f"--out {out} holds an unfinished run; continue it with --resume")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out} holds other files and no characterisation; give an empty or a new directory")
    elif resume:
        raise InputError(f"--resume must name the directory of a run, got {out}")
    try:
        for condition in request.conditions:
            (out / "conditions" / slug(condition)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write in {out}: {error.strerror}") from None
    write_atomically(path, json.dumps(request.to_dict(), indent=1) + "\n")


def execute(
    request: Request,
    out: Path,
    jobs: int,
    command: tuple[str, ...],
    tell: Callable[[Event], None],
    work: Work | None = None,
) -> dict[str, Any]:
    """Run every task that has no file yet; writes run.json and returns its content.

    work: makes one measurement; by default the module of its name. A measurement that fails leaves its reason, those
    that need it are left out, the others go on.
    """
    began = time.monotonic()
    load(request.process)  # an unknown process is told before anything runs
    cpu_s = 0.0
    with open_pool(jobs, preload=tuple(_MODULES.values())) as pool:
        for event, measured in _tasks(request, out, pool.executor, jobs, work or measure):
            cpu_s += 0.0 if event.skipped or measured is None else measured.cpu_s
            tell(event)
    failed = [
        {"condition": slug(condition), "measurement": name, "reason": path.read_text(encoding="utf-8").strip()}
        for condition in request.conditions
        for name in request.at(condition)
        if (path := _file(out, condition, name).with_suffix(FAILED)).exists()
    ]
    record = {
        "status": "partial" if failed else "complete",
        "exit_code": 3 if failed else 0,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "duration_s": round(time.monotonic() - began, 1),
        "cpu_s": round(cpu_s, 1),
        "failed": failed,
        "versions": {"neurocircuit": __version__, "ngspice": ngspice.version().number},
        "command": list(command),
    }
    write_atomically(out / RUN, json.dumps(record, indent=1, allow_nan=False) + "\n")
    return record


def results(out: Path, condition: Condition, request: Request) -> dict[str, Measured]:
    """What has been measured at a condition. Raises FileFormatError naming a damaged file."""
    paths = {name: _file(out, condition, name) for name in request.at(condition)}
    return {name: result.load(path) for name, path in paths.items() if path.exists()}


def _tasks(
    request: Request, out: Path, pool: Executor, jobs: int, work: Work
) -> Iterator[tuple[Event, Measured | None]]:
    """Every task in an order that its needs allow; at most `jobs` at a time."""
    done = [results(out, condition, request) for condition in request.conditions]
    state: dict[Task, str] = {}
    for k, condition in enumerate(request.conditions):
        for name in request.at(condition):
            state[k, name] = "done" if name in done[k] else "open"
            if name in done[k]:
                yield Event(condition, name, "", 0.0, skipped=True), done[k][name]
            _file(out, condition, name).with_suffix(FAILED).unlink(missing_ok=True)
    running: dict[Future[Measured], tuple[Task, float]] = {}
    while True:
        for task, was in state.items():
            condition = request.conditions[task[0]]
            needs = [state[task[0], need] for need in NEEDS[task[1]]]
            if was == "open" and "failed" in needs:
                state[task] = "failed"
                need = next(need for need in NEEDS[task[1]] if state[task[0], need] == "failed")
                yield _failed(request, out, task, f"it needs {need}, which failed", 0.0), None
            elif was == "open" and all(need == "done" for need in needs) and len(running) < jobs:
                state[task] = "running"
                future = pool.submit(
                    work, request, condition, task[1], done[task[0]], _file(out, condition, task[1]).parent
                )
                running[future] = task, time.monotonic()
        if not running:
            if "open" not in state.values():
                return
            continue
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task, began = running.pop(future)
            try:
                measured = future.result()
            except (SimulatorError, InputError) as error:
                state[task] = "failed"
                yield _failed(request, out, task, _reason(error), time.monotonic() - began), None
                continue
            state[task], done[task[0]][task[1]] = "done", measured
            condition = request.conditions[task[0]]
            result.save(_file(out, condition, task[1]), measured)
            yield Event(condition, task[1], "", time.monotonic() - began), measured


def measure(request: Request, condition: Condition, name: str, done: dict[str, Measured], folder: Path) -> Measured:
    """Make one measurement at a condition from what was measured there before. Raises SimulatorError, InputError."""
    module = import_module(_MODULES[name])
    measured: Measured = module.measure(Context(load(request.process), condition, request, done, folder))
    return measured


def _failed(request: Request, out: Path, task: Task, reason: str, duration_s: float) -> Event:
    condition = request.conditions[task[0]]
    write_atomically(_file(out, condition, task[1]).with_suffix(FAILED), reason + "\n")
    return Event(condition, task[1], reason, duration_s)


def _reason(error: NeurocircuitError) -> str:
    return ngspice.reason_of(error) if isinstance(error, SimulatorError) else str(error)


def _file(out: Path, condition: Condition, name: str) -> Path:
    return out / "conditions" / slug(condition) / f"{name}.json"
