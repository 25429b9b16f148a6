"""Quantities, and when two of them are equal: units, percentages, temperatures, money."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from empo_serve.semantics.units import (
    COUNTS,
    UNITS,
    asked_unit,
    celsius,
    degrees_in,
    is_other_currency,
    one_is_bare_degree,
)

_ROUND = frozenset((1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 12, 60, 24, 7, 3600, 86400, 120))
_BEFORE_CHRIST = re.compile(r"\bB\.?C\b")


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact value and its unit, lower case and singular; "" without one, "%" for percent."""

    value: Fraction
    unit: str


def same_quantity(a: Quantity, b: Quantity, question: str) -> bool | None:
    """Equal as quantities? None when their units cannot be compared."""
    a, b = _counted(a, question), _counted(b, question)
    if "bc" in (a.unit, b.unit) and a.unit != b.unit and not _BEFORE_CHRIST.search(question):
        return False
    if {a.unit, b.unit} == {"pound", "£"}:
        return a.value == b.value
    if a.unit == b.unit:
        return a.value == b.value
    if "%" in (a.unit, b.unit):
        percent, other = (a, b) if a.unit == "%" else (b, a)
        if other.unit:
            return None
        if re.search(r"%|percent", question, re.I) and percent.value == other.value:
            return True
        return percent.value / 100 == other.value
    known_a, known_b = UNITS.get(a.unit), UNITS.get(b.unit)
    if known_a and known_b:
        degrees = celsius(a.value, a.unit), celsius(b.value, b.unit)
        if None not in degrees:
            return degrees[0] == degrees[1] or _is_rounded_degrees(a, b)
        if known_a[0] != known_b[0]:
            return one_is_bare_degree(known_a[0], known_b[0]) and a.value == b.value
        return a.value * known_a[1] == b.value * known_b[1] or _is_rounded(
            a.value, b.value, known_a[1] / known_b[1]
        )
    if a.unit and b.unit:
        return None if a.value == b.value else False
    with_unit, bare = (a, b) if a.unit else (b, a)
    if is_other_currency(with_unit.unit, question):
        return False
    asked = asked_unit(question)
    known = UNITS.get(with_unit.unit)
    if asked and known and UNITS[asked][0] == known[0]:
        return with_unit.value * known[1] == bare.value * UNITS[asked][1]
    return a.value == b.value


def _is_rounded(a: Fraction, b: Fraction, factor: Fraction) -> bool:
    """Is one the other in another unit, rounded as it is written: 50 km/h and 31 mph? Not between
    units of one system, where nothing needs rounding, and not of one digit alone."""
    ratio = factor if factor > 1 else 1 / factor
    if ratio.denominator == 1 and ratio.numerator in _ROUND:
        return False
    return _rounds_to(a * factor, b) or _rounds_to(b / factor, a)


def _is_rounded_degrees(a: Quantity, b: Quantity) -> bool:
    """Rounded in the scale of the smaller degrees: 38 °C is 100 °F, and 101 °F is 38.3 °C."""
    a, b = sorted((a, b), key=lambda q: UNITS[q.unit][0] == "fahrenheit")
    return _rounds_to(degrees_in(celsius(a.value, a.unit) or Fraction(0), b.unit), b.value)


def _rounds_to(exact: Fraction, written: Fraction) -> bool:
    places = 0
    while places < 4 and (written * 10**places).denominator != 1:
        places += 1
    digits = abs(written) * 10**places
    if digits.denominator != 1 or digits < 10:
        return False
    return abs(exact - written) <= Fraction(1, 2 * 10**places)


def _counted(quantity: Quantity, question: str) -> Quantity:
    """ "Four pairs" of legs are eight, unless pairs are asked for."""
    times = COUNTS.get(quantity.unit)
    if times is None or re.search(rf"\b{quantity.unit}s?\b", question, re.I):
        return quantity
    return Quantity(quantity.value * times, "")
