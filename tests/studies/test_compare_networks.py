"""The share won back: arithmetic, and coverage on planted networks."""

import numpy as np
import pytest

from neurocircuit.studies.compare_networks import Network, recovery


def planted(rng, accuracies, chips=10, n=300):
    """Networks of given accuracies that share the difficulty of images and the luck of chips."""
    image, chip = rng.standard_normal(n), 0.3 * rng.standard_normal(chips)[:, None]
    every = []
    for accuracy in accuracies:
        right = rng.random((chips, n)) < (1 / (1 + np.exp(-(accuracy + image + chip))))
        every.append(Network(right.astype(float)))
    return every, (rng.random(n) < 0.98).astype(float)


def test_shares_are_those_of_the_means():
    (clean, *trained), software = planted(np.random.default_rng(1), (1.0, 2.0, 2.1, 1.9))
    found = recovery(clean, trained, software)
    a, b, s = clean.right.mean(), np.mean([one.right.mean() for one in trained]), software.mean()
    assert found.share[0] == pytest.approx((b - a) / (s - a))
    assert found.gain[0] == pytest.approx(b - a)
    for value, low, high in (found.clean, found.trained, found.gain, found.share):
        assert low < value < high
    assert np.isnan([*found.control, *found.beyond_control]).all()


def test_what_the_noise_is_worth_is_counted_against_the_control():
    (clean, *others), software = planted(np.random.default_rng(5), (1.0, 2.0, 2.1, 1.4, 1.5))
    found = recovery(clean, others[:2], software, others[2:])
    control, trained = (np.mean([one.right.mean() for one in part]) for part in (others[2:], others[:2]))
    assert found.control[0] == pytest.approx(control)
    assert found.beyond_control[0] == pytest.approx(trained - control)
    assert found.beyond_control[1] < trained - control < found.beyond_control[2]
    assert found.share == recovery(clean, others[:2], software, others[2:]).share  # the same draws


def test_intervals_of_the_gain_cover(monkeypatch):
    """60 designs at nominal 95 %, the training seeds alike: at least 50 cover (false alarm 1e-3)."""
    from neurocircuit.studies import compare_networks as module

    monkeypatch.setattr(module, "DRAWS", 300)
    draws = np.random.default_rng(2).standard_normal(400_000) * np.hypot(1, 0.3)
    truth = np.mean(1 / (1 + np.exp(-(2.0 + draws)))) - np.mean(1 / (1 + np.exp(-(1.0 + draws))))
    rng, hits = np.random.default_rng(3), 0
    for _ in range(60):
        (clean, *trained), software = planted(rng, (1.0, 2.0, 2.0, 2.0), n=120)
        _, low, high = recovery(clean, trained, software).gain
        hits += low <= truth <= high
    assert hits >= 50


def test_no_loss_has_no_share():
    one = Network(np.ones((2, 10)))
    found = recovery(one, [one], np.ones(10))
    assert np.isnan(found.share).all()
    assert found.gain == pytest.approx((0.0, 0.0, 0.0))


def test_where_every_image_is_right_the_interval_is_still_one():
    """20 of 20 images: a true accuracy of 90 % does so in one of eight cases, so that the interval holds it."""
    right = np.ones((2, 20))
    half = right.copy()
    half[:, ::2] = 0.0
    found = recovery(Network(half), [Network(right)], np.ones(20))
    assert found.trained == (1.0, pytest.approx(0.839, abs=1e-3), 1.0)
    assert found.clean[1] < 0.5 < found.clean[2]
