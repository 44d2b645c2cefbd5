"""Pools: how much is submitted, what comes back, what a dead worker is; progress on a terminal and elsewhere."""

import io
import os
import signal
import time
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from neurocircuit.core import pool as pools
from neurocircuit.core.pool import InProcess, Pool, WorkerLost, open_pool, shown
from neurocircuit.errors import InputError
from tests.command_line import PATIENCE_s, wait_until


class Slow(Executor):
    """Answers the last task only when `wait` asks for one, and remembers how many were under way at once."""

    def __init__(self) -> None:
        self.waiting = []
        self.most = 0

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        self.waiting.append((future, fn, args))
        self.most = max(self.most, len(self.waiting))
        return future

    def answer_last(self) -> None:
        future, fn, args = self.waiting.pop()
        future.set_result(fn(*args))


def test_no_more_is_submitted_than_allowed_and_every_item_comes_back_with_its_value(monkeypatch):
    executor = Slow()
    real = pools.wait

    def wait(futures, return_when):
        executor.answer_last()
        return real(futures, return_when=return_when)

    monkeypatch.setattr(pools, "wait", wait)
    pairs = list(Pool(executor, 3, 6).run(abs, (-k for k in range(20))))
    assert executor.most == 6
    assert sorted(pairs) == sorted((-k, k) for k in range(20))


def test_in_this_process_an_item_is_taken_only_when_the_one_before_has_been_given_back():
    taken = []

    def items():
        for k in range(3):
            taken.append(k)
            yield k

    with open_pool() as pool:
        for k, _ in pool.run(abs, items()):
            assert taken == list(range(k + 1))


class Broken(Executor):
    """A pool whose worker dies, before or after it took the task."""

    def __init__(self, at_once: bool) -> None:
        self.at_once = at_once

    def submit(self, fn, /, *args, **kwargs):
        if self.at_once:
            raise BrokenProcessPool("gone")
        future: Future = Future()
        future.set_exception(BrokenProcessPool("gone"))
        return future


@pytest.mark.parametrize("at_once", [True, False])
def test_a_dead_worker_is_one_clear_error(at_once):
    with pytest.raises(WorkerLost, match="worker process was killed"):
        list(Pool(Broken(at_once)).run(abs, [1]))


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_the_same_error():
    with pytest.raises(WorkerLost), open_pool(2) as pool:
        list(pool.run(die, [1]))


def fail(item):
    raise InputError(f"item {item}")


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_task_raises_is_raised(jobs):
    with pytest.raises(InputError, match="item 7"), open_pool(jobs) as pool:
        list(pool.run(fail, [7]))


def test_an_interrupt_in_this_process_is_no_result_of_a_task():
    def press(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        InProcess().submit(press, 1)


@pytest.mark.parametrize(("jobs", "scheduler"), [(1, None), (2, None), (1, "local")])
def test_every_kind_of_pool_gives_the_same_values(jobs, scheduler):
    if scheduler:
        pytest.importorskip("distributed")
    with open_pool(jobs, scheduler) as pool:
        assert dict(pool.run(abs, [-3, 2])) == {-3: 3, 2: 2}


def test_no_jobs_are_refused():
    with pytest.raises(InputError, match="jobs must be >= 1, got 0"), open_pool(0):
        pass


def test_without_a_terminal_lines_come_now_and_then():
    stream = io.StringIO()
    with shown(stream, line_every_s=1000.0) as progress:
        progress(1, 4, "first")
    assert stream.getvalue() == ""
    with shown(stream, line_every_s=0.0) as progress:
        progress(1, 4, "first")
        progress(4, 4)
        progress(0, 2)
    lines = stream.getvalue().splitlines()
    assert [line.split("%")[0] for line in lines] == ["25", "100", "0"]
    assert lines[0].endswith("0 s to go; first")
    assert "to go" not in lines[2]  # nothing is known yet


def test_the_first_line_comes_after_five_seconds_and_estimates_in_seconds_or_minutes(monkeypatch):
    clock = iter((0.0, 4.9, 5.1, 30.0, 66.0))
    monkeypatch.setattr("neurocircuit.core.pool.time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    with shown(stream) as progress:
        progress(1, 100)  # at 4.9 s: too early
        progress(1, 1000, "slow")  # at 5.1 s
        progress(20, 40)  # at 30 s: the last line is less than a minute old
        progress(22, 40)  # at 66 s
    assert stream.getvalue().splitlines() == ["0%, about 85 min to go; slow", "55%, about 54 s to go"]


def test_what_is_about_to_be_done_is_told_at_once():
    stream = io.StringIO()
    with shown(stream, line_every_s=1000.0) as progress:
        progress(0, 4)
        progress(0, 4, "12 draws: about 3 min")
        progress(1, 4, "first")
    assert stream.getvalue().splitlines() == ["12 draws: about 3 min"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_shows_the_share_and_the_label():
    stream = Terminal()
    with shown(stream) as progress:
        progress(1, 4, "a [label]")
        progress(3, 4, "b [label]")
        progress(1, 2, "another part")
    assert "50%" in stream.getvalue()
    assert "another part" in stream.getvalue()


def hang(path):
    Path(path).touch()
    time.sleep(PATIENCE_s)


def interrupt_at_the_first(pool: Pool, tasks: list[Path]) -> None:
    for task in tasks:
        pool.submit(hang, task)
    wait_until(lambda: all(task.exists() for task in tasks[: pool.slots]))
    raise KeyboardInterrupt


def test_a_worker_that_is_told_to_leave_begins_no_other_task(tmp_path):
    tasks = [tmp_path / f"{k}" for k in range(4)]
    with pytest.raises(KeyboardInterrupt), open_pool(2) as pool:
        interrupt_at_the_first(pool, tasks)
    assert sorted(tmp_path.iterdir()) == tasks[:2]
