from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

from neurocircuit.core.pool import InProcess, WorkerLost
from neurocircuit.errors import SimulatorBadOutput, SimulatorMissing, SimulatorTimeout
from neurocircuit.neuron import levels
from neurocircuit.neuron.record import FireRecord
from neurocircuit.spec import NeuronSpec
from neurocircuit.studies.sweep.execute import run_batches
from neurocircuit.studies.sweep.plan import Batch, Row
from neurocircuit.studies.sweep.worker import BEFORE_ARMING, compute

CLEAN = Row("jitter", "clean")


def batch(testbench, first=0, count=4, row=CLEAN, level="ideal", spec=None, **fields):
    return Batch(spec or NeuronSpec(), testbench(**fields), 1, level, row, first, count)


class Slow(Executor):
    """Answers only when asked to, and remembers how many tasks were under way at once."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future, Callable, tuple]] = []
        self.most = 0

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        self.waiting.append((future, fn, args))
        self.most = max(self.most, len(self.waiting))
        return future

    def answer_one(self) -> None:
        future, fn, args = self.waiting.pop()
        future.set_result(fn(*args))


def test_at_most_two_batches_a_slot_are_under_way_and_all_end(testbench, monkeypatch):
    executor, ended = Slow(), []

    def wait(futures, return_when):
        from concurrent.futures import wait as real

        executor.answer_one()
        return real(futures, return_when=return_when)

    monkeypatch.setattr("neurocircuit.studies.sweep.execute.wait", wait)
    batches = [(str(k), batch(testbench, first=4 * k)) for k in range(20)]
    run_batches(iter(batches), executor, 3, ended.append)
    assert executor.most == 6
    assert sorted(int(task.key) for task in ended) == list(range(20))
    for task in ended:
        np.testing.assert_array_equal(task.outcome.fire_time_over_tau, compute(task.batch).fire_time_over_tau)


class Flaky:
    """levels.evaluate that fails for some trials, known by their start phase, the first few times."""

    def __init__(self, monkeypatch, failures: dict[int, int], error: type[Exception] | None = None) -> None:
        self.calls: list[int] = []
        self.left = dict(failures)
        self.error = error
        self.real = levels.evaluate
        monkeypatch.setattr(levels, "evaluate", self)

    def __call__(self, level, spec, t_over_tau, weights, **rest) -> FireRecord:
        self.calls.append(len(t_over_tau))
        if self.error is not None and self.left.get(0, 0) > 0:
            self.left[0] -= 1
            raise self.error("the whole\nrun failed")
        record = self.real(level, spec, t_over_tau, weights, **rest)
        if len(self.calls) > 1:
            return record
        reasons = {k: "no luck" for k in self.left if k < len(t_over_tau)}
        record.fire_time_over_tau[list(reasons)] = np.nan
        return FireRecord(record.fire_time_over_tau, record.headroom, record.false_fire, reasons, record.engine)


def run_one(one):
    ended = []
    run_batches([("key", one)], InProcess(), 1, ended.append)
    assert len(ended) == 1
    return ended[0]


def test_only_failed_trials_are_tried_again_and_the_mended_result_is_the_undisturbed_one(testbench, monkeypatch):
    one = batch(testbench, first=8, count=6)
    undisturbed = compute(one).fire_time_over_tau
    flaky = Flaky(monkeypatch, {1: 1, 4: 1})
    task = run_one(one)
    assert flaky.calls == [6, 2]
    assert not task.outcome.failures
    assert task.outcome.fire_time_over_tau.tobytes() == undisturbed.tobytes()
    assert [(entry["trial"], entry["attempt"], entry["reason"]) for entry in task.retried] == [
        (9, 1, "no luck"),
        (12, 1, "no luck"),
    ]


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("error", [SimulatorTimeout, SimulatorBadOutput])
def test_a_batch_that_keeps_failing_is_given_up_with_its_reason(testbench, monkeypatch, error, retries):
    flaky = Flaky(monkeypatch, {0: 99}, error)
    task = run_one(batch(testbench, retries=retries))
    assert len(flaky.calls) == retries + 1
    assert task.outcome.failures == dict.fromkeys(range(4), "the whole run failed")
    assert np.isnan(task.outcome.fire_time_over_tau).all()
    assert task.outcome.to_retry == (0, 1, 2, 3)


def test_a_missing_simulator_ends_the_run(testbench, monkeypatch):
    Flaky(monkeypatch, {0: 1}, SimulatorMissing)
    with pytest.raises(SimulatorMissing):
        run_one(batch(testbench))


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
def test_a_dead_worker_is_one_clear_error(testbench, at_once):
    with pytest.raises(WorkerLost, match="worker process was killed"):
        run_batches([("key", batch(testbench))], Broken(at_once), 1, print)


def test_an_input_jittered_before_arming_fails_its_draw_and_is_not_tried_again(testbench):
    row = Row("jitter", "disturbed", 0.2)
    bench = {"jitter_reference": "tau", "retries": 3}
    task = run_one(batch(testbench, row=row, count=400, **bench))
    early = np.array(sorted(task.outcome.failures))
    # One of two inputs at 0.16 and 0.3 τ moves by more than its time: Φ(-0.8) + Φ(-1.5) - product = 0.264; 5 σ = 0.11.
    assert abs(len(early) / 400 - 0.264) < 0.11
    assert set(task.outcome.failures.values()) == {BEFORE_ARMING}
    assert np.isnan(task.outcome.fire_time_over_tau[early]).all()
    assert not np.isnan(np.delete(task.outcome.fire_time_over_tau, early)).any()
    assert task.attempts == 1
    assert task.outcome.to_retry == ()


def test_phase_noise_disturbs_the_disturbed_rows_alone_and_by_trial(testbench):
    quiet = NeuronSpec(window_s=60e-9)
    noisy = quiet.replace(phase_noise=(5e4, 0.0, 0.0, 0.0))
    clean = [compute(batch(testbench, spec=spec, level="edge")).fire_time_over_tau for spec in (quiet, noisy)]
    np.testing.assert_array_equal(*clean)
    row = Row("bits", "disturbed", 40)
    found = [compute(batch(testbench, spec=spec, level="edge", row=row)).fire_time_over_tau for spec in (quiet, noisy)]
    assert (found[0] != found[1]).all()
    tail = compute(batch(testbench, spec=noisy, level="edge", row=row, first=2, count=2)).fire_time_over_tau
    np.testing.assert_array_equal(tail, found[1][2:])
    other = compute(batch(testbench, spec=noisy, level="edge", row=Row("bits", "disturbed", 41))).fire_time_over_tau
    assert (other != found[1]).all()


def test_bits_rows_quantise_the_drawn_weights(testbench):
    fields = {"quantised_weights": (0.83, 0.91)}
    rounded = {"weights": (0.8, 2.0 * 7 / 15)}  # 4 bits over 2: steps of 2/15
    found = compute(batch(testbench, row=Row("bits", "disturbed", 4), **fields)).fire_time_over_tau
    expected = compute(batch(testbench, **rounded)).fire_time_over_tau
    np.testing.assert_allclose(found, expected, rtol=1e-14)
