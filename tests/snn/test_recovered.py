"""The share won back: arithmetic, and coverage on planted networks."""

from dataclasses import dataclass

import numpy as np
import pytest

from neurocircuit.snn import crossed
from neurocircuit.snn.recovered import recovered


@dataclass
class Planted:
    """What `recovered` reads of an evaluation."""

    right: np.ndarray
    software: np.ndarray
    components: crossed.Components


def planted(rng, accuracies, chips=10, n=300):
    """Networks of given accuracies that share the difficulty of images and the luck of chips."""
    image, chip = rng.standard_normal(n), 0.3 * rng.standard_normal(chips)[:, None]
    every = []
    for accuracy in accuracies:
        right = rng.random((chips, 1, n)) < (1 / (1 + np.exp(-(accuracy + image + chip))))[:, None]
        every.append(Planted(right, rng.random(n) < 0.98, crossed.components(right)))
    return every


def test_shares_are_those_of_the_means():
    clean, *trained = planted(np.random.default_rng(1), (1.0, 2.0, 2.1, 1.9))
    found = recovered(clean, trained)
    a, b, s = clean.right.mean(), np.mean([one.right.mean() for one in trained]), clean.software.mean()
    assert found.share[0] == pytest.approx((b - a) / (s - a))
    assert found.gain[0] == pytest.approx(b - a)
    for value, low, high in (found.clean, found.trained, found.gain, found.share):
        assert low < value < high


def test_intervals_of_the_gain_cover(monkeypatch):
    """60 designs at nominal 95 %, the training seeds alike: at least 50 cover (false alarm 1e-3)."""
    from neurocircuit.snn import recovered as module

    monkeypatch.setattr(module, "DRAWS", 300)
    draws = np.random.default_rng(2).standard_normal(400_000) * np.hypot(1, 0.3)
    truth = np.mean(1 / (1 + np.exp(-(2.0 + draws)))) - np.mean(1 / (1 + np.exp(-(1.0 + draws))))
    rng, hits = np.random.default_rng(3), 0
    for _ in range(60):
        clean, *trained = planted(rng, (1.0, 2.0, 2.0, 2.0), n=120)
        _, low, high = recovered(clean, trained).gain
        hits += low <= truth <= high
    assert hits >= 50


def test_no_loss_has_no_share():
    right = np.ones((2, 1, 10), dtype=bool)
    one = Planted(right, np.ones(10, dtype=bool), crossed.components(right))
    found = recovered(one, [one])
    assert np.isnan(found.share).all()
    assert found.gain == pytest.approx((0.0, 0.0, 0.0))
