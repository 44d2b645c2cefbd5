"""Ctrl-C once: in a module of its own, because the command line has it before anything else is loaded."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupted_once(*, for_good: bool = False) -> Iterator[None]:
    """Raise KeyboardInterrupt at the first Ctrl-C within this block, and ignore further ones.

    A second one would end the shutdown of a pool early, and the interpreter would then wait for what the workers do,
    which can take ten minutes in a simulator. A handler of Ctrl-C that is not Python's default is left in place.
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
