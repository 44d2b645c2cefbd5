"""Ctrl-C once: in a module of its own, because the command line has it before anything else is loaded."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupted_once(*, for_good: bool = False) -> Iterator[None]:
    """Here the first Ctrl-C is a KeyboardInterrupt, and further ones do nothing.

    A second one would break off the shutdown of a pool, and the interpreter would then wait at its end for what the
    workers are at: the ten minutes that a simulator may take. Where Ctrl-C is dealt with otherwise it stays so.
    for_good: also after this block, for a process that ends with it.
    """
    default_handler = signal.default_int_handler
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not default_handler
    ):
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
            signal.signal(signal.SIGINT, default_handler)
