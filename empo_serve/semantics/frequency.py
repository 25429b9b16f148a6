"""Reading how often something happens: "twice a year", "every six months", "semi-annually"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.units import UNITS, singular

_QUARTER = 3  # months
_PERIODS = {name: unit for name, unit in UNITS.items() if unit[0] in ("time", "years")} | {
    "quarter": (UNITS["month"][0], _QUARTER * UNITS["month"][1])
}
_ADVERBS = {  # times in a unit
    "hourly": ("1", "hour"), "daily": ("1", "day"), "weekly": ("1", "week"),
    "fortnightly": ("1", "fortnight"), "monthly": ("1", "month"), "quarterly": ("1", "quarter"),
    "yearly": ("1", "year"), "annually": ("1", "year"), "biannually": ("2", "year"),
    "semiannually": ("2", "year"), "biennially": ("1/2", "year"), "triennially": ("1/3", "year"),
    "quadrennially": ("1/4", "year"), "quinquennially": ("1/5", "year"),
}  # fmt: skip
_PERIOD = rf"(?P<period>(?:{'|'.join(_PERIODS)})s?)"
_TIMES = r"(?P<times>once|twice|thrice|\S+ times?)"
_PATTERNS = tuple(
    re.compile(rf"(?:^|\s){pattern}$", re.I)
    for pattern in (
        rf"(?:{_TIMES} )?(?:every|each|in) (?P<every>\S+ )?{_PERIOD}",
        rf"{_TIMES}(?: a| an| per|) {_PERIOD}",
        rf"(?P<adverb>{'|'.join(_ADVERBS)}|semi-annually|bi-annually)",
    )
)
_ASKED = re.compile(
    r"\bhow (?:often|frequent\w*|many times)\b|\b(?:what|which) (?:interval|frequency)\b", re.I
)
_LEAD_IN = re.compile(
    r"^(?:about|roughly|approximately|around|exactly|(?:(?:it|they|this|that|the \w+|he|she|one)"
    r" )?(?:\w+ ){0,3})$",
    re.I,
)
_OTHER = re.compile(r"\b(?:not|never|n['’]t|more|less|least|most|only|almost)\b", re.I)


_PART_OF_HOUR = re.compile(r"\b(?P<three>three )?(?:a )?quarters? of an hour\b", re.I)


def _in_minutes(found: re.Match[str]) -> str:
    return "45 minutes" if found["three"] else "15 minutes"


@dataclass(frozen=True, slots=True)
class Frequency:
    """So many times in the base unit of `dimension` (units.UNITS): a second or a month, which
    cannot be compared."""

    times: Fraction
    dimension: str


def parse_frequency(question: str, text: str) -> Frequency | None:
    """How often, if the question asks for it and `text` says nothing else."""
    if len(text) > 100 or not _ASKED.search(question[-2000:]):
        return None
    text = _PART_OF_HOUR.sub(_in_minutes, text.strip(" .!"))
    found = next(filter(None, (pattern.search(text) for pattern in _PATTERNS)), None)
    if found is None:
        return None
    before = text[: found.start()]
    if _OTHER.search(before) or not _LEAD_IN.match(f"{before} " if before else ""):
        return None
    said = found.groupdict()
    if adverb := said.get("adverb"):
        count, unit = _ADVERBS[adverb.lower().replace("-", "")]
        return _frequency(Fraction(count), Fraction(1), unit)
    times = _times(said["times"]) if said.get("times") else Fraction(1)
    every = _every(said["every"]) if said.get("every") else Fraction(1)
    if not times or not every:
        return None
    return _frequency(times, every, said["period"].lower())


def _frequency(times: Fraction, every: Fraction, unit: str) -> Frequency:
    dimension, size = _PERIODS.get(unit) or _PERIODS[singular(unit)]
    return Frequency(times / (every * size), dimension)


def _times(text: str) -> Fraction | None:
    text = text.lower()
    if text in ("once", "twice", "thrice"):
        return Fraction(("once", "twice", "thrice").index(text) + 1)
    return _every(text.split()[0])


def _every(text: str) -> Fraction | None:
    """ "four", "4", "second", "4th" or "other": the number of units between two times."""
    text = text.strip().lower()
    if text in ("other", "single"):
        return Fraction(2 if text == "other" else 1)
    number = parse_quantity(text)
    return number.value if number and not number.unit else None
