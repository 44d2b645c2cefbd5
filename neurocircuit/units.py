"""Quantities with units as text ⇄ SI floats, and the grammar of lists, percentages and ranges.

quantiphy reads the numbers and the SI prefixes. On top of it stand our rules:

- The unit must be there and fit the field, so that a bare SPICE suffix ("1M" is 1e-3 in a deck) is never guessed at.
- The decimal sign is a point. A comma separates the items of a list; where it may be meant as a decimal sign it is
  refused: in a list of times of which some have a unit and some have none ("3,2ns"), and in a list without points that
  falls into pairs one of which is no likely pair of items ("0,8", "0,3,0,6", "1,05"). With a space after the comma
  ("0, 8") it is a list.
"""

import math
import re
from typing import TypeVar

from quantiphy import QuantiPhyError, Quantity

from neurocircuit.errors import UnitError

_SPELLINGS = {
    "s": ("s", "sec"),
    "Hz": ("Hz",),
    "rad": ("rad",),
    "rad/s": ("rad/s",),
    "rad2/s": ("rad2/s", "rad²/s", "rad^2/s"),
    "K": ("K",),
    "1/K": ("1/K", "/K"),
    "1/V": ("1/V", "/V"),
    "J": ("J",),
    "W": ("W",),
    "V": ("V",),
    "A": ("A",),
    "Ohm": ("Ohm", "ohm", "Ω"),
    "F": ("F",),
    "m": ("m",),
    "V*m": ("V*m", "V·m"),
    "degC": ("degC", "°C"),
}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?inf", re.ASCII)
_PAIR = r"[-+]?(\d+),(\d+)([eE][-+]?\d+)?"
_PAIRS = re.compile(rf"{_PAIR}(,{_PAIR})*", re.ASCII)
_PREFIXES = {"G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_EXPONENTS = {"T": 12, "G": 9, "M": 6, "k": 3, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15}
_LARGEST_SWEEP = 1000
_Number = TypeVar("_Number", int, float)


def parse_quantity(text: str, unit: str, field: str) -> float:
    """Return the SI value of `text`, such as "764 MHz" for unit "Hz". `field` names the culprit in an error.

    Raise UnitError when the unit is missing or another, or when the number is not finite.
    """
    if unit == "":
        return parse_ratio(text, field)
    if "," in text or any(not sign.isascii() and sign not in "µμ²Ω·°" for sign in text):
        raise UnitError(f"{field} must be a number with a decimal point and the unit {unit}, got {text!r}")
    value = _without_prefix(text, unit)
    if value is None:
        value = _with_prefix(text, unit, field)
    if not math.isfinite(value):
        raise UnitError(f"{field} must be finite, got {text!r}")
    return value


def _without_prefix(text: str, unit: str) -> float | None:
    """Return the number before the bare unit; quantiphy would read "0.5 rad" as 0.5 ronto-"ad"."""
    for spelling in _SPELLINGS[unit]:
        number = text.strip().removesuffix(spelling).strip()
        if number != text.strip() and _NUMBER.fullmatch(number):
            return float(number)
    return None


def _with_prefix(text: str, unit: str, field: str) -> float:
    for spelling in _SPELLINGS[unit]:  # quantiphy reads an exponent or a prefix, not both: "1e-3 µs"
        number = text.strip().removesuffix(spelling).strip().replace("µ", "u").replace("μ", "u")
        scale = _EXPONENTS.get(number[-1:])
        mantissa, e, exponent = number[:-1].strip().lower().partition("e")
        if number != text.strip() and scale and e and _NUMBER.fullmatch(f"{mantissa}e{exponent}"):
            return float(f"{mantissa}e{int(exponent) + scale}")
    try:
        quantity = Quantity(text, ignore_sf=False)
    except QuantiPhyError as error:
        raise UnitError(f"{field} must be a number with the unit {unit}, got {text!r}") from error
    if quantity.units not in _SPELLINGS[unit]:
        raise UnitError(f'{field} must carry the unit {unit}, such as "1 {unit}", got {text!r}')
    return float(quantity.real)


def parse_ratio(text: str, field: str) -> float:
    """Return a pure number: "0.03" or "3 %". Raise UnitError for anything else."""
    body, percent = (text.strip()[:-1].strip(), True) if text.strip().endswith("%") else (text.strip(), False)
    if not _NUMBER.fullmatch(body) or not math.isfinite(float(body)):
        raise UnitError(f"{field} must be a finite number or a percentage, got {text!r}")
    return _hundredth(body) if percent else float(body)


def format_quantity(value: float, unit: str) -> str:
    """Text that `parse_quantity` reads back to exactly `value`: the shortest SI prefix form, else an exponent."""
    if unit == "":
        return repr(float(value))
    if value == 0.0 or unit in ("rad", "1/K", "1/V", "degC", "V*m"):
        return f"{float(value)!r}".removesuffix(".0") + f" {unit}"
    for prefix, scale in _PREFIXES.items():
        scaled = float(f"{value / scale:.12g}")
        if 1 <= abs(scaled) < 1000:
            text = f"{scaled:g} {prefix}{unit}"
            if parse_quantity(text, unit, "value") == value:
                return text
    return f"{float(value)!r} {unit}"


def rounded_quantity(text: str, digits: int = 4) -> str:
    """Return a quantity in so many digits, with the shortest SI prefix; text that is none as it is.

    >>> rounded_quantity("2.0040308695702582e-08 s"), rounded_quantity("random")
    ('20.04 ns', 'random')
    """
    for unit in _SPELLINGS:
        try:
            value = parse_quantity(text, unit, "it")
        except UnitError:
            continue
        return format_quantity(float(f"{value:.{digits}g}"), unit)
    return text


def decimals_carried(half_width: float, most: int) -> int:
    """Return the decimals, at most `most`, of a value that is known to within half the width of its interval.

    The rule of the Particle Data Group (Review of Particle Physics, Introduction, "Rounding"): two digits of the half
    width where it begins with 100 to 354, else one. most: also where the half width is 0 or not known.

    >>> [decimals_carried(half_width, 4) for half_width in (0.0353, 0.0356, 0.29, 4.0, 27.0, 0.0)]
    [3, 2, 2, 0, 0, 4]
    """
    if not (math.isfinite(half_width) and half_width > 0):
        return most
    mantissa, exponent = f"{half_width:.2e}".split("e")
    digits = 2 if float(mantissa) < 3.55 or float(mantissa) >= 9.5 else 1
    carried = digits - 1 - int(exponent) - (float(mantissa) >= 9.5)
    return min(max(carried, 0), most)


def parse_percentages(text: str, field: str = "--jitter") -> tuple[float, ...] | None:
    """Return the ratios from "1-9%" (steps of 2 %, as in the paper), "1-9%:1", "1,3,5%", "3%"; None from "none".

    Raise UnitError when the percent sign is missing, or when the step does not lead from the first to the last.
    """
    if text.strip() == "none":
        return None
    body, _, step_text = (part.strip() for part in text.partition(":"))
    if not body.endswith("%"):
        raise UnitError(f"{field} must end in %, such as 1-9% or 1,3,5%, got {text!r}")
    body = body[:-1]
    plain = r"([0-9]+\.?[0-9]*|\.[0-9]+)"
    if ranged := re.fullmatch(rf"\s*{plain}\s*-\s*{plain}\s*", body):
        if ":" in text and not re.fullmatch(rf"{plain}\s*%?", step_text):
            raise UnitError(f"{field} must have a step in percent after the colon, such as 1-9%:1, got {text!r}")
        step = step_text.rstrip("% ") or "2"
        return _percent_range(ranged[1], ranged[2], step, text, field)
    if ":" in text or not re.fullmatch(rf"\s*{plain}\s*(,\s*{plain}\s*)*", body):
        raise UnitError(f"{field} must be a range or a list of percentages, such as 1-9% or 1,3,5%, got {text!r}")
    _refuse_decimal_comma(body, field)
    return _distinct(tuple(_hundredth(item.strip()) for item in body.split(",")), text, field)


def parse_integers(text: str, field: str = "--bits") -> tuple[int, ...] | None:
    """Return the whole numbers from "4,8,16"; None from "none"."""
    if text.strip() == "none":
        return None
    items = [item.strip() for item in text.split(",")]
    if not all(re.fullmatch(r"\d{1,9}", item) for item in items):
        raise UnitError(f"{field} must be whole numbers, such as 4,8,16, got {text!r}")
    return _distinct(tuple(int(item) for item in items), text, field)


def parse_times_over_tau(text: str, tau_s: float, field: str = "--inputs") -> tuple[float, ...]:
    """Return the spike times, units of tau, from "0.16,0.16" (tau), "3.2ns,4ns" (seconds) or "inf" (a silent input)."""
    items = [item.strip() for item in text.split(",")]
    bare = [_NUMBER.fullmatch(item) is not None for item in items if item != "inf"]
    if any(bare) and not all(bare):
        raise UnitError(f"{field} must have a unit at each time or at none, and a decimal point (3.2 ns), got {text!r}")
    _refuse_decimal_comma(",".join(item for item in text.split(",") if item.strip() != "inf"), field)
    return tuple(_time_over_tau(item, tau_s, field) for item in items)


def parse_numbers(text: str, field: str) -> tuple[float, ...]:
    """Return the finite numbers from "0.8,-0.2"."""
    _refuse_decimal_comma(text, field)
    return tuple(parse_ratio(item, field) for item in text.split(","))


def _refuse_decimal_comma(text: str, field: str) -> None:
    """Raise UnitError where the commas of a list may be meant as decimal signs; see the head of this file."""
    if not _PAIRS.fullmatch(text.strip()):
        return
    groups = re.findall(r"\d+", re.sub(r"[eE][-+]?\d+", "", text))
    pairs = zip(groups[::2], groups[1::2], strict=True)
    for whole, fraction in pairs:
        if fraction != "0" and (int(whole) == 0 or (len(fraction) > 1 and fraction.startswith("0"))):
            raise UnitError(
                f"{field} must have decimal points ({whole}.{fraction}), or a space after the commas of a list "
                f"({whole}, {fraction}), got {text!r}"
            )


def _time_over_tau(item: str, tau_s: float, field: str) -> float:
    if item == "inf":
        return math.inf
    if _NUMBER.fullmatch(item):
        return parse_ratio(item, field)
    if not any(sign.isdigit() for sign in item):
        raise UnitError(f"{field} must be times in tau (0.16), with a unit (3.2 ns), or inf, got {item!r}")
    return parse_quantity(item, "s", field) / tau_s


def _percent_range(first: str, last: str, step: str, text: str, field: str) -> tuple[float, ...]:
    low, high, width = float(first), float(last), float(step)
    if width <= 0 or high < low:
        raise UnitError(f"{field} must rise in steps > 0, got {text!r}")
    count = (high - low) / width
    if count > _LARGEST_SWEEP:
        raise UnitError(f"{field} must have at most {_LARGEST_SWEEP} steps, got {text!r}")
    if abs(count - round(count)) > 1e-9:
        raise UnitError(f"{field} must end on a step of {width:g} % (or name one, as in 1-9%:1), got {text!r}")
    return tuple(_hundredth(f"{low + k * width:.12g}") for k in range(round(count) + 1))


def _hundredth(number: str) -> float:
    """Number / 100 rounded once: "7" gives exactly 0.07, as the literal does."""
    return float(f"{number}e-2") if "e" not in number.lower() else float(number) / 100


def _distinct(values: tuple[_Number, ...], text: str, field: str) -> tuple[_Number, ...]:
    if len(set(values)) < len(values):
        raise UnitError(f"{field} must not repeat a value, got {text!r}")
    return tuple(sorted(values))
