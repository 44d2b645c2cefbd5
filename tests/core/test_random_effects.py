"""Variance components and intervals of crossed images and chips, on planted effects."""

import numpy as np
import pytest

from neurocircuit.core.stats import random_effects


def planted(rng, chips, repeats, n, image=1.5, chip=0.4, middle=1.5):
    """right [chip, repeat, image] whose log-odds have normal effects of images and of chips."""
    odds = middle + image * rng.standard_normal(n) + chip * rng.standard_normal(chips)[:, None]
    return rng.random((chips, repeats, n)) < (1 / (1 + np.exp(-odds)))[:, None]


def test_components_are_those_that_were_planted():
    """Additive normal effects in place of bits: 60 designs; mean of squares within 5 of its standard errors."""
    rng, found = np.random.default_rng(1), []
    chips, repeats, n = 12, 3, 40
    for _ in range(60):
        y = (
            0.3 * rng.standard_normal(n)
            + 0.2 * rng.standard_normal((chips, 1, 1))
            + 0.1 * rng.standard_normal((chips, 1, n))
            + 0.4 * rng.standard_normal((chips, repeats, n))
        )
        own = random_effects.components(y)
        found.append([own.images**2, own.chips**2, own.both**2, own.events**2, own.total**2])
    expected = np.array([0.09 / n, 0.04 / chips, 0.01 / (n * chips), 0.16 / (n * chips * repeats)])
    expected = np.append(expected, expected.sum())
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(60)
    assert np.all(np.abs(mean - expected) < 5 * error + 0.03 * expected)  # small parts are cut at 0: biased upwards


@pytest.mark.parametrize(
    ("chips", "repeats", "n", "middle"), [(10, 2, 200, 1.5), (5, 1, 100, 1.5), (20, 1, 1000, 1.5), (3, 1, 40, 4.0)]
)
def test_intervals_cover_as_often_as_they_say(chips, repeats, n, middle):
    """1000 designs at nominal 95 %: 920 … 990 cover (bounds: false alarm 3e-5 and 1e-12 at a true 95 %)."""
    rng = np.random.default_rng(2)
    draws = middle + 1.5 * rng.standard_normal(400_000) + 0.4 * rng.standard_normal(400_000)
    truth, hits = np.mean(1 / (1 + np.exp(-draws))), 0
    for _ in range(1000):
        right = planted(rng, chips, repeats, n, middle=middle)
        low, high = random_effects.accuracy_interval(right, random_effects.components(right))
        hits += low <= truth <= high
    assert 920 <= hits <= 990


def test_ends_of_the_scale_have_wilsons_interval():
    right = np.ones((3, 2, 50), dtype=bool)
    low, high = random_effects.accuracy_interval(right, random_effects.components(right))
    assert 0.9 < low < 0.95
    assert high == 1.0
    right[0, 0, 0] = False
    low, high = random_effects.accuracy_interval(right, random_effects.components(right))
    assert 0 < low < 1 - 1 / 300 < high < 1


def test_one_chip_or_one_repeat_leaves_its_part_open():
    rng = np.random.default_rng(3)
    one = random_effects.components(planted(rng, 1, 1, 80))
    assert (one.chips, one.events) == (0.0, 0.0)
    assert one.total == pytest.approx(one.images)


def test_variance_over_tables_is_the_planted_one():
    """Six tables whose effect is 2 %, hidden under images: mean of 400 estimates within 5 standard errors."""
    rng, found = np.random.default_rng(4), []
    for _ in range(400):
        effect = 0.02 * rng.standard_normal(6)
        differences = effect[:, None, None] + 0.1 * rng.standard_normal((6, 2, 300))
        found.append(random_effects.table_variance(differences))
    error = np.std(found, ddof=1) / np.sqrt(400)
    assert abs(np.mean(found) - 0.0004) < 5 * error
    assert random_effects.table_variance(np.zeros((1, 2, 3))) == 0.0


def test_intervals_of_differences_cover():
    """1000 designs of 4 chips x 40 images, true gain 0.1: 920 … 990 cover (false alarm 3e-5, 1e-12 at a true 95 %)."""
    rng, hits = np.random.default_rng(3), 0
    for _ in range(1000):
        gain = 0.1 + 0.2 * rng.standard_normal(40) + 0.1 * rng.standard_normal((4, 1, 1))
        difference = gain + 0.3 * rng.standard_normal((4, 1, 40))
        low, high = random_effects.difference_interval(random_effects.components(difference), difference)
        hits += low <= 0.1 <= high
    assert 920 <= hits <= 990


def test_no_difference_is_not_certainty():
    nothing = np.zeros((3, 1, 50))
    low, high = random_effects.difference_interval(random_effects.components(nothing), nothing)
    assert -low == high == pytest.approx(0.0713, abs=1e-3)  # Wilson's of 0 of 50


def test_one_wrong_image_leaves_a_short_interval():
    """1 of 3 x 40 wrong: 0.8 … 1, where the logit's t would have said 0.53."""
    right = np.ones((3, 1, 40), dtype=bool)
    right[1, 0, 7] = False
    low, high = random_effects.accuracy_interval(right, random_effects.components(right))
    assert 0.8 < low < 119 / 120 < high
