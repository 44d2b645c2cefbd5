"""Stages that run once for the same inputs: their order, their records, and progress with an estimate for them all."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocircuit.core.files import file_sha256, make_directory, read_json_object, write_atomically
from neurocircuit.core.pool import Progress
from neurocircuit.core.taskstore import TaskStore, key_of
from neurocircuit.errors import FileFormatError, InputError

RECORDS = "stages"  # folder of what has finished
_BEGUN = ".begun"


@dataclass(frozen=True)
class Stage:
    """A step of a loop, which leaves its files in a folder of its name.

    inputs: what determines it (JSON), beside the files of the stages that it reads. outputs: its files whose content
    determines those that follow. work: fills the folder; told whether that holds what an interrupted run of the same
    stage left. resumes_from: file there from which it can go on; "": it begins anew. cost_s: about how long it takes.
    """

    name: str
    title: str
    inputs: dict[str, Any]
    reads: tuple[str, ...]
    outputs: tuple[str, ...]
    cost_s: float
    work: Callable[[Path, bool, Progress], None]
    resumes_from: str = ""


@dataclass(frozen=True)
class Done:
    """A finished stage: seconds that it took when it ran, and whether that was before this call."""

    stage: Stage
    wall_s: float
    reused: bool


def run_stages(stages: Sequence[Stage], out: Path, progress: Progress) -> list[Done]:
    """Run the stages in `out`, one after another, but those that have finished with the same inputs and code.

    An interrupted stage goes on from where its own work can. Raise what a stage raises.
    """
    store, clock = TaskStore(out / RECORDS, indent=1), _Clock(progress)
    hashes: dict[str, dict[str, str]] = {}
    done = []
    for k, stage in enumerate(stages):
        key = key_of(
            {"stage": stage.name, "inputs": stage.inputs, "reads": {name: hashes[name] for name in stage.reads}}
        )
        record = _finished(stage, out, store, key)
        reused = record is not None
        if record is None:
            clock.begin(stage, stages[k:], f"stage {k + 1} of {len(stages)}: {stage.title}")
            record = _run(stage, out, store, key, clock.of_stage)
            clock.end(stage, record["wall_s"])
        hashes[stage.name] = record["outputs"]
        done.append(Done(stage, record["wall_s"], reused))
    return done


def _finished(stage: Stage, out: Path, store: TaskStore, key: str) -> dict[str, Any] | None:
    """Return the record of a stage that need not run: same key, and its files as it left them."""
    try:
        record = store.get(stage.name, key)
    except FileFormatError:  # damaged or by another version: it is written anew
        return None
    if record is None:
        return None
    folder = out / stage.name
    unchanged = all(
        (folder / name).is_file() and file_sha256(folder / name) == digest for name, digest in record["outputs"].items()
    )
    return record if unchanged else None


def _run(stage: Stage, out: Path, store: TaskStore, key: str, progress: Progress) -> dict[str, Any]:
    """Run a stage, from where it was interrupted if that was the same one, and record it."""
    folder, begun = out / stage.name, store.folder / f"{stage.name}{_BEGUN}"
    mark = {"key": key, "folder": str(folder)}  # a recipe names files by their paths
    can_resume = bool(stage.resumes_from) and (folder / stage.resumes_from).is_file()
    resume = can_resume and begun.is_file() and read_json_object(begun) == mark
    if not resume:
        _remove(folder)
        make_directory(store.folder)
        write_atomically(begun, json.dumps(mark) + "\n")
    make_directory(folder)
    began_s = time.monotonic()
    stage.work(folder, resume, progress)
    outputs = {name: file_sha256(folder / name) for name in stage.outputs}
    record = {"outputs": outputs, "wall_s": round(time.monotonic() - began_s, 1)}
    store.put(stage.name, key, record)
    begun.unlink(missing_ok=True)
    return record


def _remove(folder: Path) -> None:
    """Remove what other inputs left. Raise InputError naming what cannot be removed."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise InputError(f"cannot remove {folder}: {error.strerror}") from None


class _Clock:
    """Progress of all stages in seconds: those that ran, and the others by their costs, scaled by those that ran."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._began_s = time.monotonic()
        self._ran_s = self._ran_cost_s = 0.0
        self._stage_began_s = self._cost_s = self._after_s = 0.0
        self._title = ""

    def begin(self, stage: Stage, left: Sequence[Stage], title: str) -> None:
        """Begin a stage; `left`: it and those after it."""
        self._stage_began_s, self._title = time.monotonic(), title
        self._cost_s, self._after_s = stage.cost_s, sum(later.cost_s for later in left[1:])
        self.of_stage(0.0, 1.0)

    def end(self, stage: Stage, wall_s: float) -> None:
        """Learn from a stage that has ended."""
        self._ran_s += wall_s
        self._ran_cost_s += stage.cost_s

    def of_stage(self, done: float, total: float, label: str = "") -> None:
        """Hear the progress of the stage that runs; tell that of all."""
        passed_s = time.monotonic() - self._began_s
        in_stage_s = time.monotonic() - self._stage_began_s
        share = done / total if total else 0.0
        scale = self._ran_s / self._ran_cost_s if self._ran_cost_s else 1.0
        stage_s = in_stage_s / share if share > 0.05 else max(self._cost_s * scale, in_stage_s)
        if not self._ran_cost_s and share > 0.05:
            scale = stage_s / self._cost_s
        total_s = passed_s + max(stage_s - in_stage_s, 0.0) + self._after_s * scale
        self._progress(passed_s, total_s, f"{self._title}; {label}" if label else self._title)
