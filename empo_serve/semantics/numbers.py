"""Reading quantities: "1,250", "12,50 €", "three and a half hours", "1.5 × 10^8 km", "50%"."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

from empo_serve.semantics.quantities import Quantity
from empo_serve.semantics.units import COUNTS, UNITS, rate, singular

SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "dozen": 12,
}  # fmt: skip
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13,
    "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18,
    "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4} | {
    part: n for word, n in ORDINALS.items() if 4 <= n <= 20 for part in (word, word + "s")
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
    r"^(?:(?:about|approximately|some|over|approx\.?|roughly|around|exactly|only|just|nearly"
    r"|almost|precisely|a total of|an average of)(?!\w)|≈|~)\s*",
    re.I,
)
_AND_A_HALF = re.compile(r"^(?:an?|one) (\w+) and (a half|a quarter|three quarters|a third)$")
_VULGAR = re.compile(r"(?<=\d)(?=[¼½¾⅐-⅞])")
_RADIANS = re.compile(
    r"(?P<times>-?\d{1,4}(?:/[1-9]\d{0,3})?)? ?[*·]? ?(?:π|\\?pi)(?: ?/ ?(?P<part>[1-9]\d{0,3}))?"
    r" ?rad(?:ian)?s?"
)
_ODDS = re.compile(r"(?:an? |)(\w+) (?:in|out of) (?:every )?(\w+)")
_HALF_A = re.compile(r"^half (?:of )?an? (?=\w)")
_A_UNIT = re.compile(r"an? (\w{3,})\b(?! and a half)")
# "2h15", "1:30 h"
_HOURS = re.compile(r"(\d+)(?: ?h ?(\d{1,2})(?: ?m(?:in(?:ute)?s?)?)?|:(\d\d) ?h(?:(?:ou)?rs?)?)\b")
_BELOW_ZERO = re.compile(r"^(.+?) (below|above) zero$")
_FEET = re.compile(r"(\d+) ?(?:'|′) ?(\d+(?:\.\d+)?) ?(?:\"|″|''|$)")  # 6'2"
_REPEATING = re.compile(
    r"(?P<sign>-?)(?P<whole>\d{1,9})\.(?P<fixed>\d{0,6}?)"
    r"(?:(?P<period>\d{1,6}?)(?P=period)+ ?(?:\.\.\.|…|\\[lc]?dots)"
    r"|\\overline\{(?P<over>\d{1,9})\})"
)
_RAISED = re.compile(r"(?<=\d)[⁺⁻]?[⁰¹²³⁴-⁹]+")
_PER_CENT = re.compile(r"\bper cent\b", re.I)
_AND_CENTS = re.compile(r"^(pounds?|euros?|dollars?) ((?:\w+-)?\w+)$")  # "eighteen pounds fifty"
_POWER = re.compile(r"(\d{1,3}) ?(?:\^|\*\*) ?\{?(\d{1,2})\}?(?=$|\s+[a-z])")  # "2^10 bytes"
# "two sevenths, or roughly 28.6%"
_OR_ABOUT = re.compile(
    r"(?:,| or| -|;)? (?:or|i\.e\.|that is|which is),? (?:about|roughly|approximately|around|nearly"
    r"|almost|just (?:over|under)|≈|~) ?.+$|,? \((?:about|roughly|approximately|≈|~)[^)]*\)$"
)
_POINTS = re.compile(r"\b(b|a)\. ?(c|d)\.(?: ?e\b\.?)?|\bc\. ?e\.")  # "44 B.C.E."
_ERAS = {"bc": "bc", "bce": "bc", "b.c": "bc", "b.c.e": "bc", "ad": "", "ce": "", "a.d": ""}
_SHORT_SCALES = {"k": "thousand", "K": "thousand", "M": "million", "bn": "billion"}
_SHORT_SCALE = re.compile(r"(?<=\d)(?:k|M|bn)(?=$|\s)|(?<=[$€£]\d)K(?=$|\s)")
_SIGNS = (("{,}", ","), ("⁄", "/"), ("−", "-"), ("–", "-"), ("\\$", "$"))
_UNIT_WORD = re.compile(r"[^\W\d]+(?:/[^\W\d]+[23]?)?|[$€£¢]|°[cf]?")
_EXTENTS = ("long", "high", "tall", "wide", "deep", "away", "old", "far", "thick")
_NOT_UNITS = frozenset("is are was were has have had make makes".split())  # noqa: SIM905
MAX_LENGTH = 120


def parse_quantity(text: str) -> Quantity | None:
    """The quantity that the whole of `text` is, or None."""
    return _parse(text) if len(text) <= MAX_LENGTH else None


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity | None:
    text = _OR_ABOUT.sub("", plain_number(repeating_decimal(text)))
    text = _POWER.sub(_power, text, count=1) if _POWER.match(text) else text
    if not text:
        return None
    if (single := _A_UNIT.match(text)) and _is_unit(singular(single[1])):
        text = "one " + text[single.start(1) :]
    if radians := _RADIANS.fullmatch(text):
        times = Fraction(radians["times"] or 1) / int(radians["part"] or 1)
        return Quantity(180 * times, "degree")
    text = _AND_A_HALF.sub(r"one and \2 \1s", text)
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
        spoken = spoken_number(text)
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


def plain_number(text: str) -> str:
    """Lower case, without "about", with the signs and the short forms written out."""
    text = _PER_CENT.sub("percent", _RAISED.sub(_raised, text))
    text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", text))  # "2½" is not 21/2
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
    return _POINTS.sub(lambda era: f"{era[1]}{era[2]}" if era[1] else "ce", text)


def _raised(found: re.Match[str]) -> str:
    """ "10⁻⁴" -> "10^-4"."""
    return "^" + unicodedata.normalize("NFKC", found[0]).replace("−", "-")


def _power(found: re.Match[str]) -> str:
    return str(int(found[1]) ** int(found[2]))


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


def spoken_number(text: str) -> tuple[Fraction, str] | None:
    """Number words at the start of `text`, and the rest."""
    tokens = text.replace("-", " ").split()
    sign = 1
    if tokens and tokens[0] in ("minus", "negative"):
        sign, tokens = -1, tokens[1:]
    total, current, used = Fraction(0), Fraction(0), 0
    for i, token in enumerate(tokens):
        following = tokens[i + 1] if i + 1 < len(tokens) else ""
        number = SMALL.get(token) or ORDINALS.get(token) or (0 if token == "zero" else None)
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
            current += Fraction(SMALL.get(following, 1), _PARTS[tokens[i + 2]])
            rest = tokens[i + 3 :]
            return sign * (total + current), " ".join(rest)
        elif (token == "and" and used and following in SMALL and (total or current >= 100)) or (
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
    return part in _PARTS and (count == "a" or 0 < SMALL.get(count, 0) < _PARTS[part])


def _is_unit(name: str) -> bool:
    return name in UNITS or name in COUNTS


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
    if names and names[0] in _NOT_UNITS:
        return None
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
    rest = _AND_CENTS.sub(
        lambda said: f"{said[1]} {said[2]} {'pence' if said[1][0] == 'p' else 'cents'}", rest
    )
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
