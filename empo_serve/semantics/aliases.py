"""Other names of the same place, language, currency, element, month or day.

Countries, languages, currencies, months and days come from the Unicode CLDR in forty languages
(`scripts/gen_languages.py`). Well-known cities and rivers in English and in their own or a
neighbour's language, older names of countries, and symbols of the chemical elements are a closed
table (`alias_tables`); one line is one thing. Not covered, but for a few: people, works, companies.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from functools import lru_cache
from importlib.resources import files

from anyascii import anyascii

from empo_serve.semantics.alias_tables import DAYS, ELEMENTS, PLACES
from empo_serve.semantics.normalize import without_accents
from empo_serve.semantics.numbers import ORDINALS
from empo_serve.semantics.questions import words
from empo_serve.semantics.spellings import plain_spelling
from empo_serve.semantics.synonyms import are_synonyms

_ELEMENT_QUESTION = re.compile(
    r"\b(?:element|metal|gas(?:es)?|symbol|chemical|atom|atomic|periodic)s?\b", re.I
)


def _languages(name: str) -> str:
    packed = files("empo_serve.semantics") / "languages" / name
    return gzip.decompress(packed.read_bytes()).decode()


def _table(text: str) -> dict[str, frozenset[str]]:
    """Name -> the things that it names. Lines that begin alike are of one thing."""
    found: dict[str, set[str]] = {}
    for line in text.strip().splitlines():
        names = line.split("|")
        for name in names:
            found.setdefault(name, set()).add(names[0])
    return {name: frozenset(things) for name, things in found.items()}


# Countries, languages and currencies apart: "italia" is Italy, and Italian in some languages.
_NAMES = [_table(PLACES + kind) for kind in _languages("names.txt.gz").split("\n\n")]
_CALENDAR = _table(DAYS + _languages("calendar.txt.gz"))
_MONTHS = words(
    "january february march april may june july august september october november december"
)
_ENGLISH_MONTHS = frozenset(_MONTHS)
_ENGLISH_DAYS = frozenset(words("monday tuesday wednesday thursday friday saturday sunday"))
_NO_LETTER = re.compile(r"[^a-z]")
_NTH_MONTH = re.compile(r"\b(\d{1,2}(?:st|nd|rd|th)|[a-z]+) month of the year\b", re.I)
_MONTH_OR_DAY = re.compile(
    r"\b(?:(?:which|what|in what) (?P<month>month)|(?:which|what) (?:week)?day)\b", re.I
)
_WORD = re.compile(r"[^\W\d]{3,}")
# Where a word is asked for, two words for one thing are two answers.
_WORD_QUESTION = re.compile(
    r"\b(?:synonyms?|antonyms?|opposite|plural|rhymes?|spell(?:ed|ing|t)?|letters?|syllables?"
    r"|abbreviation|(?:an)?other (?:word|name|term)|word (?:for|that|which|begins?|starts?))\b",
    re.I,
)
_SYMBOL_OF = dict(zip(map(plain_spelling, ELEMENTS[::2]), ELEMENTS[1::2], strict=True))
_NAME_OF = {symbol: name for name, symbol in _SYMBOL_OF.items()}


def is_alias(question: str, a: str, b: str) -> bool:
    """Are `a` and `b` two names of one thing?"""
    one, other = _key(a), _key(b)
    for table in (*_NAMES, _CALENDAR):
        if one in table and other in table and table[one] & table[other]:
            return True
    if one.isascii() != other.isascii() and _same_sound(one, other):
        return True
    if are_synonyms(one, other) and not _WORD_QUESTION.search(question):
        return True
    if not _ELEMENT_QUESTION.search(question):
        return False
    return _element(a) == _element(b) is not None


def _same_sound(a: str, b: str) -> bool:
    """ "Тбилиси" and "Tbilisi": one name in two scripts, letter by letter."""
    one, other = (_NO_LETTER.sub("", anyascii(text).lower()) for text in (a, b))
    for written, plain in (("iy", "y"), ("ii", "y"), ("yy", "y"), ("kh", "h")):
        one, other = one.replace(written, plain), other.replace(written, plain)
    return len(one) > 2 and one == other


def is_calendar_name(text: str) -> bool:
    """Is it the name of a month or of a day of the week?"""
    return _key(text) in _CALENDAR


def calendar_names(text: str) -> frozenset[str]:
    """The months and days of the week that `text` names, in English."""
    tokens = re.findall(
        r"[^\W\d]{3,}(?:-feira)?|[月火水木金土日]曜日|星期[一二三四五六日天]|[一二三四五六七八九十]{1,2}月",
        _key(text),
    )
    return frozenset(name for token in tokens for name in _CALENDAR.get(token, ()))


def asked_calendar_names(question: str, text: str) -> frozenset[str]:
    """The same, but only months where a month is asked for, and only days where a day is. "The
    tenth month of the year" is October."""
    names = calendar_names(_NTH_MONTH.sub(_as_month, text))
    asked = _MONTH_OR_DAY.search(question)
    if asked is None:
        return names
    wanted = _ENGLISH_MONTHS if asked["month"] else _ENGLISH_DAYS
    return names & wanted or names


def _as_month(found: re.Match[str]) -> str:
    place = found[1].lower()
    number = ORDINALS.get(place) or int(re.sub(r"\D", "", place) or 0)
    return _MONTHS[number - 1] if 1 <= number <= 12 else found[0]


def english_months(text: str) -> str:
    """ "4. Juli 1776" -> "4. july 1776"."""
    return _WORD.sub(_as_english_month, text)


def _as_english_month(found: re.Match[str]) -> str:
    names = _CALENDAR.get(_key(found[0]), frozenset())
    months = [name for name in names if name in _ENGLISH_MONTHS]
    return months[0] if len(months) == 1 else found[0]


def _element(text: str) -> str | None:
    text = text.strip(" .")
    if text in _NAME_OF:
        return _NAME_OF[text]
    name = plain_spelling(_key(text))
    return name if name in _SYMBOL_OF else None


@lru_cache(maxsize=4096)
def _key(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).replace("’", "'")  # CO₂
    text = re.sub(r"(?:です|だ|である)[。.]?$", "", text.strip())
    text = without_accents(text.casefold()).strip(" .,;!?\"'")
    return re.sub(
        r"^(?:the|der|die|das|le|la|les|l'|el|los|las|il|lo|os?|im|en|am|on)\s+", "", text
    )
