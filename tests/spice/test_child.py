"""A child process and the signals that reach its parent."""

import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from neurocircuit.spice import child
from neurocircuit.spice.child import run_child


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_while_a_child_is_started_leaves_none_behind(monkeypatch, tmp_path: Path, number, raised):
    started = []
    popen = subprocess.Popen

    def signalled(*arguments, **options):
        started.append(popen(*arguments, **options))
        signal.raise_signal(number)
        return started[0]

    def leave(number, frame):
        raise SystemExit(1)

    monkeypatch.setattr("subprocess.Popen", signalled)
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: leave}
    before = {each: signal.signal(each, handler) for each, handler in handlers.items()}
    try:
        with pytest.raises(raised):
            run_child(["sleep", "1000"], tmp_path, dict(os.environ), timeout_s=900.0)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        orphan = started[0].poll() is None
        started[0].kill()
        started[0].wait()
    assert not orphan


def test_a_child_that_died_before_it_had_a_group_of_its_own_is_no_error(monkeypatch, tmp_path: Path):
    popen = subprocess.Popen

    def without_group(*arguments, **options):
        return popen(*arguments, **options | {"start_new_session": False})

    monkeypatch.setattr("subprocess.Popen", without_group)
    ended = run_child(["sh", "-c", "kill -TERM $$"], tmp_path, dict(os.environ), timeout_s=100.0)
    assert ended.exit_code == -signal.SIGTERM


def test_time_without_a_processor_does_not_count(monkeypatch, tmp_path: Path):
    """A child of one second with a limit of 0.2 s ends where the kernel says that it waited; a sleeper is killed."""
    arguments = [sys.executable, "-c", "import time; time.sleep(1)"]
    monkeypatch.setattr(child, "run_delay_s", lambda pid: 0.0)
    assert run_child(arguments, tmp_path, dict(os.environ), 0.2).timed_out
    waited_s = count(1.0)
    monkeypatch.setattr(child, "run_delay_s", lambda pid: next(waited_s))
    assert run_child(arguments, tmp_path, dict(os.environ), 0.2).exit_code == 0


def test_the_kernel_says_how_long_a_process_waited():
    assert child.run_delay_s(os.getpid()) >= 0
    assert child.run_delay_s(-1) == 0
