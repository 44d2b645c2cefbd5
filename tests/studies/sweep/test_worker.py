import json

import numpy as np
import pytest

from neurocircuit.errors import SimulatorBadOutput, SimulatorMissing, SimulatorTimeout
from neurocircuit.neuron import levels
from neurocircuit.neuron.record import FireRecord
from neurocircuit.spec import NeuronSpec
from neurocircuit.studies.sweep.plan import Batch, Row
from neurocircuit.studies.sweep.worker import BEFORE_ARMING, BatchResult, compute, evaluate

CLEAN = Row("jitter", "clean")


def batch(testbench, first=0, count=4, row=CLEAN, level="ideal", spec=None, **fields):
    return Batch(spec or NeuronSpec(), testbench(**fields), 1, level, row, first, count)


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


def test_only_failed_trials_are_tried_again_and_the_mended_result_is_the_undisturbed_one(testbench, monkeypatch):
    one = batch(testbench, first=8, count=6)
    undisturbed = compute(one).fire_time_over_tau
    flaky = Flaky(monkeypatch, {1: 1, 4: 1})
    result = evaluate(one)
    assert flaky.calls == [6, 2]
    assert not result.failures
    assert result.fire_time_over_tau.tobytes() == undisturbed.tobytes()
    assert result.retries == ((9, 1, "no luck"), (12, 1, "no luck"))


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("error", [SimulatorTimeout, SimulatorBadOutput])
def test_a_batch_that_keeps_failing_is_given_up_with_its_reason(testbench, monkeypatch, error, retries):
    flaky = Flaky(monkeypatch, {0: 99}, error)
    result = evaluate(batch(testbench, retries=retries))
    assert len(flaky.calls) == retries + 1
    assert result.failures == dict.fromkeys(range(4), "the whole run failed")
    assert np.isnan(result.fire_time_over_tau).all()
    assert result.to_retry == (0, 1, 2, 3)
    assert len(result.retries) == 4 * retries


def test_a_missing_simulator_ends_the_run(testbench, monkeypatch):
    Flaky(monkeypatch, {0: 1}, SimulatorMissing)
    with pytest.raises(SimulatorMissing):
        evaluate(batch(testbench))


def test_an_input_jittered_before_arming_fails_its_draw_and_is_not_tried_again(testbench):
    row = Row("jitter", "disturbed", 0.2)
    bench = {"jitter_reference": "tau", "retries": 3}
    result = evaluate(batch(testbench, row=row, count=400, **bench))
    early = np.array(sorted(result.failures))
    # One of two inputs at 0.16 and 0.3 τ moves by more than its time: Φ(-0.8) + Φ(-1.5) - product = 0.264; 5 σ = 0.11.
    assert abs(len(early) / 400 - 0.264) < 0.11
    assert set(result.failures.values()) == {BEFORE_ARMING}
    assert np.isnan(result.fire_time_over_tau[early]).all()
    assert not np.isnan(np.delete(result.fire_time_over_tau, early)).any()
    assert result.retries == ()
    assert result.to_retry == ()


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


def test_a_result_comes_back_exactly():
    result = BatchResult(np.array([1.25, np.inf, np.nan, 0.1 + 0.2]), {2: "no convergence"}, 0.5, ((2, 1, "no luck"),))
    again = BatchResult.from_dict(json.loads(json.dumps(result.to_dict(), allow_nan=False)))
    assert again.fire_time_over_tau.tobytes() == result.fire_time_over_tau.tobytes()
    assert (again.failures, again.duration_s, again.retries) == (result.failures, 0.5, result.retries)
