"""The weight bank."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurocircuit.spec import Bank, WeightBank

BANKS = st.builds(
    Bank,
    bits=st.integers(1, 52),
    max_weight=st.floats(1e-3, 1e3),
    code=st.sampled_from(["conductance", "resistance"]),
)


@given(BANKS, BANKS, arrays(float, 20, elements=st.floats(-2e3, 2e3)))
def test_monotone_and_signed(excitatory, inhibitory, weights):
    quantised = WeightBank(excitatory=excitatory, inhibitory=inhibitory).quantise(np.sort(weights))
    assert np.all(np.diff(quantised) >= 0)
    assert np.all(quantised * np.sort(weights) >= 0)


@given(BANKS, arrays(float, 20, elements=st.floats(-2e3, 2e3)))
def test_makeable_weights_stay(bank, weights):
    both = WeightBank(excitatory=bank, inhibitory=bank)
    once = both.quantise(weights)
    np.testing.assert_allclose(both.quantise(once), once, rtol=1e-9, atol=0)


@pytest.mark.parametrize("bits", [1, 2, 4, 6])
@pytest.mark.parametrize("code", ["conductance", "resistance"])
def test_takes_the_nearest_level(bits, code):
    """Against a search over the written-out levels."""
    top = 2**bits - 1
    levels = (
        [2.0 * k / top for k in range(top + 1)]
        if code == "conductance"
        else [0.0, *(2.0 / k for k in range(1, top + 1))]
    )
    weights = np.random.default_rng(0).uniform(0, 2.5, 2000)
    expected = np.array(levels)[np.argmin(np.abs(weights[:, None] - np.array(levels)), axis=1)]
    bank = WeightBank(excitatory=Bank(bits=bits, code=code))
    np.testing.assert_allclose(bank.quantise(weights), expected, rtol=1e-12)


def test_error_halves_with_each_bit():
    """Uniform weights: rms error = LSB/sqrt(12), here within 5 standard errors of 20 000 draws (false alarms 6e-7)."""
    weights = np.random.default_rng(0).uniform(0, 2, 20_000)
    for bits in (4, 8, 16, 24):
        lsb = 2 / (2**bits - 1)
        error = WeightBank().with_bits(bits).quantise(weights) - weights
        spread = 5 * np.sqrt(4 / 45 / 20_000) / (1 / 3) / 2  # relative standard error of an rms of a uniform error
        assert np.sqrt(np.mean(error**2)) == pytest.approx(lsb / np.sqrt(12), rel=spread)
