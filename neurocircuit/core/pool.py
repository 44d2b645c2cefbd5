"""Where tasks run (in this process, in processes of this machine, on Dask workers), and how progress is told.

Every long function of the package takes `jobs`, most take `scheduler`, and all take `progress: Progress = silent`. What
a function returns does not depend on any of the three.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, Protocol, TextIO, TypeVar

from neurocircuit.core import extras
from neurocircuit.core.interrupt import interrupted_once
from neurocircuit.core.provenance import machine_identity
from neurocircuit.errors import InputError, NeurocircuitError

P = ParamSpec("P")
Item = TypeVar("Item")
Value = TypeVar("Value")

_CONNECT_TIMEOUT = "10s"
_GRACE_s = 2.0  # that a worker has to kill its simulator before it is ended itself
_LINE_EVERY_s = 60.0  # where no bar can be drawn
_FIRST_LINE_s = 5.0  # so that who waits knows early for how long
_SUBMITTED_PER_SLOT = 2  # so that no slot waits for this process


class WorkerLost(NeurocircuitError):
    """A worker process ended without an answer, killed for memory for instance."""


class Progress(Protocol):
    """A function that hears how far a long function is."""

    def __call__(self, done: float, total: float, label: str = "") -> None:
        """Take note that `done` of `total` is done, in any unit; label: what was done last, in words.

        Both count the work of this call: what an interrupted one left finished is in neither, so that an estimate
        holds. A `done` that falls begins another part of the work; a label at 0 says what is about to be done.
        """


def silent(done: float, total: float, label: str = "") -> None:
    """Tell nothing: the default of every `progress`."""


def part_of(progress: Progress, k: int, parts: int, name: str = "") -> Progress:
    """Return the progress of part k of `parts` equal ones; name: the part's, in place of all labels."""

    def of_part(done: float, total: float, label: str = "") -> None:
        progress(k + done / total, parts, name or label)

    return of_part


@contextmanager
def shown(stream: TextIO | None = None, line_every_s: float = _LINE_EVERY_s) -> Iterator[Progress]:
    """Return a Progress for a user: a bar with an estimate on a terminal, elsewhere a plain line now and then.

    stream: default stderr. line_every_s: without a terminal, the shortest time between two lines; before the first 5 s
    are enough. A label at 0 is told at once.
    """
    stream = stream or sys.stderr
    if not stream.isatty():
        yield _lines(stream, line_every_s)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TaskProgressColumn(),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("to go"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("", total=None)

        def move(done: float, total: float, label: str = "") -> None:
            if done < bar.tasks[0].completed:
                bar.reset(task)
            bar.update(task, completed=done, total=total, description=label)

        yield move


def _lines(stream: TextIO, every_s: float) -> Progress:
    began_s = time.monotonic()
    last_s, last_done = began_s - max(every_s - _FIRST_LINE_s, 0.0), 0.0

    def line(done: float, total: float, label: str = "") -> None:
        nonlocal began_s, last_s, last_done
        now_s = time.monotonic()
        if done < last_done:
            began_s = now_s
        last_done = done
        if done == 0 and label:
            print(label, file=stream, flush=True)
            return
        if now_s - last_s < every_s or not total:
            return
        last_s = now_s
        left_s = (now_s - began_s) * (total / done - 1.0) if done else float("nan")
        remaining = "" if left_s != left_s else f", about {_duration(left_s)} to go"
        print(f"{done / total:.0%}{remaining}" + (f"; {label}" if label else ""), file=stream, flush=True)

    return line


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def default_jobs() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Pool:
    """An executor, how many tasks it works on at a time, and how many may be submitted to it at a time.

    lost: what its futures raise when a worker is gone.
    """

    executor: Executor
    slots: int = 1
    submitted: int = 1
    lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)

    def submit(self, function: Callable[P, Value], /, *args: P.args, **kwargs: P.kwargs) -> Future[Value]:
        """Give a task to the executor. Raise WorkerLost when its workers are gone."""
        try:
            return self.executor.submit(function, *args, **kwargs)
        except self.lost:
            raise WorkerLost(_LOST) from None

    def result(self, future: Future[Value]) -> Value:
        """Return what a task returned. Raise what it raised, and WorkerLost when its worker died."""
        try:
            return future.result()
        except self.lost:
            raise WorkerLost(_LOST) from None

    def run(self, function: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[tuple[Item, Value]]:
        """Yield each item with `function(item)`, in the order in which they end; items are taken as they are needed.

        Raise what a task raises, and WorkerLost.
        """
        waiting = iter(items)
        running: dict[Future[Value], Item] = {}
        while True:
            for item in islice(waiting, self.submitted - len(running)):
                running[self.submit(function, item)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), self.result(future)


_LOST = "a worker process was killed (out of memory?)"


class InProcess(Executor):
    """An executor that runs a task at once, in the calling thread; an interrupt leaves `submit`."""

    def submit(self, fn: Callable[P, Value], /, *args: P.args, **kwargs: P.kwargs) -> Future[Value]:
        """Return a finished future."""
        future: Future[Value] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


IN_PROCESS = Pool(InProcess())  # the pool of those who are given none


@contextmanager
def open_pool(jobs: int = 1, scheduler: str | None = None, preload: Sequence[str] = ()) -> Iterator[Pool]:
    """Open a pool of `jobs` workers; one is this process itself.

    scheduler: None for this machine, "local" for a Dask cluster on this machine, or the address of a running one.
    preload: modules that workers need, so that each starts in milliseconds.

    >>> with open_pool() as pool:
    ...     dict(pool.run(abs, [-2, 1]))
    {-2: 2, 1: 1}

    Raise InputError when Dask is missing, the scheduler does not answer, or its workers are of another type.
    """
    if jobs < 1:
        raise InputError(f"jobs must be >= 1, got {jobs}")
    if scheduler is not None:
        with _dask(jobs, scheduler) as pool:
            yield pool
    elif jobs == 1:
        yield IN_PROCESS
    else:
        with _processes(jobs, preload) as executor:
            yield Pool(executor, jobs, _SUBMITTED_PER_SLOT * jobs)


class _Workers(ProcessPoolExecutor):
    """Worker processes that begin nothing more once they were told to leave."""

    def submit(self, fn: Callable[P, Value], /, *args: P.args, **kwargs: P.kwargs) -> Future[Value]:
        """Return the future of a task."""
        return super().submit(_unless_leaving, fn, *args, **kwargs)


_leaving = threading.Event()  # of this worker


def _unless_leaving(function: Callable[P, Value], /, *args: P.args, **kwargs: P.kwargs) -> Value:
    if _leaving.is_set():  # the executor has caught the SystemExit of the task before
        os._exit(1)
    return function(*args, **kwargs)


@contextmanager
def _processes(jobs: int, preload: Sequence[str]) -> Iterator[ProcessPoolExecutor]:
    """Workers that end with this process; when the block is left by an exception, what they are at is broken off."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    # This end is the life of the workers: it closes when we leave, and when this process is killed.
    worker_end, main_end = context.Pipe(duplex=False)
    executor = _Workers(jobs, mp_context=context, initializer=_start, initargs=(worker_end,))
    clean = False
    with interrupted_once():
        try:
            yield executor
            clean = True
        finally:
            if not clean:
                main_end.close()
            executor.shutdown(wait=True, cancel_futures=True)
            main_end.close()
            worker_end.close()


def _start(life: Connection) -> None:
    """Prepare a worker process: it dies when the other end of `life` closes, that is with its parent at the latest.

    Ctrl-C is for the parent to handle. The end comes first as an exception in the main thread, so that a running
    simulator is killed by those who started it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_die_with_parent, args=(life,), daemon=True).start()


def _leave(number: int, frame: object) -> None:
    _leaving.set()
    raise SystemExit(1)


def _die_with_parent(life: Connection) -> None:
    life.poll(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_s)
    os._exit(1)


@contextmanager
def _dask(jobs: int, scheduler: str) -> Iterator[Pool]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise InputError(f"--scheduler needs Dask; type: {extras.install_line('distributed')}") from None
    logging.getLogger("distributed").setLevel(logging.ERROR)
    cluster: Any = None
    if scheduler == "local":
        # What fails comes back as an exception; a worker's last heartbeat into a closing scheduler is no news.
        cluster = distributed.LocalCluster(
            n_workers=jobs, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        )
    try:
        client = distributed.Client(cluster or scheduler, timeout=_CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--scheduler must be local or the address of a running Dask scheduler, got {scheduler!r}: {error}"
        ) from None
    try:
        _check_workers(client)
        slots = sum(client.nthreads().values())
        lost = (distributed.scheduler.KilledWorker,)
        yield Pool(client.get_executor(pure=False), slots, _SUBMITTED_PER_SLOT * slots, lost)
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def _check_workers(client: Any) -> None:
    """Results are stored under our processor type, versions and code: the workers' must be the same."""
    identity_here = machine_identity()
    identities = client.run(machine_identity)
    if not identities:
        raise InputError("--scheduler must have workers, got none")
    for address, identity in identities.items():
        for name, value in identity_here.items():
            if identity.get(name) != value:
                raise InputError(
                    f"Dask worker {address} must have the {name} of this machine, {value}, got {identity.get(name)}"
                )
