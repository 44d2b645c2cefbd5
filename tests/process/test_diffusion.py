import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.process import diffusion as d

GAIN, DENSITY, F_Hz = 45e12, 1e-22, 750e6


def planted_edges(runs: int, edges: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges of an ideal oscillator whose frequency follows the drawn current; an independent cycle-by-cycle sum."""
    rng = np.random.default_rng(seed)
    clean = np.arange(edges) / F_Hz
    sigma = np.sqrt(d.analytic_diffusion(GAIN, DENSITY) / F_Hz)
    phase = np.concatenate([np.zeros((runs, 1)), np.cumsum(rng.normal(0, sigma, (runs, edges - 1)), axis=1)], axis=1)
    return clean - phase / (2 * np.pi * F_Hz), clean


def test_planted_walk_is_found_at_every_lag() -> None:
    noisy, clean = planted_edges(40, 101, 1)
    for lag in (1, 4, 20):
        found = d.diffusion(noisy, clean, lag)
        assert found.increments == 40 * (100 // lag)
        spread = np.sqrt(2 / found.increments)
        assert found.diffusion_rad2_per_s == pytest.approx(d.analytic_diffusion(GAIN, DENSITY), rel=4 * spread)


def test_interval_covers_as_often_as_it_says() -> None:
    truth = d.analytic_diffusion(GAIN, DENSITY)
    hits = 0
    for seed in range(400):
        found = d.diffusion(*planted_edges(4, 31, seed), 5)
        hits += found.low < truth < found.high
    # 400 trials at 95 %: standard deviation 4.4; 4 of them on each side.
    assert abs(hits - 380) <= 18


def test_drawn_current_has_the_density_it_was_drawn_for() -> None:
    rng = np.random.default_rng(5)
    step, runs = 20e-12, 400
    time = np.arange(501) * step
    ends = []
    for _ in range(runs):
        current = d.noise_current_A(rng, len(time), DENSITY, step)
        ends.append(d.walked_phase_rad(time, current, GAIN)[-1])
    # A χ² of 400: relative standard deviation of the variance 7 %; 4 of them. The ends of the trapezoids lose 1/500.
    expected = d.analytic_diffusion(GAIN, DENSITY) * time[-1]
    assert np.mean(np.square(ends)) == pytest.approx(expected, rel=0.28)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="edges must be"):
        d.diffusion(np.zeros((2, 5)), np.arange(4.0), 1)
