"""Units of measure and money, and what the question says about the unit that it expects."""

from __future__ import annotations

import re
from fractions import Fraction

UNITS: dict[str, tuple[str, Fraction]] = {}  # unit -> (dimension, factor to its base unit)
_SYMBOLS: dict[str, str] = {}  # unit -> the first of its names
for _dimension, _table in {
    "length": "mm millimetre millimeter 0.001; cm centimetre centimeter 0.01; m metre meter 1;"
    " dm decimetre decimeter 0.1; km kilometre kilometer 1000; in inch inche 0.0254;"
    " ft foot feet 0.3048; yd yard 0.9144; mi mile 1609.344",
    "mass": "mg milligram 0.001; g gram gramme 1; kg kilogram kilo 1000; tonne 1000000;"
    " oz ounce 28.349523125; lb pound 453.59237",
    "time": "ms millisecond 0.001; second sec s 1; minute min 60; hour hr h 3600; day 86400;"
    " week wk 604800; fortnight 1209600",
    "years": "month 1; year yr 12; decade 120; century centurie 1200; millennium 12000",
    "speed": "m/s 1; km/s 1000; km/h kph kmh 5/18; km/min 50/3; m/min 1/60; mi/h mph 0.44704;"
    " ft/s 0.3048",
    "area": "mm2 0.000001; cm2 0.0001; dm2 0.01; m2 1; hectare ha 10000; km2 1000000",
    "volume": "ml millilitre milliliter cm3 0.001; cl centilitre centiliter 0.01;"
    " l litre liter dm3 1; m3 1000",
    "energy": "j joule 1; kj kilojoule 1000",
    "power": "w watt 1; kw kilowatt 1000; mw megawatt 1000000",
    "frequency": "hz hertz 1; khz kilohertz 1000; mhz megahertz 1000000; ghz gigahertz 1000000000",
    "dollar": "$ dollar usd buck 1; cent ¢ 0.01",
    "euro": "€ euro eur 1",
    "sterling": "£ gbp quid 1",
    "degree": "° degree ° 1",
    "celsius": "°c c celsiu 1",
    "fahrenheit": "°f f fahrenheit 1",
    "kelvin": "k kelvin 1",
}.items():
    for _row in _table.split(";"):
        *_names, _factor = _row.split()
        for _name in _names:
            UNITS[_name] = (_dimension, Fraction(_factor))
            _SYMBOLS[_name] = _names[0]
COUNTS = {"pair": 2, "couple": 2, "dozen": 12}
_CELSIUS = {  # what a degree is in Celsius
    "celsius": (Fraction(1), Fraction(0)),
    "fahrenheit": (Fraction(5, 9), Fraction(-160, 9)),
    "kelvin": (Fraction(1), Fraction("-273.15")),
}
_PER = re.compile(r"^(\w+)(?: ?/ ?| per | an? | every | each )(s|sec|second|min|minute|h|hr|hour)$")
_POWER = re.compile(r"^(?:(square|sq\.?|cubic) (\w+)|(\w+?)\^?\{?([23])\}?)$")
_CURRENCIES = ("dollar", "euro", "sterling")
_MONEY = re.compile(r"[$€£]|\b(?:dollars?|cents?|euros?|usd|eur|gbp)\b", re.I)


def rate(name: str) -> str:
    """ "metres per second" -> "m/s", "square metres" -> "m2"; anything else as it is."""
    if found := _PER.match(name):
        time = "min" if found[2].startswith("min") else found[2][0]
        short = f"{_symbol(found[1])}/{time}"
    elif power := _POWER.match(name):
        exponent = power[4] or ("3" if power[1] == "cubic" else "2")
        short = f"{_symbol(power[2] or power[3])}{exponent}"
    else:
        return name
    return short if short in UNITS else name


def _symbol(name: str) -> str:
    return _SYMBOLS.get(singular(name), name)


def celsius(value: Fraction, unit: str) -> Fraction | None:
    """A temperature in degrees Celsius; None where `unit` is no scale of temperature."""
    scale = _CELSIUS.get(UNITS.get(unit, ("",))[0])
    return value * scale[0] + scale[1] if scale else None


def degrees_in(value: Fraction, unit: str) -> Fraction:
    """`value` degrees Celsius in the scale that `unit` names."""
    factor, offset = _CELSIUS[UNITS[unit][0]]
    return (value - offset) / factor


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
