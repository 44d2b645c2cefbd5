"""Quantities, percentages and ranges."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocircuit import units
from neurocircuit.errors import UnitError


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("764 MHz", "Hz", 764e6),
        ("20 ns", "s", 20e-9),
        ("20ns", "s", 20e-9),
        ("0.5 rad", "rad", 0.5),
        ("500 mrad", "rad", 0.5),
        ("400 Mrad/s", "rad/s", 4e8),
        ("5.78e4 rad2/s", "rad2/s", 5.78e4),
        ("5.78e4 rad²/s", "rad2/s", 5.78e4),
        ("1e-9 s", "s", 1e-9),
        ("7 µs", "s", 7e-6),
        ("3 %", "", 0.03),
        ("-0.25", "", -0.25),
    ],
)
def test_reads_quantities(text, unit, value):
    assert units.parse_quantity(text, unit, "field") == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("764M", "Hz"),  # a SPICE suffix: 1e6 or 1e-3?
        ("20n", "s"),
        ("20", "s"),
        ("7,64 MHz", "Hz"),
        ("1,000 s", "s"),
        ("７ MHz", "Hz"),
        ("20 ns", "Hz"),
        ("0.5", "rad"),
        ("nan s", "s"),
        ("inf Hz", "Hz"),
        ("abc", "s"),
        ("", "s"),
        ("2 GHz and more", "Hz"),
        ("1 m", "s"),
        ("3 % %", ""),
        ("nan", ""),
        ("1e999", ""),
    ],
)
def test_refuses_what_is_not_a_quantity(text, unit):
    with pytest.raises(UnitError, match=r"^field must .* got "):
        units.parse_quantity(text, unit, "field")


@given(
    st.floats(min_value=1e-18, max_value=1e18) | st.floats(min_value=-1e18, max_value=-1e-18) | st.just(0.0),
    st.sampled_from(["s", "Hz", "rad", "rad/s", "rad2/s", "1/K", ""]),
)
def test_text_of_a_quantity_reads_back_exactly(value, unit):
    assert units.parse_quantity(units.format_quantity(value, unit), unit, "field") == value


@pytest.mark.parametrize(
    ("text", "ratios"),
    [
        ("1-9%", (0.01, 0.03, 0.05, 0.07, 0.09)),
        ("1-9%:1", (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09)),
        ("1-9%:4%", (0.01, 0.05, 0.09)),
        ("1,3,5%", (0.01, 0.03, 0.05)),
        ("5, 1 %", (0.01, 0.05)),
        ("3%", (0.03,)),
        ("0.5-1.5%:0.5", (0.005, 0.01, 0.015)),
        ("none", None),
    ],
)
def test_reads_percentages(text, ratios):
    assert units.parse_percentages(text) == ratios


@pytest.mark.parametrize(
    "text",
    [
        "1-9",
        "9-1%",
        "1-8%",
        "1-9%:0",
        "1-9%:x",
        "a%",
        "%",
        "",
        "1,1%",
        "1-9%:1:1",
        "3%:1",
        "-3%",
        "1-9%:0.0001",
        "１-９%",
    ],
)
def test_refuses_other_percentages(text):
    with pytest.raises(UnitError, match=r"^--jitter must .* got "):
        units.parse_percentages(text)


@pytest.mark.parametrize("text", ["4,x", "4.5", "", "4,4", "-4"])
def test_refuses_other_bit_lists(text):
    with pytest.raises(UnitError, match=r"^--bits must .* got "):
        units.parse_integers(text)


def test_reads_spike_times_in_tau_or_seconds_and_silence():
    assert units.parse_times_over_tau("0.16,0.2,inf", 20e-9) == (0.16, 0.2, math.inf)
    assert units.parse_times_over_tau("inf,3.2ns, 4 ns", 20e-9) == (math.inf, pytest.approx(0.16), pytest.approx(0.2))


@pytest.mark.parametrize("text", ["3,2ns", "3,2ns,4,1ns", "0.16,3.2ns", "0,16", "0,3,0,6", "0,3,inf", "1,05", "-0,3"])
def test_a_decimal_comma_in_times_is_refused(text):
    with pytest.raises(UnitError, match=r"^--inputs must have .*decimal point.* got "):
        units.parse_times_over_tau(text, 20e-9)


@pytest.mark.parametrize("text", ["0,8", "-0,8", "0,8,0,9", "1,05", "2,5,0,5", "0,3e5"])
def test_a_decimal_comma_in_numbers_is_refused(text):
    with pytest.raises(UnitError, match=r"^--weights must have decimal points .* got "):
        units.parse_numbers(text, "--weights")
    with pytest.raises(UnitError, match=r"^--jitter must "):
        units.parse_percentages(f"{text}%")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0, 8", (0, 8)),
        ("0,27,85", (0, 27, 85)),
        ("0,0", (0, 0)),
        ("1,1", (1, 1)),
        ("2,64", (2, 64)),
        ("0.5,1", (0.5, 1)),
        ("0,-8", (0, -8)),
        ("0,3e4,3e5", (0, 3e4, 3e5)),
    ],
)
def test_a_list_that_no_decimal_comma_explains_is_read(text, numbers):
    assert units.parse_numbers(text, "--weights") == numbers


@pytest.mark.parametrize(
    ("text", "unit", "value"), [("1e-3 µs", "s", 1e-9), ("2.5E3kHz", "Hz", 2.5e6), ("1e3 mrad", "rad", 1.0)]
)
def test_exponent_and_prefix_go_together(text, unit, value):
    assert units.parse_quantity(text, unit, "tau") == value


@pytest.mark.parametrize(
    ("value", "text"), [(150e6, "150 MHz"), (999e3, "999 kHz"), (1e9, "1 GHz"), (1.5e3, "1.5 kHz")]
)
def test_a_quantity_is_written_with_the_prefix_that_leaves_one_to_three_digits(value, text):
    assert units.format_quantity(value, "Hz") == text
