import numpy as np
import pytest

from neurocircuit.process.bench import START_s
from neurocircuit.process.measurements.lock import WITHIN_rad, holds, lock_time_s

TAU, F = 17e-9, 750e6
TIME = START_s + np.arange(0.0, 120e-9, 1 / F)


def test_lock_time_of_an_exponential_is_told_to_a_period() -> None:
    lag = np.pi / 2 * (1.0 - np.exp(-(TIME - START_s) / TAU))
    assert lock_time_s(TIME, lag) == pytest.approx(TAU * np.log(np.pi / 2 / WITHIN_rad), abs=2 / F)
    assert holds(TIME, lag, 120e-9)


def test_a_slipping_loop_neither_holds_nor_locks() -> None:
    slipping = 2 * np.pi * 15e6 * (TIME - START_s)
    assert not holds(TIME, slipping, 120e-9)
    assert np.isnan(lock_time_s(TIME, slipping))
