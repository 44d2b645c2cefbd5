"""Numbers as the reports write them."""

import math
import re
from collections.abc import Sequence

from neurocircuit.units import decimals_carried

_EXPONENT = re.compile(r"(?<![=\w.])(\d+(?:\.\d+)?)e([-+]\d\d)\b")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
ABSENT = "–"


def powers(text: str) -> str:
    """Return the text with 3.1e-09 written as 3.1·10⁻⁹.

    >>> powers("a floor of 3.1e-09 of t")
    'a floor of 3.1·10⁻⁹ of t'
    """
    return _EXPONENT.sub(lambda match: f"{match[1]}·10" + str(int(match[2])).translate(_SUPERSCRIPT), text)


def capitalised(text: str) -> str:
    """Return the text with its first letter in upper case, the others as they are."""
    return text[:1].upper() + text[1:]


def is_number(value: float | None) -> bool:
    """Return whether a value of a result is known; nan stands in JSON as null."""
    return value is not None and math.isfinite(value)


def interval(values: Sequence[float | None], digits: int = 2) -> str:
    """Return a ratio with its 95 % interval, (value, low, high), in percent, with the digits that the interval carries.

    digits: decimals at most, and without an interval.

    >>> interval([0.97, 0.95, 0.985])
    '97.0% (95.0% … 98.5%)'
    >>> interval([0.8333, 0.7512, 0.9011])
    '83% (75% … 90%)'
    >>> interval([0.97, None, None], 1)
    '97.0%'
    """
    value, low, high = values
    if not is_number(value):
        return ABSENT
    digits = _decimals(low, high, digits)
    ends = f" ({low:.{digits}%} … {high:.{digits}%})" if is_number(low) and is_number(high) else ""
    return f"{value:.{digits}%}{ends}"


def points(values: Sequence[float | None], digits: int = 2, unit: str = " points") -> str:
    """Return a difference of ratios with its 95 % interval, where it has one, in percentage points.

    digits: decimals at most, and without an interval; else those that the interval carries.

    >>> points([0.04, 0.028, 0.052])
    '+4.0 points (+2.8 … +5.2)'
    >>> points([0.04, None, None], 1)
    '+4.0 points'
    """
    digits = _decimals(values[1], values[2], digits)
    value, low, high = (
        ABSENT if number is None or math.isnan(number) else f"{100 * number:+.{digits}f}".replace("-", "−")
        for number in values
    )
    return f"{value}{unit}" + ("" if ABSENT in (low, high) else f" ({low} … {high})")


def with_error(value: float, error: float, digits: int = 3, sign: str = "", unit: str = "") -> str:
    """Return a value with its standard error, both with the digits that the error carries; digits: decimals at most.

    >>> with_error(0.8123, 0.0412), with_error(-0.8123, 0.152, sign="+")
    ('0.81 ± 0.04', '-0.81 ± 0.15')
    """
    decimals = decimals_carried(error, digits)
    return f"{value:{sign}.{decimals}f}{unit} ± {error:.{decimals}f}{unit}"


def _decimals(low: float | None, high: float | None, most: int) -> int:
    """Return the decimals of a percentage whose interval has these ends, as ratios."""
    if low is None or high is None:
        return most
    return decimals_carried(100 * (high - low) / 2, most)


def scaled(value: float | None, scale: float = 1.0) -> str:
    """Return `scale` times a value in three digits; a dash where it is not known."""
    return f"{scale * value:.3g}" if value is not None and math.isfinite(value) else ABSENT
