"""Ctrl-C is raised once, and not lost where Python drops exceptions."""

import signal
import threading
import time

import pytest

from neurocircuit.core.interrupt import deferred_signals, interrupted_once
from tests.command_line import PATIENCE_s


@pytest.fixture(autouse=True)
def pythons_own_handler():
    """Python has none of its own where the tests run in the background of a shell, which ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupted:
    """An object in whose destructor the interrupt arrives; Python drops what is raised there."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def drop_an_interrupt(*, for_good: bool) -> None:
    with interrupted_once(for_good=for_good):
        Interrupted()
        give_up = time.monotonic() + PATIENCE_s
        while time.monotonic() < give_up:
            time.sleep(0.001)


@pytest.mark.parametrize("for_good", [False, True])
def test_an_interrupt_that_python_drops_is_raised_again(for_good):
    with pytest.raises(KeyboardInterrupt):
        drop_an_interrupt(for_good=for_good)
    assert signal.getsignal(signal.SIGINT) == (signal.SIG_IGN if for_good else signal.default_int_handler)


def press_twice(done: list[str]) -> None:
    with interrupted_once():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            done.append("cleaned up")


def test_a_second_interrupt_does_not_disturb_the_end():
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        press_twice(done)
    assert done == ["cleaned up"]


def test_other_dropped_exceptions_are_reported_as_ever(monkeypatch):
    reported = []
    monkeypatch.setattr("sys.unraisablehook", reported.append)

    class Failing:
        def __del__(self) -> None:
            raise ValueError

    with interrupted_once():
        Failing()
    assert [found.exc_type for found in reported] == [ValueError]


def test_a_thread_other_than_the_main_one_leaves_the_handler_alone():
    seen = []

    def work() -> None:
        with interrupted_once():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def defer(number: int, done: list[str]) -> None:
    with deferred_signals():
        signal.raise_signal(number)
        done.append("to the end")


def leave(number: int, frame: object) -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_deferred_signal_comes_at_the_end_of_the_block(number, raised):
    before = signal.signal(signal.SIGTERM, leave)
    done: list[str] = []
    try:
        with pytest.raises(raised):
            defer(number, done)
        assert signal.getsignal(signal.SIGTERM) is leave
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
