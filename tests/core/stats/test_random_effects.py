"""Variance components and intervals of crossed images and chips, on planted effects."""

import numpy as np
import pytest
from scipy import stats

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


def test_the_variance_of_the_mean_counts_what_images_and_chips_share_once():
    """Interaction and events outweigh both factors: counted twice they would add 40 %; 400 designs, 5 errors."""
    rng, totals = np.random.default_rng(2), []
    chips, repeats, n = 12, 3, 40
    for _ in range(400):
        y = (
            0.1 * rng.standard_normal(n)
            + 0.05 * rng.standard_normal((chips, 1, 1))
            + 0.3 * rng.standard_normal((chips, 1, n))
            + 0.4 * rng.standard_normal((chips, repeats, n))
        )
        totals.append(random_effects.components(y).total ** 2)
    expected = 0.01 / n + 0.0025 / chips + 0.09 / (n * chips) + 0.16 / (n * chips * repeats)
    assert abs(np.mean(totals) - expected) < 5 * np.std(totals, ddof=1) / np.sqrt(400) + 0.02 * expected


def _truth(middle, spread):
    """Mean accuracy where log-odds are middle plus a normal error, by Gauss-Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return np.tensordot(1 / (1 + np.exp(-(np.asarray(middle)[..., None] + spread * nodes))), weights / weights.sum(), 1)


def _hits(chips, repeats, n, middle, chip, designs, seed, method):
    rng, hits, widest = np.random.default_rng(seed), 0, 0.0
    other_chips = float(_truth(middle, np.hypot(1.5, chip)))
    for _ in range(designs):
        own = chip * rng.standard_normal(chips)
        odds = middle + 1.5 * rng.standard_normal(n) + own[:, None]
        right = rng.random((chips, repeats, n)) < (1 / (1 + np.exp(-odds)))[:, None]
        low, high = method(right)
        few = random_effects.for_these_chips(chips)
        truth = float(np.mean(_truth(middle + own, 1.5))) if few else other_chips
        hits += low <= truth <= high
        widest = max(widest, high - low)
    return hits, widest


def _interval(right):
    return random_effects.accuracy_interval(right, random_effects.components(right))


@pytest.mark.parametrize("chip", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(
    ("chips", "repeats", "n", "middle"),
    [(2, 1, 100, 1.5), (2, 1, 100, 4.0), (3, 1, 100, 1.5), (5, 1, 100, 1.5), (5, 1, 100, 4.0), (10, 2, 200, 1.5)],
)
def test_intervals_cover_as_often_as_they_say(chips, repeats, n, middle, chip):
    """400 designs, spread of chips from none to two thirds of that of images; below five chips the truth is theirs.

    Between 92.5 and 97.5 % may cover (five chips that differ much: 93 %), false alarm 5e-7 at either end.
    """
    hits, widest = _hits(chips, repeats, n, middle, chip, 400, 2, _interval)
    assert stats.binom.ppf(5e-7, 400, 0.925) <= hits <= stats.binom.ppf(1 - 5e-7, 400, 0.975)
    if random_effects.for_these_chips(chips):
        assert widest < 0.3


def test_an_interval_that_leaves_out_the_images_is_seen():
    def by_chips(right):  # a planted wrong one: chips and runs alone
        mean, error = right.mean(), right.mean(axis=2).std() / np.sqrt(right.shape[0] * right.shape[2])
        return mean - 2 * error, mean + 2 * error

    hits, _ = _hits(5, 1, 100, 1.5, 0.0, 600, 2, by_chips)
    assert hits < stats.binom.ppf(5e-7, 600, 0.925)


def test_one_wrong_of_two_hundred_on_two_chips_has_a_short_interval_for_these_chips():
    right = np.ones((2, 1, 100), dtype=bool)
    right[1, 0, 7] = False
    low, high = _interval(right)
    assert 0.96 < low < 0.995 < high < 1
    assert random_effects.scope(2) == "over images, for these 2 chips: it takes 5 to speak for others"
    assert random_effects.scope(5) == "over images and chips"


def test_rows_in_any_order_are_the_same_layout():
    rng = np.random.default_rng(0)
    chip, image = (axis.ravel() for axis in np.meshgrid([3, 9], [5, 1, 4], indexing="ij"))
    values = 10.0 * chip + image
    order = rng.permutation(6)
    grid = random_effects.by_chip_and_image(values[order], chip[order], image[order])
    np.testing.assert_array_equal(grid, [[[31, 34, 35]], [[91, 94, 95]]])


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
    """1000 designs of 6 chips x 40 images, true gain 0.1: 920 … 990 cover (false alarm 3e-5, 1e-12 at a true 95 %)."""
    rng, hits = np.random.default_rng(3), 0
    for _ in range(1000):
        gain = 0.1 + 0.2 * rng.standard_normal(40) + 0.1 * rng.standard_normal((6, 1, 1))
        difference = gain + 0.3 * rng.standard_normal((6, 1, 40))
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


def test_the_variance_over_tables_is_what_they_add_beyond_the_images_they_share():
    """Planted 0.02 between 8 tables beside noise of 0.3 by image: mean of 400 within five of its errors."""
    rng, variances = np.random.default_rng(9), []
    for _ in range(400):
        own = 0.02 * rng.normal(size=(8, 1, 1))
        variances.append(random_effects.table_variance(own + 0.3 * rng.normal(size=(8, 1, 200))))
    error = np.std(variances) / 20
    assert np.mean(variances) == pytest.approx(4e-4, abs=5 * error)
    assert 5 * error < 0.5 * 0.3**2 / 200  # what the images leave, were it not taken off, would be seen
