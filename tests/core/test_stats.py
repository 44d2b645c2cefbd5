import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurocircuit.core import stats as measure
from neurocircuit.errors import InputError


def test_half_normal_mean_and_friends_follow_their_closed_forms() -> None:
    """Δ/t ~ N(0, σ²): mean |Δ|/t = σ sqrt(2/π). Tolerances are 5 standard errors: false alarm 6e-7 each."""
    n, sigma = 40_000, 0.03
    draws = np.random.default_rng(1).normal(size=n)
    result = measure.output_jitter(np.full(n, 2.0), 2.0 * (1 + sigma * draws), floor=1e-9)
    error = 5 * sigma / math.sqrt(n)
    assert result["mean"] == pytest.approx(sigma * math.sqrt(2 / math.pi), abs=error * math.sqrt(1 - 2 / math.pi))
    assert result["bias"] == pytest.approx(0.0, abs=error)
    assert result["std"] == pytest.approx(sigma, abs=error / math.sqrt(2))
    quantile_error = {
        q: error * math.sqrt(q * (1 - q)) / stats.halfnorm.pdf(stats.halfnorm.ppf(q)) for q in (0.5, 0.95)
    }
    assert result["median"] == pytest.approx(sigma * stats.halfnorm.ppf(0.5), abs=quantile_error[0.5])
    assert result["p95"] == pytest.approx(sigma * stats.halfnorm.ppf(0.95), abs=quantile_error[0.95])
    assert result["standard_error"] == pytest.approx(sigma * math.sqrt((1 - 2 / math.pi) / n), rel=0.05)
    assert result["maximum"] == pytest.approx(sigma * np.abs(draws).max(), rel=1e-12)
    assert (result["fired"], result["n"], result["floor"]) == (n, n, 1e-9)


def _within_binomial(hits: int, n: int, p: float) -> bool:
    """Two-sided, false alarm 1e-6."""
    low, high = stats.binom.ppf([5e-7, 1 - 5e-7], n, p)
    return bool(low <= hits <= high)


def test_the_interval_of_the_mean_covers_the_truth_in_95_percent_of_experiments() -> None:
    """Half-normal sizes, n = 800: skewness moves the coverage by -0.23/n = -0.0003 (Hall 1992), a tenth of an error."""
    experiments, n = 2000, 800
    truth, hits = 0.01 * math.sqrt(2 / math.pi), 0
    for draws in np.random.default_rng(2).normal(size=(experiments, n)):
        result = measure.output_jitter(np.ones(n), 1 + 0.01 * draws)
        hits += result["ci_low"] <= truth <= result["ci_high"]
    assert _within_binomial(hits, experiments, 0.95)


def test_the_paired_interval_covers_and_gains_from_pairing() -> None:
    experiments, n, hits, widths = 2000, 12, 0, []
    generator = np.random.default_rng(3)
    for _ in range(experiments):
        common, own = generator.normal(size=n), 0.1 * generator.normal(size=n)
        mean, low, high = measure.paired_difference(common + own + 0.5, common)
        hits += low <= 0.5 <= high
        widths.append(high - low)
        assert low < mean < high
    assert _within_binomial(hits, experiments, 0.95)
    assert np.mean(widths) < 0.2  # unpaired it would be above 1


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    """Newcombe 1998, table I: 81/263 and 0/20, method 3."""
    assert measure.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert measure.wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    for n in range(1, 200):  # no fraction lies outside its own interval, not even by rounding
        assert all(low <= k / n <= high for k in range(n + 1) for low, high in [measure.wilson_interval(k, n)])
    for count, n in [(0, 1), (1, 1), (3, 7), (1999, 2000)]:
        expected = stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
        assert measure.wilson_interval(count, n) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)
    with pytest.raises(InputError, match="count must be within"):
        measure.wilson_interval(3, 2)
    with pytest.raises(InputError, match="n > 0"):
        measure.wilson_interval(0, 0)


def test_failed_silent_and_fired_draws_are_told_apart() -> None:
    nan, inf = math.nan, math.inf
    desired = np.array([1.0, inf, 1.0, inf, nan, 1.0, inf, 2.0])
    measured = np.array([1.1, 1.0, inf, inf, 1.0, nan, nan, 1.9])
    result = measure.output_jitter(desired, measured)
    assert (result["fired"], result["n"]) == (2, 8)
    assert result["silent_fraction"] == 3 / 8
    assert result["failed_fraction"] == 3 / 8
    assert result["mean"] == pytest.approx((0.1 + 0.05) / 2)
    assert result["bias"] == pytest.approx((0.1 - 0.05) / 2)


def test_no_fired_draw_gives_nan_and_one_gives_no_interval() -> None:
    none = measure.output_jitter(np.full(3, math.inf), np.full(3, math.inf))
    assert none["silent_fraction"] == 1.0
    assert all(math.isnan(none[name]) for name in ("mean", "ci_low", "std", "bias", "median", "p95", "maximum"))
    one = measure.output_jitter(np.array([1.0, math.inf]), np.array([1.2, 1.0]))
    assert one["mean"] == pytest.approx(0.2)
    assert all(math.isnan(one[name]) for name in ("standard_error", "ci_low", "ci_high", "std"))


def test_a_spike_before_the_origin_counts_as_failed() -> None:
    result = measure.output_jitter(np.array([0.5, 2.0]), np.array([0.5, 2.1]), origin_over_tau=np.array([0.6, 1.0]))
    assert result["failed_fraction"] == 0.5
    assert result["mean"] == pytest.approx(0.1)


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((0,), (0,)), ((2, 2), (2, 2))])
def test_arrays_that_do_not_match_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InputError, match=r"must be \[trial\] of one length"):
        measure.output_jitter(np.ones(shapes[0]), np.ones(shapes[1]))


@given(st.floats(-0.5, 3.0), st.lists(st.tuples(st.floats(0.6, 5), st.floats(0.6, 5)), min_size=2, max_size=20))
def test_moving_all_times_and_the_origin_changes_nothing(shift: float, pairs: list[tuple[float, float]]) -> None:
    desired, measured = np.array(pairs).T
    still = measure.output_jitter(desired, measured)
    moved = measure.output_jitter(desired + shift, measured + shift, origin_over_tau=shift)
    for name, value in still.items():
        assert moved[name] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True)


AMPLITUDES = np.array([0.01, 0.03, 0.05, 0.07, 0.09])


@pytest.mark.parametrize("trials", [50, 2048, 5000])
def test_a_pure_power_law_has_its_exponent_and_a_narrow_interval(trials: int) -> None:
    """Rows in exact proportion: every resample has the same slope, so the paired interval closes."""
    draws = np.abs(np.random.default_rng(4).normal(size=trials))
    value, low, high = measure.curve_exponent(AMPLITUDES, AMPLITUDES[:, None] ** 1.7 * draws, np.random.default_rng(5))
    assert (value, low, high) == pytest.approx((1.7, 1.7, 1.7), abs=1e-9)


@pytest.mark.parametrize("silent", [0.0, 0.2])
def test_the_bootstrap_interval_of_the_exponent_covers(silent: float) -> None:
    """300 experiments of 200 draws. A percentile bootstrap covers only to O(1/n): true coverages of 93 … 96 % pass,
    each end with a false-alarm rate of 5e-7 by the binomial law."""
    experiments, n, hits = 300, 200, 0
    generator = np.random.default_rng(6)
    for _ in range(experiments):
        size = np.abs(generator.normal(size=n)) * np.exp(0.3 * generator.normal(size=(5, n)))
        size[generator.random(size.shape) < silent] = math.nan
        _, low, high = measure.curve_exponent(AMPLITUDES, AMPLITUDES[:, None] ** 1.3 * size, generator)
        hits += low <= 1.3 <= high
    assert stats.binom.ppf(5e-7, experiments, 0.93) <= hits <= stats.binom.ppf(1 - 5e-7, experiments, 0.96)


def test_blocks_leave_the_interval_of_many_draws_as_it_is() -> None:
    """6000 draws in 2048 blocks against the delta method for the same draws: width within 15 %."""
    generator = np.random.default_rng(7)
    size = np.abs(generator.normal(size=(5, 6000)))
    _, low, high = measure.curve_exponent(AMPLITUDES, AMPLITUDES[:, None] * size, generator)
    x = np.log(AMPLITUDES) - np.log(AMPLITUDES).mean()
    influence = (x[:, None] * size / size.mean(axis=1, keepdims=True)).sum(axis=0) / (x @ x)
    assert high - low == pytest.approx(2 * 1.96 * influence.std() / math.sqrt(6000), rel=0.15)


def test_the_exponent_is_nan_where_it_does_not_exist() -> None:
    generator = np.random.default_rng(8)
    for amplitudes, relative in [
        (np.array([0.01]), np.ones((1, 5))),
        (np.array([0.01, 0.02]), np.vstack([np.zeros(5), np.ones(5)])),
        (np.array([0.01, 0.02]), np.vstack([np.full(5, math.nan), np.ones(5)])),
    ]:
        assert all(math.isnan(value) for value in measure.curve_exponent(amplitudes, relative, generator))


def test_the_exponent_depends_on_the_seed_alone() -> None:
    size = np.abs(np.random.default_rng(9).normal(size=(5, 300)))
    first, second = (measure.curve_exponent(AMPLITUDES, size, np.random.default_rng(10)) for _ in range(2))
    assert first == second
