"""Mismatch of the synapses: planted spreads."""

import numpy as np
import pytest

from neurocircuit.process.measurements import mismatch


def test_the_interval_covers_a_planted_spread_as_often_as_it_says():
    """400 draws of 60: the count of intervals that hold the truth is binomial, and half the spread is rejected."""
    generator = np.random.default_rng(5)
    found = [mismatch.relative_spread(generator.normal(2.0, 0.1, 60)) for _ in range(400)]
    held = sum(low <= 0.05 <= high for _, low, high in found)
    assert 360 <= held <= 396  # 95 % of 400 is 380, standard deviation 4.4: more than four of them either way
    assert sum(low <= 0.025 <= high for _, low, high in found) == 0


def test_spread_is_relative_to_the_size_of_a_sink_too():
    values = np.array([-1.0, -1.2, -0.8, -1.1])
    assert mismatch.relative_spread(values)[0] == pytest.approx(np.std([1.0, 1.2, 0.8, 1.1], ddof=1) / 1.025)
