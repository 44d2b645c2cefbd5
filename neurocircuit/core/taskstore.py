"""Tasks by name and key in a folder of JSON files: what is finished is not run again, by a later call or after kill -9.

One file is one finished task: the JSON object that the task returned, and in the field `task` its key and a digest of
both. The key is a hash of all that determines the result: the inputs that the task names, and this machine's
processor, versions and code (`provenance.machine_identity`). A file of the same name by other inputs, other code or
another machine is stale: its task runs anew, and its result takes the file's place. Files appear whole or not at all,
and any number of processes may write into one folder.

Two things are kept otherwise: trials of a co-design study, which several workers share (an Optuna storage,
studies/codesign/store.py), and the state of a training run, which grows and is no set of tasks (snn/checkpoint.py).
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from neurocircuit.core.files import make_directory, read_json_object, write_atomically
from neurocircuit.core.pool import Pool, Progress, silent
from neurocircuit.core.provenance import machine_identity
from neurocircuit.errors import FileFormatError

SCHEMA = 1
_FIELD = "task"

Value = dict[str, Any]


def sha256_of(content: Mapping[str, Any]) -> str:
    """Return the hash of JSON content, whatever the order of its names."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def key_of(inputs: Mapping[str, Any], machine: Mapping[str, str] | None = None) -> str:
    """Return the key of a task with these inputs (JSON) on a machine with its code; default: this one."""
    return sha256_of({"inputs": inputs, "machine": machine or machine_identity()})


def arrays_sha256(arrays: Iterable[NDArray[Any]]) -> str:
    """Return the hash of arrays, to stand for them among the inputs of a key."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def read_task(path: Path) -> tuple[Value, str | None]:
    """Return what a file's task returned, and its key; None for a JSON object that no store wrote.

    Raise InputError or FileFormatError naming a file that cannot be read, is damaged, or was changed.
    """
    value = read_json_object(path)
    if _FIELD not in value:
        return value, None
    mark = value.pop(_FIELD)
    if not isinstance(mark, dict) or mark.get("schema") != SCHEMA or not isinstance(mark.get("key"), str):
        raise FileFormatError(f"{path} must hold a finished task of schema {SCHEMA}, got {str(mark)[:60]}; remove it")
    if mark.get("sha256") != sha256_of({"key": mark["key"], "value": value}):
        raise FileFormatError(f"{path} was changed after it was written: it does not match its digest; remove it")
    return value, mark["key"]


@dataclass(frozen=True)
class Task:
    """A piece of work that depends on nothing but its key.

    name: of its file below the store's folder, without suffix. work: picklable; returns a JSON object. cost: its share
    of the progress bar, in any unit.
    """

    name: str
    key: str
    work: Callable[[], Value]
    cost: float = 1.0


class TaskStore:
    """The finished tasks in a folder, which `put` makes when there is none. indent: of the files' JSON."""

    def __init__(self, folder: Path, indent: int | None = None) -> None:
        self.folder, self._indent = folder, indent

    def path(self, name: str) -> Path:
        """Return the file of a task."""
        return self.folder / f"{name}.json"

    def get(self, name: str, key: str) -> Value | None:
        """Return what a task returned; None when it has not finished, or its file has another key.

        Raise FileFormatError naming a file that is damaged, foreign, or was changed after it was written.
        """
        path = self.path(name)
        if not path.exists():
            return None
        value, its_key = read_task(path)
        if its_key is None:
            raise FileFormatError(f"{path} must hold a finished task, got another file; remove it")
        return value if its_key == key else None

    def put(self, name: str, key: str, value: Value) -> None:
        """Store what a task returned; safe against the end of this process when it returns.

        Not forced to disk, which would cost more than many a task: after a power cut a file may be damaged, which `get`
        says. Raise InputError naming what cannot be written.
        """
        path = self.path(name)
        make_directory(path.parent)
        mark = {"schema": SCHEMA, "key": key, "sha256": sha256_of({"key": key, "value": value})}
        content = json.dumps({_FIELD: mark} | value, indent=self._indent) + "\n"
        write_atomically(path, content, force_to_disk=False)

    def clear(self) -> None:
        """Remove the folder: a larger task that needed these has finished."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def finished(self, tasks: Iterable[Task]) -> dict[str, Value]:
        """Return by name what the finished ones of these tasks returned. Raise as `get`."""
        stored = ((task.name, self.get(task.name, task.key)) for task in tasks)
        return {name: value for name, value in stored if value is not None}


def run_tasks(
    tasks: Iterable[Task],
    store: TaskStore | None,
    pool: Pool,
    progress: Progress = silent,
    *,
    is_final: Callable[[Value], bool] = lambda value: True,
    describe: Callable[[Value], str] = lambda value: "",
) -> dict[str, Value]:
    """Return by name what tasks returned, in their order; the store's finished ones do not run.

    store: None runs all and keeps nothing. is_final: what a later call need not try again, so what is stored.
    describe: a value in a few words, for the progress, which also hears at first how many tasks are reused.

    Raise what a task raises, and WorkerLost; finished tasks then stay in the store. Raise as `TaskStore.get`.
    """
    all_tasks = list(tasks)
    values = store.finished(all_tasks) if store is not None else {}
    missing = [task for task in all_tasks if task.name not in values]
    done, total = 0.0, sum(task.cost for task in missing)
    if store is not None and (reused := reuse_text(store, len(values), missing)):
        progress(done, total, reused)
    for task, value in pool.run(_work, missing):
        if store is not None and is_final(value):
            store.put(task.name, task.key, value)
        values[task.name] = value
        done += task.cost
        description = describe(value)
        progress(done, total, f"{task.name}: {description}" if description else task.name)
    return {task.name: values[task.name] for task in all_tasks}


def reuse_text(store: TaskStore, reused: int, missing: Collection[Task]) -> str:
    """Return how many tasks are reused and how many run anew, in a line; empty where the store holds none of them."""
    stale = sum(store.path(task.name).exists() for task in missing)
    if not reused and not stale:
        return ""
    reason = f", {stale} of them because other inputs or other code made their files" if stale else ""
    return f"finished tasks: {reused} reused, {len(missing)} computed anew{reason}"


def _work(task: Task) -> Value:
    return task.work()
