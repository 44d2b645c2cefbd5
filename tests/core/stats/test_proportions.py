"""Intervals of shares and the exact test against scipy's own, and their coverage by exact sums."""

import numpy as np
import pytest
from scipy import stats

from neurocircuit.core.stats import (
    binomial_p_value,
    exact_interval,
    mid_p_interval,
    rejection_limits,
    smallest_detectable_shortfall,
    wilson_interval,
)
from neurocircuit.errors import InputError


def test_wilson_intervals_are_those_of_the_textbook():
    """Newcombe 1998, table I: 81/263 and 0/20, method 3."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    for n in range(1, 200):  # no share lies outside its own interval, not even by rounding
        assert all(low <= k / n <= high for k in range(n + 1) for low, high in [wilson_interval(k, n)])


@pytest.mark.parametrize(("method", "interval"), [("wilson", wilson_interval), ("exact", exact_interval)])
def test_intervals_are_those_of_scipy(method, interval):
    for count, n in [(0, 1), (1, 1), (3, 7), (0, 40), (1999, 2000)]:
        expected = stats.binomtest(count, n).proportion_ci(0.95, method=method)
        assert interval(count, n) == pytest.approx((expected.low, expected.high), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("n", [20, 150])
def test_mid_p_covers_95_percent_on_average_and_the_exact_interval_more(n):
    """Exact sums over counts at 200 shares, no simulation."""
    shares = np.linspace(0.02, 0.98, 200)
    for interval, least, most in ((mid_p_interval, 0.945, 0.965), (exact_interval, 0.955, 0.99)):
        ends = np.array([interval(count, n) for count in range(n + 1)])
        chance = stats.binom.pmf(np.arange(n + 1)[:, None], n, shares)
        inside = (ends[:, :1] <= shares) & (shares <= ends[:, 1:])
        assert least < float((chance * inside).sum(axis=0).mean()) < most


def test_the_exact_p_value_is_twice_the_smaller_tail():
    assert binomial_p_value(18, 22, 0.95) == pytest.approx(2 * stats.binom.cdf(18, 22, 0.95))
    assert binomial_p_value(18, 22, 0.95) / 2 == pytest.approx(0.022, abs=5e-4)
    assert binomial_p_value(22, 22, 0.95) == pytest.approx(2 * 0.95**22)
    assert binomial_p_value(10, 20, 0.5) == 1.0


@pytest.mark.parametrize("n", [5, 22, 300])
def test_a_true_share_is_rejected_no_more_often_than_said_and_a_shortfall_as_often_as_said(n):
    least, most = rejection_limits(n, 0.95, 0.05)
    kept = stats.binom.cdf(most, n, 0.95) - stats.binom.cdf(least - 1, n, 0.95)
    assert 1 - kept <= 0.05
    seen = smallest_detectable_shortfall(n, 0.95, 0.05)
    assert stats.binom.cdf(least - 1, n, seen) == pytest.approx(0.8)


def test_one_run_rejects_nothing():
    assert np.isnan(smallest_detectable_shortfall(1, 0.95, 0.05))


def test_counts_outside_are_refused():
    for interval in (wilson_interval, exact_interval, mid_p_interval):
        with pytest.raises(InputError, match="count must be within"):
            interval(3, 2)
        with pytest.raises(InputError, match="n > 0"):
            interval(0, 0)
