"""A child process and the signals that reach its parent."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

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
