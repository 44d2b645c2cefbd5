"""Planted data: the true mean is known, so bias, coverage and variance reduction can be counted."""

import math

import numpy as np
import pytest

from neurocircuit.studies.sweep import control_variate
from neurocircuit.studies.sweep.control_variate import FOLDS, LEAST_DRAWS

MEAN_Y, MEAN_X = 2.0, 5.0


def estimate(y, x, mean, pulse=0.0):
    """One control with its mean; without pulses."""
    return control_variate.estimate(y, x[None], np.array([mean]), pulse)


def planted(generator, n, correlation, heavy=False):
    """Y and X [n] with known means, standard deviation 1 and the given correlation."""
    u, v = generator.standard_normal((2, n))
    if heavy:  # |Δ|/t has the shape of a folded normal
        u, v = ((np.abs(w) - math.sqrt(2 / math.pi)) / math.sqrt(1 - 2 / math.pi) for w in (u, v))
    return MEAN_Y + correlation * u + math.sqrt(1 - correlation**2) * v, MEAN_X + u


@pytest.mark.parametrize(("correlation", "heavy"), [(0.95, False), (-0.9, False), (0.9, True)])
def test_the_controlled_mean_has_the_planted_mean_and_the_spread_that_the_correlation_leaves(correlation, heavy):
    generator = np.random.default_rng(5)
    repetitions, n = 2000, LEAST_DRAWS
    found = [estimate(*planted(generator, n, correlation, heavy), MEAN_X) for _ in range(repetitions)]
    means = np.array([each.mean for each in found])
    error = means.std() / math.sqrt(repetitions)
    assert means.mean() == pytest.approx(MEAN_Y, abs=5 * error)
    assert all(each.used for each in found)
    # Coefficients from 64 draws add 1/64 of the variance; the error of a standard deviation is 1/sqrt(4000) = 1.6 %.
    expected = math.sqrt((1 - correlation**2) / n)
    assert means.std() == pytest.approx(expected, rel=0.08)
    assert np.median([each.variance_reduction for each in found]) == pytest.approx(1 / (1 - correlation**2), rel=0.15)
    # Without pulses the interval is Student's t; 2000 of them cover 95 % within 2.5 %, five standard errors.
    assert np.mean([each.low <= MEAN_Y <= each.high for each in found]) == pytest.approx(0.95, abs=0.025)
    assert np.mean([each.low <= MEAN_Y + 2 * expected <= each.high for each in found]) < 0.6  # a wrong mean is missed


def test_the_mean_is_unbiased_where_the_relation_is_curved():
    generator = np.random.default_rng(6)
    crossed, naive = [], []
    for _ in range(4000):
        u = generator.uniform(-math.sqrt(3), math.sqrt(3), LEAST_DRAWS)
        y, x = MEAN_Y + u + 0.3 * (u**2 - 1), MEAN_X + u
        found = estimate(y, x, MEAN_X)
        assert found.used
        crossed.append(found.mean)
        naive.append(y.mean() - np.polyfit(x, y, 1)[0] * (x.mean() - MEAN_X))
    error = np.std(crossed) / math.sqrt(len(crossed))
    assert np.mean(crossed) == pytest.approx(MEAN_Y, abs=5 * error)
    assert abs(np.mean(naive) - MEAN_Y) > 5 * error  # the coefficient of the same draws is biased, and this sees it


def test_few_draws_are_reported_and_not_controlled():
    y, x = planted(np.random.default_rng(8), LEAST_DRAWS - 1, 0.3)
    found = estimate(y, x, MEAN_X)
    assert not found.used
    assert found.correlation < 0.7
    assert found.correlations[0] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.mean == y.mean()
    assert found.variance_reduction < 1.5
    assert math.isnan(found.low)


def test_pulses_that_no_draw_shows_widen_the_interval_by_their_chance():
    """Of 80 draws none differs by a pulse: up to 3.7 % of others may (mid-P: 0.975 = 1 - (1 - p)^80 / 2)."""
    y, x = planted(np.random.default_rng(12), 80, 0.999)
    smooth, pulsed = estimate(y, x, MEAN_X), estimate(y, x, MEAN_X, pulse=10.0)
    unseen = 10.0 * (1 - 0.05 ** (1 / 80))
    assert pulsed.high - pulsed.mean == pytest.approx(math.hypot(smooth.high - smooth.mean, unseen), rel=1e-6)
    assert pulsed.mean == smooth.mean


@pytest.mark.parametrize("case", ["few", "silent control", "constant control", "constant", "empty"])
def test_without_a_usable_control_the_plain_mean_is_all(case):
    y, x = planted(np.random.default_rng(9), LEAST_DRAWS, 0.95)
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
    y, x = planted(np.random.default_rng(10), LEAST_DRAWS, 0.95)
    with_gap, at_gap = np.insert(y, 7, math.nan), np.insert(x, 7, 1e9)
    assert estimate(with_gap, at_gap, MEAN_X) == estimate(y, x, MEAN_X)


def test_two_controls_together_explain_what_neither_does_alone():
    generator, means, repetitions = np.random.default_rng(11), [], 1000
    for _ in range(repetitions):
        a, b, noise = generator.standard_normal((3, LEAST_DRAWS))
        y = MEAN_Y + a + b + 0.3 * noise
        both = control_variate.estimate(y, np.stack([a, a + b]), np.zeros(2), 0.0)
        assert both.used
        means.append(both.mean)
    assert np.mean(means) == pytest.approx(MEAN_Y, abs=5 * np.std(means) / math.sqrt(repetitions))
    assert np.std(means) == pytest.approx(0.3 / math.sqrt(LEAST_DRAWS), rel=0.15)
    assert both.variance_reduction > 5
    alone = control_variate.estimate(y, np.stack([a, np.zeros(LEAST_DRAWS)]), np.zeros(2), 0.0)
    assert alone.correlation < both.correlation
    assert math.isnan(alone.correlations[1])
