"""Reading dates and times of day."""

from __future__ import annotations

import calendar
import re

from empo_serve.semantics.aliases import english_months
from empo_serve.semantics.clock_words import clock_in_digits
from empo_serve.semantics.numbers import parse_quantity

_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_MONTH = rf"(?P<month>{_MONTHS}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4}|['’]\d\d)"
_DATES = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b{_YEAR}-(?P<month_number>\d{{2}})-(?P<day>\d{{2}})\b",
        rf"\b{_DAY}\.?(?: of| de)? {_MONTH}(?:,?(?: in(?: the year)?| of| de)? {_YEAR})?\b",
        rf"\b{_MONTH} (?:the )?{_DAY}(?:,?(?: in(?: the year)?| of)? {_YEAR})?\b",
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
_NAMED_HOURS = {"midnight": 0, "noon": 12, "midday": 12}
_NAMED_HOUR = "|".join(_NAMED_HOURS)
_CLOCK = re.compile(
    r"\b(?P<hour>\d{1,2})(?:[:.]| ?h ?)(?P<minute>\d{2})(?!\d)|\b(?P<bare>\d{1,2})(?= ?[ap]\.?m\b)"
    r"|\b(?P<amount>half|quarter|\w+(?:-\w+)?)(?: minutes?)? (?P<side>past|after|to|before)"
    rf" (?P<of>{_HOUR_WORDS}|{_NAMED_HOUR}|\d{{1,2}})\b"
    r"|\b(?P<exact>\w+) (?:o['’]?clock\b|(?=in the (?:morning|evening|afternoon)\b|at night\b))"
    r"|\b(?P<hours>\d{1,2}) ?h(?!\w)"
    rf"|\b(?P<spoken>{_HOUR_WORDS}) (?P<past>{_MINUTE_WORDS})\b"
    rf"|\b(?P<named>{_NAMED_HOUR})\b",
    re.I,
)
_FOUR_DIGITS = re.compile(r"\b([01]\d|2[0-3])([0-5]\d) ?(?:hrs?|hours|h)\b", re.I)  # 0640 hrs
_TENS = ("twent", "thirt", "fort", "fift", "sixt", "sevent", "eight", "ninet")
_DECADE = re.compile(
    rf"\b(?P<century>\d{{2}})?(?P<decade>\d)0['’]?s\b|\b(?P<word>(?:{'|'.join(_TENS)})ies)\b", re.I
)
_NOUGHTIES = re.compile(r"\b(?:n[oa]ughties|aughts)\b", re.I)
_SHORT_YEAR = re.compile(r"(?<!\w)['’](\d\d)\b(?!['’]?s)")
_FULL_YEAR = re.compile(r"(?<!\d)\d\d(\d\d)(?!\d)")
_WEEKDAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
# "the fourth Thursday of November"
_NTH_DAY = re.compile(
    rf"\b(?P<nth>\d(?:st|nd|rd|th)|first|second|third|fourth|fifth|last) (?P<day>{_WEEKDAYS}|mon"
    rf"|tues?|wed|thu(?:rs?)?|fri|sat|sun)\.? (?:of|in) (?:each |every |the month of )?{_MONTH}",
    re.I,
)
_SPAN = re.compile(
    r"\b(?:from|between)\s+(\d{4})\s+(?:to|and|until|through)\s+(\d{4})\b"
    r"|\b(\d{4})\s*[-–]\s*(\d{4})\b"
    r"|\b(\d{4})\s+and\s+(?:it\s+)?(?:ended|finished|lasted until|went on until)\s+"
    r"(?:in\s+)?(\d{4})\b",
    re.I,
)
_CENTURY = re.compile(
    r"\b(?P<number>\d{1,2}(?:st|nd|rd|th)|[a-z]+(?:-[a-z]+)?) (?:century\b|cent?\b\.?|c(?:\.|$))"
    r"|\b(?P<hundreds>\d\d)00['’]?s\b",
    re.I,
)
_PART = re.compile(
    r"\b(?:(?P<early>early|beginning|start|first half)|(?P<mid>mid|middle)"
    r"|(?P<late>late|end|second half)|(?P<BC>b\.?c))\b",
    re.I,
)
_TEEN = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_SPOKEN_YEAR = re.compile(
    rf"\b({_TEEN}|twenty)[ -](hundred(?! and)|(?:{'|'.join(_TENS)})y"
    rf"(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?|{_TEEN}|oh?[ -]\w+)\b",
    re.I,
)
_AFTERNOON = re.compile(r"[ \d]p\.?m\b|in the (?:evening|afternoon)|at night", re.I)
_MORNING = re.compile(r"[ \d]a\.?m\b|in the morning", re.I)


def parse_date(text: str) -> tuple[int | None, int, int | None] | None:
    """(year, month, day) of the only date in `text`; year or day may be None."""
    if len(text) > 300:
        return None
    text = english_months(text)
    text = _LAST_DAY.sub(_day_digits, text)
    text = _WORD_DAY.sub(_ordinal_digits, years_in_digits(text))
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
            day, year = groups.get("day"), (groups.get("year") or "").lstrip("'’")
            return int(year) if year else None, number, int(day) if day else None
    return None


def same_date(a: tuple[int | None, int, int | None], b: tuple[int | None, int, int | None]) -> bool:
    """Of a year in two digits ("20 July '69") any century will do."""
    years = [year for year, _, _ in (a, b) if year is not None]
    if len(years) == 2 and min(years) < 100:
        years = [year % 100 for year in years]
    return a[1:] == b[1:] and (not years or (len(years) == 2 and years[0] == years[1]))


def parse_time(text: str) -> int | None:
    """Minutes since midnight of the only time of day in `text`."""
    if len(text) > 300:
        return None
    text = _FOUR_DIGITS.sub(r"\1:\2", text)
    found = list(_CLOCK.finditer(text)) or list(_CLOCK.finditer(clock_in_digits(text)))
    if len(found) != 1:
        return None
    clock = found[0]
    if clock["exact"] or clock["spoken"]:
        hour = parse_quantity(clock["exact"] or clock["spoken"])
        past = parse_quantity(clock["past"] or "0")
        if hour is None or past is None or not 0 <= hour.value <= 24:
            return None
        minutes = int(hour.value) * 60 + int(past.value)
    elif clock["amount"]:
        of, offset = _hour(clock["of"]), _minutes(clock["amount"])
        if of is None or offset is None:
            return None
        minutes = of * 60 + (offset if clock["side"].lower() in ("past", "after") else -offset)
    elif clock["named"]:
        minutes = _NAMED_HOURS[clock["named"].lower()] * 60
    else:
        minutes = int(clock["hour"] or clock["bare"] or clock["hours"]) * 60 + int(
            clock["minute"] or 0
        )
    is_small_hour = minutes < 6 * 60 and "at night" in text.lower()  # "two at night"
    if _AFTERNOON.search(text) and minutes < 12 * 60 and not is_small_hour:
        minutes += 12 * 60
    if _MORNING.search(text) and minutes >= 12 * 60:
        minutes -= 12 * 60
    return minutes % (24 * 60)


def parse_nth_day(text: str) -> tuple[str, str, int] | None:
    """ "the fourth Thursday of November" is ("4", "thu", 11)."""
    found = _NTH_DAY.search(text[:300])
    if found is None:
        return None
    spoken = parse_quantity(found["nth"])
    nth = str(spoken.value) if spoken else "last"
    return nth, found["day"][:3].lower(), _month_number(found["month"])


def same_short_year(a: str, b: str) -> bool | None:
    """Is "'68" the year in the other text? None where neither gives one so short."""
    for short, full in ((a, b), (b, a)):
        said, years = _SHORT_YEAR.findall(short), _FULL_YEAR.findall(full)
        if len(said) == len(years) == 1 and not _FULL_YEAR.search(short):
            return bool(said == years)
    return None


def parse_decade(text: str) -> tuple[int | None, int] | None:
    """(century, decade) of the only decade in `text`: "the 1960s" is (19, 6), "the sixties" has
    no century."""
    found = list(_DECADE.finditer(_NOUGHTIES.sub("2000s", text[:300])))
    if len(found) != 1:
        return None
    if word := found[0]["word"]:
        return None, _TENS.index(word.lower().removesuffix("ies")) + 2
    century = found[0]["century"]
    return int(century) if century else None, int(found[0]["decade"])


def parse_period(text: str) -> tuple[int, int] | None:
    """(first year, last year) of the only decade, century or span of years in `text`."""
    text = text[:300]
    span = parse_span(text)
    spans = [] if span is None else [span]
    for century in _CENTURY.finditer(text):
        hundred = _hundreds(century)
        if hundred is not None:
            spans.append((100 * hundred, 100 * hundred + 99))
    decade = parse_decade(text)
    if decade is not None and decade[0] is not None and decade[1] > 0:
        first = 100 * decade[0] + 10 * decade[1]
        spans.append((first, first + 9))
    return spans[0] if len(spans) == 1 else None


def parse_span(text: str) -> tuple[int, int] | None:
    """(first year, last year) where `text` names the two, and no other number."""
    spans = list(_SPAN.finditer(text[:300]))
    if len(spans) != 1 or re.search(r"\d", _SPAN.sub("", text)):
        return None
    first, last = (int(year) for year in spans[0].groups() if year)
    return first, last


def part_of_period(text: str) -> str:
    """ "early" of "the beginning of the 19th century", "BC" before Christ; "" for all of it."""
    found = _PART.search(text[:300])
    return "" if found is None else next(name for name, said in found.groupdict().items() if said)


def _hundreds(century: re.Match[str]) -> int | None:
    """ "1800s" and "nineteenth century" are 18."""
    if century["hundreds"]:
        return int(century["hundreds"])
    digits = re.match(r"\d+", century["number"])
    spoken = parse_quantity(digits[0] if digits else century["number"])
    return int(spoken.value) - 1 if spoken else None


def same_decade(a: tuple[int | None, int], b: tuple[int | None, int]) -> bool:
    return a[1] == b[1] and (a[0] == b[0] or None in (a[0], b[0]))


def years_in_digits(text: str) -> str:
    """ "in nineteen fifty-nine" -> "in 1959"."""
    return _SPOKEN_YEAR.sub(_year_digits, text)


def _year_digits(found: re.Match[str]) -> str:
    rest = re.sub(r"^oh?[ -]", "", found[2].lower())
    century, years = parse_quantity(found[1]), parse_quantity("0" if rest == "hundred" else rest)
    return found[0] if not century or not years else str(century.value * 100 + years.value)


def _hour(text: str) -> int | None:
    if text.lower() in _NAMED_HOURS:
        return _NAMED_HOURS[text.lower()]
    spoken = parse_quantity(text)
    return int(spoken.value) if spoken else None


def _minutes(text: str) -> int | None:
    """How many minutes "half", "quarter" or "twenty-five" stands for."""
    if text.lower() in ("half", "quarter"):
        return {"half": 30, "quarter": 15}[text.lower()]
    spoken = parse_quantity(text)
    return int(spoken.value) if spoken and not spoken.unit and 0 < spoken.value < 60 else None


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
