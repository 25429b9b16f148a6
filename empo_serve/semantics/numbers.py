"""Reading quantities: "1,250", "12,50 €", "three and a half hours", "1.5 × 10^8 km", "50%"."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from empo_serve.semantics.units import (
    COUNTS,
    UNITS,
    asked_unit,
    celsius,
    is_other_currency,
    one_is_bare_degree,
    rate,
    singular,
)

_SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "dozen": 12,
}  # fmt: skip
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13,
    "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18,
    "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4} | {
    part: n for word, n in _ORDINALS.items() if 4 <= n <= 20 for part in (word, word + "s")
}

_LITERAL = re.compile(
    r"(?P<sign>[-+])?\s?(?P<currency>[$€£])?\s?(?P<sign2>-)?"
    r"(?:(?P<whole>\d+)\s+(?=\d+/\d))?"
    r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:[ \u202f]\d{3})+(?![\d])"
    r"|\d+(?:[.,]\d+)?|\.\d+)"
    r"(?:\s*/\s*(?P<denominator>\d+))?"
    r"(?:\s*(?:[x×*·]\s*10\s*(?:\^|\*\*)\s*\{?|e)(?P<exponent>[-+]?\d{1,3})\}?)?"
    r"(?P<ordinal>(?<=\d)(?:st|nd|rd|th)\b)?",
    re.I,
)
_ABOUT = re.compile(
    r"^(?:about|approximately|some|over|approx\.?|roughly|around|exactly|only|just|nearly"
    r"|almost|precisely|a total of|an average of|≈|~)\s*",
    re.I,
)
_DIGITS = re.compile(r"-?(?<![\w.,])\d[\d,]*(?:\.\d+)?(?:e\d+)?(?:/\d+)?(?!\w)")
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_SMALL)}|a hundred|half)\b")
_AND_A_HALF = re.compile(r"^(?:an?|one) (\w+) and a half$")
_ODDS = re.compile(r"(?:an? |)(\w+) (?:in|out of) (?:every )?(\w+)")
_HALF_A = re.compile(r"^half (?:of )?an? (?=\w)")
_A_UNIT = re.compile(r"an? (\w{3,})\b(?! and a half)")
# "2h15", "1:30 h"
_HOURS = re.compile(r"(\d+)(?: ?h ?(\d{1,2})(?: ?m(?:in(?:ute)?s?)?)?|:(\d\d) ?h(?:(?:ou)?rs?)?)\b")
_BELOW_ZERO = re.compile(r"^(.+?) (below|above) zero$")
_FEET = re.compile(r"(\d+) ?(?:'|′) ?(\d+(?:\.\d+)?) ?(?:\"|″|''|$)")  # 6'2"
# "135 minutes, that is 2 hours and 15 minutes"
_RESTATED = re.compile(
    r"(?:[,;] |\s)(?:that is|that['’]s|i\.e\.|which is|which makes|which equals|or|in other words"
    r"|equivalently|meaning|so)(?: exactly| simply)?,? | = | \(",
    re.I,
)
_PART_QUESTION = re.compile(r"percent|%|\bper cent\b|\b(?:fraction|proportion|share)\b", re.I)
_REPEATING = re.compile(
    r"(?P<sign>-?)(?P<whole>\d{1,9})\.(?P<fixed>\d{0,6}?)"
    r"(?:(?P<period>\d{1,6}?)(?P=period)+ ?(?:\.\.\.|…|\\[lc]?dots)"
    r"|\\overline\{(?P<over>\d{1,9})\})"
)
_BEFORE_CHRIST = re.compile(r"\bB\.?C\b")
_ERAS = {"bc": "bc", "bce": "bc", "b.c": "bc", "b.c.e": "bc", "ad": "", "ce": "", "a.d": ""}
_HOW_MANY = re.compile(r"\bhow many ([a-z]{3,})\b", re.I)
_SHORT_SCALES = {"k": "thousand", "K": "thousand", "M": "million", "bn": "billion"}
_SHORT_SCALE = re.compile(r"(?<=\d)(?:k|M|bn)(?=$|\s)|(?<=[$€£]\d)K(?=$|\s)")
_SIGNS = (("{,}", ","), ("⁄", "/"), ("−", "-"), ("–", "-"), ("\\$", "$"))
_UNIT_WORD = re.compile(r"[^\W\d]+|[$€£¢]|°[cf]?")
_EXTENTS = ("long", "high", "tall", "wide", "deep", "away", "old", "far", "thick")
_MAX_LENGTH = 120


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact value and its unit, lower case and singular; "" without one, "%" for percent."""

    value: Fraction
    unit: str


def parse_quantity(text: str) -> Quantity | None:
    """The quantity that the whole of `text` is, or None."""
    return _parse(text) if len(text) <= _MAX_LENGTH else None


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity | None:
    text = _plain(repeating_decimal(text))
    if not text:
        return None
    if (single := _A_UNIT.match(text)) and singular(single[1]) in {*COUNTS, *UNITS}:
        text = "one " + text[single.start(1) :]
    text = _AND_A_HALF.sub(r"one and a half \1s", text)
    if text == "half a dozen":
        return Quantity(Fraction(6), "")
    text = _HALF_A.sub("half ", text)
    if odds := _ODDS.fullmatch(text):
        part, whole = (parse_quantity(odds[i]) for i in (1, 2))
        if part and whole and whole.value and not part.unit and not whole.unit:
            return Quantity(part.value / whole.value, "")
    found = _LITERAL.match(text)
    if found:
        value = _literal_value(found)
        rest = text[found.end() :].strip()
        if value is None:
            return None
        unit = found["currency"] or ""
    else:
        spoken = _spoken(text)
        if spoken is None:
            return None
        value, rest = spoken
        unit = ""
    first, _, after = rest.partition(" ")
    if first in _SCALES:
        value, rest = value * _SCALES[first], after
    compound = _compound(value, rest)
    if compound is not None:
        return compound
    named = _unit_name(rest)
    if named is None:
        return None
    return Quantity(value, unit or named)


def repeating_decimal(text: str) -> str:
    """ "0.333..." and "0.\\overline{3}" are "1/3"; any other text stays as it is."""
    found = _REPEATING.fullmatch(text.strip(" $"))
    if not found:
        return text
    whole, fixed, period = found["whole"], found["fixed"] or "", found["period"] or found["over"]
    nines = (10 ** len(period) - 1) * 10 ** len(fixed)
    value = int(whole + fixed) / Fraction(10 ** len(fixed)) + Fraction(int(period), nines)
    return f"{found['sign']}{value}"


def restated(text: str, question: str) -> Quantity | None:
    """The quantity that an answer says in several ways that agree: "2 hours, or 120 minutes"."""
    if len(text) > _MAX_LENGTH:
        return None
    parts = [part for part in _RESTATED.split(text.replace(")", " ").strip(" .")) if part.strip()]
    said = [parse_quantity(part) for part in parts]
    if len(said) < 2 or said[0] is None or not any(q and q.unit for q in said):
        return None
    first = said[0]
    agree = all(q is not None and same_quantity(first, q, question) for q in said[1:])
    return first if agree else None


def asked_number(text: str, question: str) -> Quantity | None:
    """The one number before what the question counts: "1,000,000,000 has nine zeros"."""
    asked = _HOW_MANY.search(question[-2000:])
    if asked is None or len(text) > 4 * _MAX_LENGTH:
        return None
    noun = singular(asked[1].lower())
    tokens = [token.strip(",;:()") for token in _plain(text).split()]
    ends = [i for i, token in enumerate(tokens) if singular(token.rstrip(".")) == noun]
    said = [_number_before(tokens[max(end - 8, 0) : end]) for end in ends]
    values = {value for value in said if value is not None}
    return Quantity(values.pop(), "") if len(values) == 1 else None


def _number_before(tokens: list[str]) -> Fraction | None:
    """The longest number that `tokens` end with."""
    for start in range(len(tokens)):
        number = parse_quantity(" ".join(tokens[start:]))
        if number is not None and not number.unit:
            return number.value
    return None


def only_number(text: str, asked: str) -> Quantity | None:
    """The one number in a sentence, in digits or words, besides those of the question."""
    text = _plain(text)
    digits = {d for whole in _DIGITS.findall(_plain(asked)) for d in (whole, *whole.split("/"))}
    found = [d for d in _DIGITS.findall(text) if d not in digits]
    if found:
        return _with_unit(found[0], text) if len(found) == 1 else None
    if at := _NUMBER_WORD.search(text):
        compound = parse_quantity(text[at.start() :])  # "twelve euros and fifty cents"
        if compound is not None and compound.unit in UNITS:
            return compound
    tokens = re.findall(r"[a-z]+(?:-[a-z]+)*", text)
    known = set(re.findall(r"[a-z]+(?:-[a-z]+)*", asked.lower()))
    parts_asked = bool(_PART_QUESTION.search(asked))  # "by a quarter"
    runs: list[Quantity] = []
    i = 0
    while i < len(tokens):
        # "one" and "second" are mostly no numbers within a sentence.
        is_part = parts_asked and tokens[i] in ("a", "one") and tokens[i + 1 : i + 2] != ["second"]
        is_number = is_part or tokens[i] not in known | {"one", "a", "an", "and", "second", "first"}
        spoken = _spoken(" ".join(tokens[i : i + 12])) if is_number else None
        if spoken is None:
            i += 1
            continue
        unit = singular(spoken[1].split(" ")[0])
        runs.append(Quantity(spoken[0], unit if unit in UNITS else ""))
        i += max(
            1, len(" ".join(tokens[i : i + 12]).replace("-", " ").split()) - len(spoken[1].split())
        )
    return runs[0] if len(runs) == 1 else None


def _with_unit(digits: str, text: str) -> Quantity | None:
    """The number with the unit behind it."""
    following = re.search(
        rf"{re.escape(digits)}\s?([^\W\d]+(?:/\w+| (?:per|an?|every|each) \w+)|[^\W\d]{{3,}})", text
    )
    unit = rate(following[1]) if following else ""
    unit = unit if unit in UNITS or singular(unit) in UNITS else ""
    return parse_quantity(f"{digits} {unit}")


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


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    text = _SHORT_SCALE.sub(lambda found: f" {_SHORT_SCALES[found[0]]}", text).lower().strip()
    text = _HOURS.sub(lambda f: f"{f[1]} hours {f[2] or f[3]} minutes", text)
    text = _FEET.sub(r"\1 feet \2 inches", text)
    for written, plain in _SIGNS:
        text = text.replace(written, plain)
    text = re.sub(r"\\(?:text|mathrm)\{([^{}]*)\}", r" \1", text).replace("\\%", "%")
    text = _BELOW_ZERO.sub(_signed, text.rstrip(" .!"))
    text = re.sub(
        r"^(?:minus|negative) (?=[$€£\d])", "-", text.rstrip(" .!\"'*`").lstrip(" !\"'*`")
    )
    while about := _ABOUT.match(text):
        text = text[about.end() :]
    return text


def _signed(found: re.Match[str]) -> str:
    return f"minus {found[1]}" if found[2] == "below" else found[1]


def _literal_value(found: re.Match[str]) -> Fraction | None:
    number = found["number"].replace(" ", "").replace("\u202f", "")
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", number):
        number = number.replace(",", "")
    number = number.replace(",", ".")
    value = Fraction(number)
    if found["denominator"]:
        if int(found["denominator"]) == 0:
            return None
        value /= int(found["denominator"])
    if found["whole"]:
        value += int(found["whole"])
    if found["exponent"]:
        value *= Fraction(10) ** int(found["exponent"])
    return -value if "-" in (found["sign"], found["sign2"]) else value


def _spoken(text: str) -> tuple[Fraction, str] | None:
    """Number words at the start of `text`, and the rest."""
    tokens = text.replace("-", " ").split()
    sign = 1
    if tokens and tokens[0] in ("minus", "negative"):
        sign, tokens = -1, tokens[1:]
    total, current, used = Fraction(0), Fraction(0), 0
    for i, token in enumerate(tokens):
        following = tokens[i + 1] if i + 1 < len(tokens) else ""
        number = _SMALL.get(token) or _ORDINALS.get(token) or (0 if token == "zero" else None)
        is_one = i == 1 and tokens[0] in ("a", "an")  # "a third"
        if token in _PARTS and ((0 < current < 20 and not total) or token == "half" or is_one):
            current = (current or Fraction(1)) / _PARTS[token]
        elif number is not None:
            is_continued = current % 100 == 0 or (current % 100 >= 20 and current % 10 == 0)
            if not is_continued or (current % 100 and number > 9):
                return None  # "one two three" is a list
            current += number
        elif token == "hundred":
            current = (current or Fraction(1)) * 100
        elif token in _SCALES:
            total, current = total + (current or Fraction(1)) * _SCALES[token], Fraction(0)
        elif token == "and" and used and tokens[i + 2 : i + 3] and _is_part(*tokens[i + 1 : i + 3]):
            current += Fraction(_SMALL.get(following, 1), _PARTS[tokens[i + 2]])
            rest = tokens[i + 3 :]
            return sign * (total + current), " ".join(rest)
        elif (token == "and" and used and following in _SMALL and (total or current >= 100)) or (
            token in ("a", "an") and used == 0 and following in ("hundred", *_SCALES, *_PARTS)
        ):
            pass
        else:
            break
        used = i + 1
    if not used or tokens[:used] in (["a"], ["an"]):
        return None
    return sign * (total + current), " ".join(tokens[used:])


def _is_part(count: str, part: str) -> bool:
    """ "a half", "three quarters" """
    return part in _PARTS and (count == "a" or 0 < _SMALL.get(count, 0) < _PARTS[part])


def _unit_name(rest: str) -> str | None:
    """The unit that `rest` names; None when it is no unit but a sentence."""
    rest = rate(rest.strip(" .,"))
    rest = re.sub(r"^of (?:them|those|these|it|all)\b", "", rest)
    rest = re.sub(r"^(?:of (?:a |an )?|us |u\.s\. |american )", "", rest)
    rest = re.sub(r"(?:^|\s+)(?:each|in total|total|altogether|left|per \w+)$", "", rest)
    if rest in ("%", "percent", "per cent"):
        return "%"
    if rest.startswith("degrees "):
        rest = rest.removeprefix("degrees ")
    rest = rest.replace("° ", "°")
    if rest in UNITS:
        return rest
    if rest in _ERAS:
        return _ERAS[rest]
    names = rest.split()
    if len(names) > 2 or not all(_UNIT_WORD.fullmatch(name) for name in names):
        return None
    first = singular(names[0]) if names else ""
    if len(names) > 1 and len(first) > 2 and UNITS.get(first, ("",))[0] in ("time", "length"):
        return first  # "two days pass"
    if len(names) > 1 and first in UNITS and names[1] in _EXTENTS:
        return first
    return " ".join(singular(name) for name in names)


def _compound(value: Fraction, rest: str) -> Quantity | None:
    """As in "12 euros and 50 cents", "1 hour 50 minutes": a larger unit, then a smaller one."""
    parts = re.match(r"([^\W\d]+|[$€£])\s*(?:,|and)?\s+(.+)$", rest)
    if not parts:
        return None
    large = UNITS.get(singular(parts[1]))
    smaller = parse_quantity(parts[2])
    if not large or smaller is None or not smaller.unit:
        return None
    dimension, factor = large
    if smaller.unit in ("pence", "penny", "p") and singular(parts[1]) in ("pound", "£"):
        return Quantity(value + smaller.value / 100, "£")
    if smaller.unit == "cent" and dimension in ("dollar", "euro"):
        return Quantity(value + smaller.value / 100, singular(parts[1]))
    small = UNITS.get(smaller.unit)
    if not small or small[0] != dimension:
        return None
    return Quantity(value + smaller.value * small[1] / factor, singular(parts[1]))
