"""Numbers as the reports write them."""

import math
import re
from collections.abc import Sequence

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
    """Return a ratio with its 95 % interval, (value, low, high), in percent.

    >>> interval([0.97, 0.95, 0.985], 1)
    '97.0% (95.0% … 98.5%)'
    >>> interval([0.97, None, None], 1)
    '97.0%'
    """
    value, low, high = values
    if not is_number(value):
        return ABSENT
    ends = f" ({low:.{digits}%} … {high:.{digits}%})" if is_number(low) and is_number(high) else ""
    return f"{value:.{digits}%}{ends}"


def points(values: Sequence[float | None], digits: int = 1, unit: str = " points") -> str:
    """Return a difference of ratios with its 95 % interval, where it has one, in percentage points.

    >>> points([0.04, 0.028, 0.052])
    '+4.0 points (+2.8 … +5.2)'
    >>> points([0.04, None, None])
    '+4.0 points'
    """
    value, low, high = (
        ABSENT if number is None or math.isnan(number) else f"{100 * number:+.{digits}f}".replace("-", "−")
        for number in values
    )
    return f"{value}{unit}" + ("" if ABSENT in (low, high) else f" ({low} … {high})")


def scaled(value: float | None, scale: float = 1.0) -> str:
    """Return `scale` times a value in three digits; a dash where it is not known."""
    return f"{scale * value:.3g}" if value is not None and math.isfinite(value) else ABSENT
