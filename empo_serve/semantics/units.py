"""Units of measure and money, and what the question says about the unit that it expects."""

from __future__ import annotations

import re
from fractions import Fraction

UNITS: dict[str, tuple[str, Fraction]] = {}  # unit -> (dimension, factor to its base unit)
for _dimension, _table in {
    "length": "mm millimetre millimeter 0.001; cm centimetre centimeter 0.01; m metre meter 1;"
    " km kilometre kilometer 1000; inch inche 0.0254; ft foot feet 0.3048; mile mi 1609.344",
    "mass": "mg milligram 0.001; g gram gramme 1; kg kilogram kilo 1000; lb pound 453.59237",
    "time": "second sec s 1; minute min 60; hour hr h 3600; day 86400; week 604800",
    "volume": "ml millilitre milliliter 0.001; l litre liter 1",
    "dollar": "$ dollar usd 1; cent ¢ 0.01",
    "euro": "€ euro eur 1",
    "sterling": "£ gbp 1",
    "degree": "° degree ° 1",
    "celsius": "°c c celsiu 1",
    "fahrenheit": "°f f fahrenheit 1",
}.items():
    for _row in _table.split(";"):
        *_names, _factor = _row.split()
        for _name in _names:
            UNITS[_name] = (_dimension, Fraction(_factor))
_CURRENCIES = ("dollar", "euro", "sterling")
_MONEY = re.compile(r"[$€£]|\b(?:dollars?|cents?|euros?|usd|eur|gbp)\b", re.I)


def one_is_bare_degree(a: str, b: str) -> bool:
    return "degree" in (a, b) and {a, b} & {"celsius", "fahrenheit"} != set()


def asked_unit(question: str) -> str | None:
    for found in re.finditer(r"\bhow many (\w+)|\bin (?:\w+ )?(\w+s)\b", question[-2000:], re.I):
        unit = singular((found[1] or found[2]).lower())
        if unit in UNITS and len(unit) > 2:
            return unit
    return None


def is_other_currency(unit: str, question: str) -> bool:
    """Does the question speak of one currency, and is `unit` another?"""
    dimension = UNITS.get(unit, ("",))[0]
    if dimension not in _CURRENCIES:
        return False
    asked = {UNITS[singular(m.lower())][0] for m in _MONEY.findall(question[-2000:])}
    return len(asked) == 1 and dimension not in asked


def singular(name: str) -> str:
    return name[:-1] if len(name) > 2 and name.endswith("s") else name
