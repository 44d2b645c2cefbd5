"""Where batches run: in this process, in processes of this machine, or on Dask workers."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from neurocircuit.core.provenance import machine_identity
from neurocircuit.core.workers import processes
from neurocircuit.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")

# Imported once by the fork server, so that each worker starts in milliseconds.
_PRELOAD = [
    "neurocircuit.studies.sweep.worker",
    "neurocircuit.neuron.ideal",
    "neurocircuit.neuron.averaged",
    "neurocircuit.neuron.edge",
    "neurocircuit.spice.bsource",
    "neurocircuit.spice.transistor",
]
_CONNECT_TIMEOUT = "10s"


def default_jobs() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class InProcess(Executor):
    """Runs a task at once, in the calling thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A finished future; what `fn` raises leaves here, an interrupt included."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def open_executor(jobs: int, scheduler: str | None) -> Iterator[tuple[Executor, int]]:
    """An executor and how many tasks it works on at a time.

    scheduler: None for this machine, "local" for a Dask cluster on this machine, or the address of a running one.
    Raises InputError when Dask is missing, the scheduler does not answer, or its workers are of another type.
    """
    if scheduler is not None:
        with _dask(jobs, scheduler) as opened:
            yield opened
    elif jobs == 1:
        yield InProcess(), 1
    else:
        with processes(jobs, _PRELOAD) as pool:
            yield pool, jobs


@contextmanager
def _dask(jobs: int, scheduler: str) -> Iterator[tuple[Executor, int]]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise InputError("--scheduler needs Dask: pip install 'neurocircuit[dask]'") from None
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
        yield client.get_executor(pure=False), sum(client.nthreads().values())
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def _check_workers(client: Any) -> None:
    """Results are stored under our processor type and versions: the workers' must be the same."""
    ours = machine_identity()
    theirs = client.run(machine_identity)
    if not theirs:
        raise InputError("--scheduler must have workers, got none")
    for address, identity in theirs.items():
        for name, value in ours.items():
            if identity.get(name) != value:
                raise InputError(
                    f"Dask worker {address} must have the {name} of this machine, {value}, got {identity.get(name)}"
                )
