"""The weight bank."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurocircuit.errors import InputError, SpecError
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


MEASURED = (0.1, 0.25, 0.45, 0.6, 0.8, 0.95, 1.0)


def test_a_measured_bank_makes_its_measured_weights_and_knows_their_codes():
    bank = WeightBank(
        excitatory=Bank(bits=3, max_weight=1.0, weights=MEASURED),
        inhibitory=Bank(bits=3, max_weight=0.7),
    )
    levels = np.array([0.0, *MEASURED])
    wanted = np.random.default_rng(0).uniform(0, 1.2, 500)
    nearest = levels[np.argmin(np.abs(wanted[:, None] - levels), axis=1)]
    np.testing.assert_array_equal(bank.quantise(wanted), nearest)
    np.testing.assert_array_equal(bank.codes(levels), np.arange(8))
    np.testing.assert_array_equal(bank.codes(-0.1 * np.arange(8)), -np.arange(8))
    assert bank.with_bits(3) == bank
    assert bank.with_bits(4).excitatory.weights == ()


@given(BANKS.filter(lambda bank: bank.bits <= 20), arrays(float, 20, elements=st.floats(-2e3, 2e3)))
def test_codes_of_quantised_weights_make_them_again(bank, weights):
    both = WeightBank(excitatory=bank, inhibitory=bank)
    made = both.quantise(weights)
    codes = both.codes(made)
    top = 2**bank.bits - 1
    magnitude = np.abs(codes)
    with np.errstate(divide="ignore"):
        by_code = magnitude / top if bank.code == "conductance" else np.where(codes == 0, 0.0, 1 / magnitude)
    np.testing.assert_allclose(np.sign(codes) * by_code * bank.max_weight, made, rtol=1e-9)


def test_a_weight_off_the_codes_is_refused():
    with pytest.raises(
        InputError, match=r"weights must be on the bank's codes at level transistor, got 0.3 .* quantise"
    ):
        WeightBank().codes(np.array([0.0, 2 / 15, 0.3]))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((0.1, 0.2), "weights must have 7 entries or none, got 2"),
        ((0.1, 0.3, 0.2, 0.4, 0.5, 0.6, 1.0), "weights must rise from 0 with the code, got 0.2 at code 3"),
        ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9), "weights must end at max_weight 1, got 0.9"),
    ],
)
def test_impossible_measured_weights(weights, message):
    with pytest.raises(SpecError, match=message):
        Bank(bits=3, max_weight=1.0, weights=weights)


@given(arrays(float, 20, elements=st.floats(-2e3, 2e3)))
def test_spanning_takes_in_every_weight_at_three_digits(weights):
    """Rounded up to three digits: never below the largest weight of a sign, at most 1 % above it; 1e-6 without one."""
    bank = WeightBank().spanning(weights)
    for full_scale, largest in (
        (bank.excitatory.max_weight, weights.max()),
        (bank.inhibitory.max_weight, -weights.min()),
    ):
        assert largest * (1 - 1e-9) <= full_scale <= max(1.0101 * largest, 1e-6)
