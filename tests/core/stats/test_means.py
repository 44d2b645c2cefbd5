"""Intervals of means: coverage on planted laws, by the binomial law."""

import math

import numpy as np
import pytest
from scipy import stats

from neurocircuit.core.stats import (
    paired_difference,
    paired_mixture_difference,
    separated_difference,
    size_interval,
    size_mixture_interval,
    student_interval,
)

EXPERIMENTS = 2000
JUMP, CHANCE, REST = 0.0247, 0.035, 2e-4  # of level edge at 1 % input jitter


def covers(hits: int) -> bool:
    """Whether so many of EXPERIMENTS are consistent with a coverage of 93 … 97 %; false alarm 5e-7 at either end."""
    low, high = stats.binom.ppf(5e-7, EXPERIMENTS, 0.93), stats.binom.ppf(1 - 5e-7, EXPERIMENTS, 0.97)
    return bool(low <= hits <= high)


def hits_of(interval, truth, draw):
    count = 0
    for k in range(EXPERIMENTS):
        _, low, high = interval(*draw(np.random.default_rng([k, 3])))
        count += low <= truth <= high
    return count


@pytest.mark.parametrize("n", [2, 4, 12, 100])
def test_the_mean_of_half_normal_sizes_is_covered_at_every_number(n):
    truth = math.sqrt(2 / math.pi)
    assert covers(hits_of(size_interval, truth, lambda rng: (np.abs(rng.normal(size=n)),)))


def mixture(n):
    def draw(rng):
        moved = rng.random(n) < CHANCE
        sizes = np.where(moved, JUMP * (1 + 0.02 * rng.normal(size=n)), REST * np.abs(rng.normal(size=n)))
        return sizes, moved

    return draw


MEAN = CHANCE * JUMP + (1 - CHANCE) * REST * math.sqrt(2 / math.pi)


@pytest.mark.parametrize("n", [130, 230, 900])
def test_the_mean_with_rare_jumps_is_covered_from_four_expected_jumps_on(n):
    assert covers(hits_of(size_mixture_interval, MEAN, mixture(n)))


@pytest.mark.parametrize(("n", "interval"), [(12, student_interval), (40, student_interval), (40, size_interval)])
def test_intervals_that_know_of_no_jumps_do_not_cover_and_this_sees_it(n, interval):
    assert not covers(hits_of(interval, MEAN, lambda rng: mixture(n)(rng)[:1]))


def test_paired_differences_are_covered_with_and_without_jumps():
    def smooth(rng):
        common = rng.normal(size=12)
        return common + 0.1 * rng.normal(size=12) + 0.5, common

    def jumping(rng):
        n = 300
        moved = rng.random(n) < CHANCE
        common = np.abs(rng.normal(size=n))
        return common + JUMP * moved + 1e-4 * rng.normal(size=n), common, moved

    assert covers(hits_of(paired_difference, 0.5, smooth))
    assert covers(hits_of(paired_mixture_difference, CHANCE * JUMP, jumping))


def test_the_difference_of_two_estimates_is_covered():
    def two(rng):
        return size_interval(np.abs(rng.normal(size=20))), size_interval(2 * np.abs(rng.normal(size=40)))

    assert covers(hits_of(separated_difference, -math.sqrt(2 / math.pi), two))


def test_ends_that_do_not_exist_are_nan():
    assert all(math.isnan(value) for value in size_interval(np.array([])))
    assert math.isnan(size_interval(np.array([1.0]))[1])
    assert size_interval(np.zeros(5)) == (0.0, 0.0, 0.0)
    assert math.isnan(separated_difference((1.0, 0.9, 1.1), (2.0, math.nan, math.nan))[1])


def test_a_difference_reaches_down_by_the_lower_reach_of_one_and_the_upper_of_the_other():
    """MOVER: the least difference is where the first is low and the second high; skewed intervals tell them apart."""
    value, low, high = separated_difference((10.0, 7.0, 30.0), (3.0, 1.0, 7.0))
    assert value == 7.0
    assert low == pytest.approx(7.0 - math.hypot(3.0, 4.0))
    assert high == pytest.approx(7.0 + math.hypot(20.0, 2.0))
    assert all(math.isnan(end) for end in separated_difference((10.0, 7.0, 30.0), (3.0, math.nan, math.nan))[1:])


@pytest.mark.parametrize(
    "interval", [size_mixture_interval, lambda sizes, moved: paired_mixture_difference(sizes, 0 * sizes, moved)]
)
def test_which_kind_of_a_mixture_is_called_moved_makes_no_difference(interval):
    """Few of one kind: an asymmetric interval of their share, which must not be turned round with the names."""
    generator = np.random.default_rng(4)
    moved = np.arange(80) < 6
    sizes = np.abs(generator.standard_normal(80)) + np.where(moved, 10.0, 0.0)
    assert interval(sizes, moved) == pytest.approx(interval(sizes, ~moved))
    value, low, high = interval(sizes, moved)
    assert high - value > 1.2 * (value - low)
