"""Planted data: the true mean is known, so bias, coverage and variance reduction can be counted."""

import math

import numpy as np
import pytest

from neurocircuit.studies.sweep import control_variate
from neurocircuit.studies.sweep.control_variate import FOLDS

MEAN_Y, MEAN_X = 2.0, 5.0


def estimate(y, x, mean):
    """One control with its mean."""
    return control_variate.estimate(y, x[None], np.array([mean]))


def planted(generator, n, correlation, heavy=False):
    """Y and X [n] with known means, standard deviation 1 and the given correlation."""
    u, v = generator.standard_normal((2, n))
    if heavy:  # |Δ|/t has the shape of a folded normal
        u, v = ((np.abs(w) - math.sqrt(2 / math.pi)) / math.sqrt(1 - 2 / math.pi) for w in (u, v))
    return MEAN_Y + correlation * u + math.sqrt(1 - correlation**2) * v, MEAN_X + u


@pytest.mark.parametrize(("correlation", "heavy"), [(0.95, False), (-0.9, False), (0.9, True)])
def test_the_controlled_mean_has_the_planted_mean_and_the_spread_that_the_correlation_leaves(correlation, heavy):
    generator = np.random.default_rng(5)
    repetitions, n = 2000, 40
    found = [estimate(*planted(generator, n, correlation, heavy), MEAN_X) for _ in range(repetitions)]
    means = np.array([each.mean for each in found])
    error = means.std() / math.sqrt(repetitions)
    assert means.mean() == pytest.approx(MEAN_Y, abs=5 * error)
    assert np.mean([each.used for each in found]) > 0.98
    # Coefficients from 32 draws add 1/32 of the variance; the error of a standard deviation is 1/sqrt(4000) = 1.6 %.
    expected = math.sqrt((1 - correlation**2) / n)
    assert means.std() == pytest.approx(expected, rel=0.08)
    assert np.median([each.variance_reduction for each in found]) == pytest.approx(1 / (1 - correlation**2), rel=0.15)


def test_the_mean_is_unbiased_where_the_relation_is_curved():
    generator = np.random.default_rng(6)
    crossed, naive = [], []
    for _ in range(4000):
        u = generator.uniform(-math.sqrt(3), math.sqrt(3), 40)
        y, x = MEAN_Y + u + 0.3 * (u**2 - 1), MEAN_X + u
        found = estimate(y, x, MEAN_X)
        assert found.used  # correlation 0.97: the switch to plain Monte Carlo does not select
        crossed.append(found.mean)
        naive.append(y.mean() - np.polyfit(x, y, 1)[0] * (x.mean() - MEAN_X))
    error = np.std(crossed) / math.sqrt(len(crossed))
    assert np.mean(crossed) == pytest.approx(MEAN_Y, abs=5 * error)
    assert abs(np.mean(naive) - MEAN_Y) > 5 * error  # the coefficient of the same draws is biased, and this sees it


def test_a_weak_control_is_reported_and_not_used():
    y, x = planted(np.random.default_rng(8), 60, 0.3)
    found = estimate(y, x, MEAN_X)
    assert not found.used
    assert found.correlation < 0.7
    assert found.correlations[0] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.mean == y.mean()
    assert found.variance_reduction < 1.5


@pytest.mark.parametrize("case", ["few", "silent control", "constant control", "constant", "empty"])
def test_without_a_usable_control_the_plain_mean_is_all(case):
    y, x = planted(np.random.default_rng(9), 30, 0.95)
    if case == "few":
        y, x = y[: 2 * FOLDS - 1], x[: 2 * FOLDS - 1]
    if case == "silent control":
        x[3] = math.nan
    if case == "constant control":
        x[:] = 1.0
    if case == "constant":
        y[:] = 1.0
    if case == "empty":
        y[:] = math.nan
    found = estimate(y, x, MEAN_X)
    assert not found.used
    assert math.isnan(found.correlation)
    assert found.n == np.isfinite(y).sum()


def test_failed_draws_are_left_out():
    y, x = planted(np.random.default_rng(10), 40, 0.95)
    with_gap, at_gap = np.insert(y, 7, math.nan), np.insert(x, 7, 1e9)
    assert estimate(with_gap, at_gap, MEAN_X) == estimate(y, x, MEAN_X)


def test_two_controls_together_explain_what_neither_does_alone():
    generator, means, repetitions = np.random.default_rng(11), [], 1000
    for _ in range(repetitions):
        a, b, noise = generator.standard_normal((3, 40))
        y = MEAN_Y + a + b + 0.3 * noise
        both = control_variate.estimate(y, np.stack([a, a + b]), np.zeros(2))
        assert both.used
        means.append(both.mean)
    assert np.mean(means) == pytest.approx(MEAN_Y, abs=5 * np.std(means) / math.sqrt(repetitions))
    assert np.std(means) == pytest.approx(0.3 / math.sqrt(40), rel=0.15)
    assert both.variance_reduction > 5
    alone = control_variate.estimate(y, np.stack([a, np.zeros(40)]), np.zeros(2))
    assert alone.correlation < both.correlation
    assert math.isnan(alone.correlations[1])
