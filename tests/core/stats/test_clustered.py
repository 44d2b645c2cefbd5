"""Errors of values that share groups."""

import numpy as np
import pytest
from scipy import stats

from neurocircuit.core.stats.clustered import clustered_error, clustered_interval, design_effect


def test_errors_are_the_plain_ones_without_clusters_and_those_of_the_groups_with():
    rng = np.random.default_rng(0)
    values, label = rng.standard_normal(2000), np.arange(2000) % 50
    assert clustered_error(values, label) == pytest.approx(1 / np.sqrt(2000), rel=0.35)
    same = rng.standard_normal(50)[label]
    assert clustered_error(same, label) == pytest.approx(same[:50].std() / np.sqrt(50), rel=0.1)


def test_the_design_effect_is_the_size_of_groups_that_agree():
    label = np.arange(1000) // 20
    inside = np.repeat(np.random.default_rng(1).random(50) < 0.8, 20)
    assert design_effect(inside, label) == pytest.approx(20, rel=0.05)
    assert design_effect(np.random.default_rng(2).random(1000) < 0.8, label) == pytest.approx(1.0, abs=0.5)
    assert design_effect(np.ones(10, dtype=bool), np.arange(10)) == 1.0


def test_intervals_over_many_images_cover_and_few_chips_are_taken_as_they_are():
    """1000 experiments of 40 images on 3 chips whose own shift is part of the truth; 93 … 97 %, false alarm 5e-7."""
    hits, chip = 0, np.array([-1.0, 0.0, 2.0])
    for k in range(1000):
        rng = np.random.default_rng([k, 7])
        values = (rng.normal(size=40) + chip[:, None] + 0.3 * rng.normal(size=(3, 40))).ravel()
        _, low, high = clustered_interval(values, np.repeat(np.arange(3), 40), np.tile(np.arange(40), 3))
        hits += low <= chip.mean() <= high
    assert stats.binom.ppf(5e-7, 1000, 0.93) <= hits <= stats.binom.ppf(1 - 5e-7, 1000, 0.97)


def test_without_five_groups_there_is_no_interval():
    values = np.arange(8.0)
    assert np.isnan(clustered_interval(values, np.arange(8) % 2)[1])


def test_with_groups_alone_the_error_is_that_of_the_mean_of_their_means():
    """Six groups of 30, whose own values differ little: s/√6 of the group means, with five degrees of freedom."""
    rng, label = np.random.default_rng(3), np.repeat(np.arange(6), 30)
    values = rng.normal(size=6)[label] + 0.1 * rng.normal(size=180)
    means = values.reshape(6, 30).mean(axis=1)
    expected = stats.ttest_1samp(means, 0.0).confidence_interval()
    assert clustered_error(values, label) == pytest.approx(means.std(ddof=1) / np.sqrt(6))
    assert clustered_interval(values, label)[1:] == pytest.approx(tuple(expected))


def test_degrees_of_freedom_are_those_of_the_fewest_groups():
    rng, chip, image = np.random.default_rng(5), np.repeat(np.arange(6), 30), np.tile(np.arange(30), 6)
    values = rng.normal(size=6)[chip] + rng.normal(size=30)[image]
    mean, _, high = clustered_interval(values, chip, image)
    assert high - mean == pytest.approx(stats.t.ppf(0.975, 5) * clustered_error(values, chip, image))
