import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.process.converter import linearity

CODES = np.arange(1.0, 16.0)


def test_a_straight_converter_has_no_error() -> None:
    found = linearity(CODES, 0.06 * CODES)
    assert found.lsb_rad == pytest.approx(0.06)
    assert found.worst_inl == pytest.approx(0.0, abs=1e-12)
    assert found.worst_dnl == pytest.approx(0.0, abs=1e-12)


def test_a_planted_bow_and_a_planted_step() -> None:
    bow = linearity(CODES, 0.06 * (CODES - 0.01 * CODES**2))
    # The line through the origin fitted to x - b x²: slope 1 - b Σx³/Σx², so INL = b x (Σx³/Σx² - x) / slope.
    centre = np.sum(CODES**3) / np.sum(CODES**2)
    assert bow.inl == pytest.approx(0.01 * CODES * (centre - CODES) / (1 - 0.01 * centre))
    jump = 0.06 * CODES
    jump[7] += 0.03
    step = linearity(CODES, jump)
    assert step.dnl[7] == pytest.approx(0.5, abs=0.03)
    assert step.dnl[8] == pytest.approx(-0.5, abs=0.03)


def test_gaps_between_codes_and_bad_codes() -> None:
    assert linearity(np.array([1.0, 4.0, 15.0]), np.array([0.1, 0.4, 1.5])).dnl == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(InputError, match="codes must rise"):
        linearity(np.array([3.0, 2.0]), np.array([0.1, 0.2]))
