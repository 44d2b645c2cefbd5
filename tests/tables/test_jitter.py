import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurocircuit.errors import InputError
from neurocircuit.tables import jitter


def test_half_normal_mean_and_friends_follow_their_closed_forms() -> None:
    """Δ/t ~ N(0, σ²): mean |Δ|/t = σ sqrt(2/π). Tolerances are 5 standard errors: false alarm 6e-7 each."""
    n, sigma = 40_000, 0.03
    draws = np.random.default_rng(1).normal(size=n)
    result = jitter.output_jitter(np.full(n, 2.0), 2.0 * (1 + sigma * draws), floor=1e-9)
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


def test_failed_silent_and_fired_draws_are_told_apart() -> None:
    nan, inf = math.nan, math.inf
    desired = np.array([1.0, inf, 1.0, inf, nan, 1.0, inf, 2.0])
    measured = np.array([1.1, 1.0, inf, inf, 1.0, nan, nan, 1.9])
    result = jitter.output_jitter(desired, measured)
    assert (result["fired"], result["n"]) == (2, 8)
    assert result["silent_fraction"] == 3 / 8
    assert result["failed_fraction"] == 3 / 8
    assert result["mean"] == pytest.approx((0.1 + 0.05) / 2)
    assert result["bias"] == pytest.approx((0.1 - 0.05) / 2)


def test_no_fired_draw_gives_nan_and_one_gives_no_interval() -> None:
    none = jitter.output_jitter(np.full(3, math.inf), np.full(3, math.inf))
    assert none["silent_fraction"] == 1.0
    assert all(math.isnan(none[name]) for name in ("mean", "ci_low", "std", "bias", "median", "p95", "maximum"))
    one = jitter.output_jitter(np.array([1.0, math.inf]), np.array([1.2, 1.0]))
    assert one["mean"] == pytest.approx(0.2)
    assert all(math.isnan(one[name]) for name in ("standard_error", "ci_low", "ci_high", "std"))


def test_a_spike_before_the_origin_counts_as_failed() -> None:
    result = jitter.output_jitter(np.array([0.5, 2.0]), np.array([0.5, 2.1]), origin_over_tau=np.array([0.6, 1.0]))
    assert result["failed_fraction"] == 0.5
    assert result["mean"] == pytest.approx(0.1)


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((0,), (0,)), ((2, 2), (2, 2))])
def test_arrays_that_do_not_match_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InputError, match=r"must be \[trial\] of one length"):
        jitter.output_jitter(np.ones(shapes[0]), np.ones(shapes[1]))


@given(st.floats(-0.5, 3.0), st.lists(st.tuples(st.floats(0.6, 5), st.floats(0.6, 5)), min_size=2, max_size=20))
def test_moving_all_times_and_the_origin_changes_nothing(shift: float, pairs: list[tuple[float, float]]) -> None:
    desired, measured = np.array(pairs).T
    still = jitter.output_jitter(desired, measured)
    moved = jitter.output_jitter(desired + shift, measured + shift, origin_over_tau=shift)
    for name, value in still.items():
        assert moved[name] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True)


AMPLITUDES = np.array([0.01, 0.03, 0.05, 0.07, 0.09])


@pytest.mark.parametrize("trials", [50, 5000])
def test_a_pure_power_law_has_its_exponent_and_a_narrow_interval(trials: int) -> None:
    """Rows in exact proportion: no draw moves the slope, so the interval closes."""
    draws = np.abs(np.random.default_rng(4).normal(size=trials))
    value, low, high = jitter.curve_exponent(AMPLITUDES, AMPLITUDES[:, None] ** 1.7 * draws)
    assert (value, low, high) == pytest.approx((1.7, 1.7, 1.7), abs=1e-9)


@pytest.mark.parametrize("silent", [0.0, 0.2])
def test_the_interval_of_the_exponent_covers(silent: float) -> None:
    """2000 experiments of 40 draws; 93 … 97 % may cover, each end with a false-alarm rate of 5e-7 by the binomial."""
    experiments, n, hits = 2000, 40, 0
    generator = np.random.default_rng(6)
    for _ in range(experiments):
        size = np.abs(generator.normal(size=n)) * np.exp(0.3 * generator.normal(size=(5, n)))
        size[generator.random(size.shape) < silent] = math.nan
        size[:, :1] = np.abs(generator.normal(size=(5, 1)))
        _, low, high = jitter.curve_exponent(AMPLITUDES, AMPLITUDES[:, None] ** 1.3 * size)
        hits += low <= 1.3 <= high
    if silent:  # fewer than 40 fired in some row: no interval at all
        assert hits == 0
    else:
        assert stats.binom.ppf(5e-7, experiments, 0.93) <= hits <= stats.binom.ppf(1 - 5e-7, experiments, 0.97)


def test_the_exponent_is_nan_where_it_does_not_exist() -> None:
    for amplitudes, relative in [
        (np.array([0.01]), np.ones((1, 5))),
        (np.array([0.01, 0.02]), np.vstack([np.zeros(5), np.ones(5)])),
        (np.array([0.01, 0.02]), np.vstack([np.full(5, math.nan), np.ones(5)])),
    ]:
        assert all(math.isnan(value) for value in jitter.curve_exponent(amplitudes, relative))


def test_few_draws_give_an_exponent_without_an_interval() -> None:
    size = np.abs(np.random.default_rng(9).normal(size=(5, jitter.LEAST_EXPONENT_DRAWS - 1)))
    value, low, high = jitter.curve_exponent(AMPLITUDES, size)
    assert math.isfinite(value)
    assert math.isnan(low)
    assert math.isnan(high)


def test_moves_beyond_a_quarter_of_the_spacing_are_counted() -> None:
    desired = np.array([1.0, 1.0, 1.0, 1.0, np.inf, np.nan])
    measured = np.array([1.0, 1.0 + 0.0026, 1.0 - 0.0026, 1.0 + 0.0024, 1.0, 1.0])
    assert jitter.pulse_moves(desired, measured, 0.01).tolist() == [False, True, True, False, False, False]
    assert jitter.output_jitter(desired, measured, pulse_spacing_over_tau=0.01)["pulse_moves"] == 2


def test_the_interval_of_the_exponent_is_as_wide_as_its_spread_over_repeated_sweeps() -> None:
    """Rows with errors of their own beside shared ones: 3000 sweeps of 60 draws; the spread's error is 1.3 %.

    Five of them and 2 % for a relation that is linear in the means to first order only: 8.5 %.
    """
    generator, amplitudes, slopes, halves = np.random.default_rng(7), np.array([0.01, 0.03, 0.09]), [], []
    for _ in range(3000):
        shared, each = generator.normal(size=60), generator.normal(size=(3, 60))
        slope, low, high = jitter.curve_exponent(amplitudes, amplitudes[:, None] * (shared + each))
        slopes.append(slope)
        halves.append((high - low) / 2)
    assert np.mean(halves) / stats.t.ppf(0.975, 59) == pytest.approx(np.std(slopes), rel=0.085)
    assert np.mean(slopes) == pytest.approx(1.0, abs=5 * np.std(slopes) / math.sqrt(3000))
