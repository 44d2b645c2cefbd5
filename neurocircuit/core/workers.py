"""Worker processes that end with the process that started them, and at the first Ctrl-C."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection

_GRACE_s = 2.0  # that a worker has to kill its simulator before it is ended itself


@contextmanager
def processes(jobs: int, preload: Sequence[str] = ()) -> Iterator[ProcessPoolExecutor]:
    """A pool of `jobs` workers; when the block is left by an exception, what they are at is broken off.

    preload: modules imported once, by the fork server, so that each worker starts in milliseconds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    # This end is the life of the workers: it closes when we leave, and when this process is killed.
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(theirs,))
    clean = False
    with interrupted_once():
        try:
            yield pool
            clean = True
        finally:
            if not clean:
                ours.close()
            pool.shutdown(wait=True, cancel_futures=True)
            ours.close()
            theirs.close()


@contextmanager
def interrupted_once(*, for_good: bool = False) -> Iterator[None]:
    """Here the first Ctrl-C is a KeyboardInterrupt, and further ones do nothing.

    A second one would break off the shutdown of a pool, and the interpreter would then wait at its end for what the
    workers are at: the ten minutes that a simulator may take. Where Ctrl-C is dealt with otherwise it stays so.
    for_good: also after this block, for a process that ends with it.
    """
    usual = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not usual:
        yield
        return
    pressed = False

    def first(number: int, frame: object) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        if not (pressed and for_good):
            signal.signal(signal.SIGINT, usual)


def _start(life: Connection) -> None:
    """Prepare a worker process: it dies when the other end of `life` closes, that is with its parent at the latest.

    Ctrl-C is for the parent to handle. The end comes first as an exception in the main thread, so that a running
    simulator is killed by those who started it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_die_with_parent, args=(life,), daemon=True).start()


def _leave(number: int, frame: object) -> None:
    raise SystemExit(1)


def _die_with_parent(life: Connection) -> None:
    life.poll(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_s)
    os._exit(1)
