"""Planted data: the true mean is known, so bias, coverage and variance reduction can be counted."""

import math

import numpy as np
import pytest

from neurocircuit.studies.sweep import control_variate
from neurocircuit.studies.sweep.control_variate import FOLDS

MEAN_Y, MEAN_X = 2.0, 5.0


def estimate(y, x, mean, error):
    """One control with its mean and that mean's standard error."""
    return control_variate.estimate(y, x[None], np.array([mean]), np.array([[error**2]]))


def planted(generator, n, correlation, heavy=False):
    """Y and X [n] with known means, standard deviation 1 and the given correlation."""
    u, v = generator.standard_normal((2, n))
    if heavy:  # |Δ|/t has the shape of a folded normal
        u, v = ((np.abs(w) - math.sqrt(2 / math.pi)) / math.sqrt(1 - 2 / math.pi) for w in (u, v))
    return MEAN_Y + correlation * u + math.sqrt(1 - correlation**2) * v, MEAN_X + u


@pytest.mark.parametrize(("correlation", "heavy"), [(0.95, False), (-0.9, False), (0.9, True)])
def test_the_interval_covers_the_planted_mean_and_is_narrower_by_the_correlation(correlation, heavy):
    generator, covered, used, widths = np.random.default_rng(5), 0, 0, []
    repetitions, n = 2000, 40
    for _ in range(repetitions):
        y, x = planted(generator, n, correlation, heavy)
        found = estimate(y, x, MEAN_X, 0.0)
        used += found.used
        covered += found.low <= MEAN_Y <= found.high
        widths.append((found.high - found.low) / (found.plain_high - found.plain_low))
    # 95 % of 2000 has a standard deviation of 0.5 points: ±2.5 points, five of them, false alarm 1e-6; a skewed
    # population costs the t interval up to about one point at n = 40.
    assert covered / repetitions == pytest.approx(0.95, abs=0.025)
    assert used / repetitions > 0.98
    assert np.mean(widths) == pytest.approx(math.sqrt(1 - correlation**2), rel=0.1)


def test_the_mean_is_unbiased_where_the_relation_is_curved():
    generator = np.random.default_rng(6)
    crossed, naive = [], []
    for _ in range(4000):
        u = generator.uniform(-math.sqrt(3), math.sqrt(3), 40)
        y, x = MEAN_Y + u + 0.3 * (u**2 - 1), MEAN_X + u
        found = estimate(y, x, MEAN_X, 0.0)
        assert found.used  # correlation 0.97: the switch to plain Monte Carlo does not select
        crossed.append(found.mean)
        naive.append(y.mean() - np.polyfit(x, y, 1)[0] * (x.mean() - MEAN_X))
    error = np.std(crossed) / math.sqrt(len(crossed))
    assert np.mean(crossed) == pytest.approx(MEAN_Y, abs=5 * error)
    assert abs(np.mean(naive) - MEAN_Y) > 5 * error  # the coefficient of the same draws is biased, and this sees it


def test_the_error_of_the_controls_mean_widens_the_interval():
    y, x = planted(np.random.default_rng(7), 50, 0.95)
    exact, rough = estimate(y, x, MEAN_X, 0.0), estimate(y, x, MEAN_X, 0.3)
    assert rough.mean == exact.mean
    assert rough.high - rough.low > exact.high - exact.low
    half = (rough.high - rough.low) / 2
    assert half == pytest.approx(
        math.hypot((exact.high - exact.low) / 2, 2.0096 * 0.3 * np.polyfit(x, y, 1)[0]), rel=1e-2
    )


def test_a_weak_control_is_reported_and_not_used():
    y, x = planted(np.random.default_rng(8), 60, 0.3)
    found = estimate(y, x, MEAN_X, 0.0)
    assert not found.used
    assert found.correlation < 0.7
    assert found.correlations[0] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert (found.mean, found.low, found.high) == (found.plain_mean, found.plain_low, found.plain_high)
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
    found = estimate(y, x, MEAN_X, 0.0)
    assert not found.used
    assert math.isnan(found.correlation)
    assert found.n == np.isfinite(y).sum()


def test_failed_draws_are_left_out():
    y, x = planted(np.random.default_rng(10), 40, 0.95)
    with_gap, at_gap = np.insert(y, 7, math.nan), np.insert(x, 7, 1e9)
    assert estimate(with_gap, at_gap, MEAN_X, 0.0) == estimate(y, x, MEAN_X, 0.0)


def test_two_controls_together_explain_what_neither_does_alone():
    generator = np.random.default_rng(11)
    covered, repetitions = 0, 1000
    for _ in range(repetitions):
        a, b, noise = generator.standard_normal((3, 40))
        y = MEAN_Y + a + b + 0.3 * noise
        both = control_variate.estimate(y, np.stack([a, a + b]), np.zeros(2), np.zeros((2, 2)))
        covered += both.low <= MEAN_Y <= both.high
        assert both.used
    # As above: five standard deviations of the count, 0.7 points each.
    assert covered / repetitions == pytest.approx(0.95, abs=0.035)
    assert both.variance_reduction > 5
    one = control_variate.estimate(y, np.stack([a, np.zeros(40)]), np.zeros(2), np.zeros((2, 2)))
    assert one.correlation < both.correlation
    assert math.isnan(one.correlations[1])


def test_the_errors_of_two_means_may_cancel():
    a, noise, own = np.random.default_rng(12).standard_normal((3, 40))
    x = np.stack([a + noise, noise])  # y takes their difference, so a common error of both means does not matter
    common = np.full((2, 2), 0.09)
    exact, cancelled = (
        control_variate.estimate(MEAN_Y + a + 0.3 * own, x, np.zeros(2), c) for c in (0 * common, common)
    )
    assert cancelled.high - cancelled.low == pytest.approx(exact.high - exact.low, rel=0.1)
