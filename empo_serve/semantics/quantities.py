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
    is_other_currency,
    one_is_bare_degree,
)

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
            return degrees[0] == degrees[1]
        if known_a[0] != known_b[0]:
            return one_is_bare_degree(known_a[0], known_b[0]) and a.value == b.value
        return a.value * known_a[1] == b.value * known_b[1]
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


def _counted(quantity: Quantity, question: str) -> Quantity:
    """ "Four pairs" of legs are eight, unless pairs are asked for."""
    times = COUNTS.get(quantity.unit)
    if times is None or re.search(rf"\b{quantity.unit}s?\b", question, re.I):
        return quantity
    return Quantity(quantity.value * times, "")
