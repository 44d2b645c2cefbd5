"""Ctrl-C once, and signals at their time; a module of its own: the command line has it before all else is loaded."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_AGAIN_s = 0.01  # after which an interrupt that Python dropped comes again


@contextmanager
def interrupted_once(*, for_good: bool = False) -> Iterator[None]:
    """Raise KeyboardInterrupt at the first Ctrl-C within this block, and ignore further ones.

    A second one would end the shutdown of a pool early, and the interpreter would then wait for what the workers do,
    which can take ten minutes in a simulator. Python drops an exception that comes up in a destructor or in a callback
    of the garbage collector; such an interrupt is raised again. A handler of Ctrl-C that is not Python's default is
    left in place. for_good: also after this block, for a process that ends with it.
    """
    default_handler = signal.default_int_handler
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not default_handler
    ):
        yield
        return
    pressed = False

    def first(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    def dropped(unraisable: "UnraisableHookArgs") -> None:
        if not (pressed and issubclass(unraisable.exc_type, KeyboardInterrupt)):
            hook_before(unraisable)
            return
        signal.signal(signal.SIGINT, first)
        again = threading.Timer(_AGAIN_s, signal.raise_signal, [signal.SIGINT])
        again.daemon = True
        again.start()

    hook_before, sys.unraisablehook = sys.unraisablehook, dropped
    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        sys.unraisablehook = hook_before
        signal.signal(signal.SIGINT, signal.SIG_IGN if pressed and for_good else default_handler)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Handle SIGINT and SIGTERM at the end of this block, where Python handles them: no exception leaves it half-done.

    In a thread other than the main one no handler runs, and nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    before = {
        number: signal.signal(number, remember)
        for number in (signal.SIGINT, signal.SIGTERM)
        if callable(signal.getsignal(number))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for once in dict.fromkeys(arrived):
            signal.raise_signal(once)
