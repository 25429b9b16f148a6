"""Reading dates and times of day."""

from __future__ import annotations

import calendar
import re

from empo_serve.semantics.numbers import parse_quantity

_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_MONTH = rf"(?P<month>{_MONTHS}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
_DATES = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b{_YEAR}-(?P<month_number>\d{{2}})-(?P<day>\d{{2}})\b",
        rf"\b{_DAY}(?: of)? {_MONTH}(?:,? {_YEAR})?\b",
        rf"\b{_MONTH} (?:the )?{_DAY}(?:,? {_YEAR})?\b",
        rf"\b{_MONTH}(?: of)?,? {_YEAR}\b",
    )
)
_WORD_DAY = re.compile(
    r"\b(?:(?:twenty|thirty)[- ])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth"
    r"|ninth|tenth"
    r"|eleventh|twelfth|\w+teenth|twentieth|thirtieth)\b",
    re.I,
)
_IN_DIGITS = re.compile(r"(?<![\d/.])(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?![\d/])")
_LAST_DAY = re.compile(rf"\b(last|final|first) day of {_MONTH}", re.I)
_HOUR_WORDS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_MINUTE_WORDS = (
    "ten|fifteen|twenty|twenty-five|thirty|thirty-five|forty|forty-five|fifty|fifty-five"
)
_CLOCK = re.compile(
    r"\b(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?!\d)|\b(?P<bare>\d{1,2})(?= ?[ap]\.?m\b)"
    r"|\b(?P<word>half past|quarter past|quarter to) (?P<of>\w+)"
    r"|\b(?P<exact>\w+) o['’]?clock\b"
    rf"|\b(?P<spoken>{_HOUR_WORDS}) (?P<past>{_MINUTE_WORDS})\b",
    re.I,
)
_AFTERNOON = re.compile(r"[ \d]p\.?m\b|in the (?:evening|afternoon)|at night", re.I)
_MORNING = re.compile(r"[ \d]a\.?m\b|in the morning", re.I)


def parse_date(text: str) -> tuple[int | None, int, int | None] | None:
    """(year, month, day) of the only date in `text`; year or day may be None."""
    if len(text) > 300:
        return None
    text = _LAST_DAY.sub(_day_digits, text)
    text = _WORD_DAY.sub(_ordinal_digits, text)
    if len(digits := _IN_DIGITS.findall(text)) == 1:
        return _date_in_digits(*map(int, digits[0]))
    for pattern in _DATES:
        found = list(pattern.finditer(text))
        if len(found) > 1:
            return None
        if found:
            groups = found[0].groupdict()
            month = groups.get("month")
            number = int(groups["month_number"]) if not month else _month_number(month)
            day, year = groups.get("day"), groups.get("year")
            return int(year) if year else None, number, int(day) if day else None
    return None


def parse_time(text: str) -> int | None:
    """Minutes since midnight of the only time of day in `text`."""
    if len(text) > 300:
        return None
    found = list(_CLOCK.finditer(text))
    if len(found) != 1:
        return None
    clock = found[0]
    if clock["exact"] or clock["spoken"]:
        hour = parse_quantity(clock["exact"] or clock["spoken"])
        past = parse_quantity(clock["past"] or "0")
        if hour is None or past is None or not 0 <= hour.value <= 24:
            return None
        minutes = int(hour.value) * 60 + int(past.value)
    elif clock["word"]:
        spoken = parse_quantity(clock["of"])
        if spoken is None:
            return None
        offset = {"half past": 30, "quarter past": 15, "quarter to": -15}[clock["word"].lower()]
        minutes = int(spoken.value) * 60 + offset
    else:
        minutes = int(clock["hour"] or clock["bare"]) * 60 + int(clock["minute"] or 0)
    if _AFTERNOON.search(text) and minutes < 12 * 60:
        minutes += 12 * 60
    if _MORNING.search(text) and minutes >= 12 * 60:
        minutes -= 12 * 60
    return minutes


def _date_in_digits(first: int, second: int, year: int) -> tuple[int, int, int] | None:
    """None where both could be the month: "4/7/1999" is in July or in April."""
    if first == second or first > 12 >= second:
        return year, second, first
    return (year, first, second) if second > 12 >= first else None


def _month_number(name: str) -> int:
    return [month[:3] for month in _MONTHS.split("|")].index(name.lower()[:3]) + 1


def _day_digits(found: re.Match[str]) -> str:
    """ "the last day of June" -> "30 June"; not of February, which has two."""
    if found[1].lower() == "first":
        return f"1 {found['month']}"
    month = _month_number(found["month"])
    return found[0] if month == 2 else f"{calendar.monthrange(2001, month)[1]} {found['month']}"


def _ordinal_digits(found: re.Match[str]) -> str:
    spoken = parse_quantity(found[0])
    return str(spoken.value) if spoken else found[0]
