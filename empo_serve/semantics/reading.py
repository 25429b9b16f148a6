"""What one answer says, read in every way that a rule needs."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cached_property, lru_cache

from empo_serve.semantics.dates import (
    parse_date,
    parse_decade,
    parse_nth_day,
    parse_period,
    parse_span,
    parse_time,
    years_in_digits,
)
from empo_serve.semantics.echo import asked_stems
from empo_serve.semantics.equations import numbers, standard_set
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.formulas import Formula, read_formula
from empo_serve.semantics.frequency import Frequency, parse_frequency
from empo_serve.semantics.gloss import without_gloss
from empo_serve.semantics.lists import list_items
from empo_serve.semantics.names import bare_name, only_name
from empo_serve.semantics.normalize import looks_like_math, normalize
from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.numbers_in_text import asked_number, only_number, restated
from empo_serve.semantics.numerals import foreign_number
from empo_serve.semantics.quantities import Quantity
from empo_serve.semantics.questions import (
    asks_how_many,
    asks_when,
    fold_word,
    is_open,
    question_words,
    words,
)

SHORT = 3  # words
_NONE = re.compile(
    r"(?:(?:there (?:are|is|were|was)n['’]t"
    r"|(?:it|they|he|she) (?:do(?:es)?n['’]t|do(?:es)? not) have) any(?: \w+)?"
    r"|(?:it|they|he|she) (?:has|have|had) no \w+"
    r"|(?:there (?:are|is|were|was) )?"
    r"(?:none|no \w+|not (?:a single )?one|nobody|no one|zero|nil))"
    r"(?: of (?:them|the \w+|those)| at all| \w+)*[.!]?",
    re.I,
)
_BETWEEN_DOLLARS = re.compile(r"\$([^$]+)\$")
_RATIO_QUESTION = re.compile(r"\b(?:ratio|odds|proportion|(?P<score>score|result|outcome))\b", re.I)
_RATIO = re.compile(r"\W*(\d{1,6})\s*(?:to|:|-|–|/|\\colon)\s*(\d{1,6})\W*", re.I)
_GIVES = re.compile(r"=|→|\b(?:gives|makes|is|so|leaves|means|equals)\b")
_QUOTED_LIST = re.compile(r"[\[({]\s*[\"'][^\"']*[\"']\s*[,\])}]")  # "['a', 'b']"
_RADIANS = re.compile(r"(?<=[\dπi}]) ?\\?,? ?(?:rad|radians?|\\text\{ ?rad(?:ians?)?\})$")
_HOW_LONG = re.compile(r"\bhow (?:long|many years|many hours)\b", re.I)
_CLOCK_TIME = re.compile(r"^(\d{1,2}):(\d\d)$")
_GLOSS = re.compile(r"\w \(([a-z]{3,}(?: [a-z]{3,})?)\)")
_ORDINAL = re.compile(r"(?:in )?(?:the )?(?:\d{1,2}(?:st|nd|rd|th)|[a-z]+(?:th|st|nd|rd))", re.I)
_MAX_SENTENCE = 200  # characters
_MAX_DATED = 120  # characters
_ALSO_KNOWN = re.compile(
    r",? (?:(?:better|also|commonly|usually|otherwise|now|widely|popularly|sometimes)"
    r" (?:known as|called|nicknamed)|nicknamed|a\.?k\.?a\.?) (?:the )?"
    r"([A-Z][\w'’-]*(?: [A-Z][\w'’-]*){0,3})"
)
_WHO = frozenset(words("he she him her they them"))
_STOP = frozenset(
    words(
        "the a an is are was were be been it its this that there they he she him his her of"
        " in on at to"
        " for by through via using as and so do does did has have had i you"
    )
)


class Reading:
    """What one answer says, read in every way that a rule needs, when it needs it."""

    def __init__(self, question: str, answer: str) -> None:
        self.question = question
        self._answer = answer
        text = extract_answer(question, answer)
        self.text = text if is_open(question) else without_gloss(text)
        self.key = normalize(standard_set(self.text))

    @cached_property
    def quantity(self) -> Quantity | None:
        """The number that the answer is, or the only one that it brings."""
        if _NONE.fullmatch(self.text) and asks_how_many(self.question):
            return Quantity(Fraction(0), "")
        text = years_in_digits(self.text) if asks_when(self.question) else self.text
        if _HOW_LONG.search(self.question):
            text = _CLOCK_TIME.sub(r"\1 hours \2 minutes", text)
            if (span := parse_span(text)) is not None:
                return Quantity(Fraction(span[1] - span[0]), "year")
        whole = parse_quantity(text)
        if whole or (looks_like_math(self.text) and not _is_wordy(self.text)):
            return whole
        if len(self.text) >= 400 or len(self.numbers) > 1:
            return None
        if (counted := asked_number(text, self.question)) is not None:
            return counted
        if (said := restated(text, self.question)) is not None:
            return said
        spoken = foreign_number(self.question[-4000:], self.text)
        if spoken is not None:
            return Quantity(Fraction(spoken), "")
        return only_number(text, self.question[-4000:])

    @cached_property
    def date(self) -> tuple[int | None, int, int | None] | None:
        found = parse_date(self.text)
        # "The last day of the year, the 31st of December": the text may be the first half.
        is_short = len(self._answer) < _MAX_DATED and asks_when(self.question)
        return found or (parse_date(self._answer) if is_short else None)

    @cached_property
    def time(self) -> int | None:
        whole = parse_time(self.text)
        # "13:00 + 7 h = 20:00, minus 5 h gives 15:00"
        return parse_time(_GIVES.split(self.text)[-1]) if whole is None else whole

    @cached_property
    def nth_day(self) -> tuple[str, str, int] | None:
        return parse_nth_day(self.text)

    @cached_property
    def decade(self) -> tuple[int | None, int] | None:
        return parse_decade(self.text)

    @cached_property
    def period(self) -> tuple[int, int] | None:
        is_ordinal = "century" in self.question and _ORDINAL.fullmatch(self.text.strip(" ."))
        return parse_period(f"{self.text.strip(' .')} century" if is_ordinal else self.text)

    @cached_property
    def ratio(self) -> Fraction | tuple[int, int] | None:
        """ "3 to 4" of a ratio; of a score the two numbers, as 2:1 is not 4:2."""
        asked = _RATIO_QUESTION.search(self.question[-2000:])
        said = _RATIO.fullmatch(self.text) if asked else None
        if not asked or not said or not int(said[2]):
            return None
        two = int(said[1]), int(said[2])
        return two if asked["score"] else Fraction(*two)

    @cached_property
    def frequency(self) -> Frequency | None:
        said = parse_frequency(self.question, self._answer)
        return said or parse_frequency(self.question, self.text)

    @cached_property
    def is_quantity(self) -> bool:
        if parse_quantity(self.text) is not None or self.quantity == Quantity(Fraction(0), ""):
            return True
        return (
            len(words(self.text)) <= SHORT and foreign_number(self.question, self.text) is not None
        )

    @cached_property
    def name(self) -> str:
        """The one proper name that the answer brings."""
        return only_name(self.question, self.text)

    @cached_property
    def glosses(self) -> frozenset[str]:
        """Other words for it: "the stirrup bone (stapes)". Not names: "Paris (France)"."""
        raw = extract_answer(self.question, self._answer)
        also = [x[1] for x in _ALSO_KNOWN.finditer(self._answer[:_MAX_SENTENCE])]
        return frozenset(normalize(gloss) for gloss in (*_GLOSS.findall(raw), *also))

    @cached_property
    def is_name(self) -> bool:
        name, text = normalize(self.name), re.sub(r"['’]s?$", "", self.text)
        return bool(name) and name in (normalize(text), bare_name(self.question, text))

    @cached_property
    def items(self) -> tuple[str, ...]:
        asked = asked_stems(self.question)
        return () if is_open(self.question) else list_items(self.text, asked)

    @cached_property
    def numbers(self) -> tuple[Fraction, ...]:
        """The numbers that the answer enumerates, if it does nothing else."""
        enumerated = numbers(self.text)
        if enumerated or self.is_math or len(self.items) < 2 or self.text.startswith("("):
            return enumerated
        found = [parse_quantity(item) for item in self.items]
        values = tuple(q.value for q in found if q and not q.unit)
        return values if len(values) == len(found) else ()

    @cached_property
    def is_math(self) -> bool:
        return looks_like_math(self.text) and not _QUOTED_LIST.match(self.text)

    @cached_property
    def formula(self) -> Formula:
        return read_formula(_RADIANS.sub("", self.text))

    @cached_property
    def formulas(self) -> tuple[Formula, ...]:
        """Those that stand between dollar signs."""
        found = _BETWEEN_DOLLARS.findall(self.text) if self.text.count("$") > 3 else []
        return tuple(read_formula(f) for f in found)

    @cached_property
    def content(self) -> tuple[str, ...]:
        """Words that the question does not have."""
        asked = question_words(self.question)
        return tuple(w for w in self._folded if w not in asked and w not in _STOP)

    @cached_property
    def pronouns(self) -> list[str]:
        return [w for w in words(self.key) if w in _WHO] if is_open(self.question) else []

    @cached_property
    def echo(self) -> tuple[str, ...]:
        """Words that the question has too."""
        asked = question_words(self.question)
        return tuple(w for w in self._folded if w in asked and w not in _STOP)

    @cached_property
    def _folded(self) -> list[str]:
        return [fold_word(w) for w in words(self.key)]


def _is_wordy(text: str) -> bool:
    """A sentence with a number in it, such as "it lasts 3/2 hours", and no formula?"""
    return len(re.findall(r"[a-z]{3,}", text)) > 1 and not re.search(r"[\\^=√{}<>]", text)


read = lru_cache(maxsize=1024)(Reading)
