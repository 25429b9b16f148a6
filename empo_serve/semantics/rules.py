"""Equivalence by rules: text, options, yes/no, numbers, dates, lists, names, mathematics.

Every rule is about how answers are written; none knows facts ("Praha" is not Prague here). A rule
that does not apply says nothing, and what no rule decides has the verdict None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property, lru_cache

from empo_serve.config import SemanticsSection
from empo_serve.semantics.aliases import calendar_names, is_alias, is_calendar_name
from empo_serve.semantics.base import Verdict
from empo_serve.semantics.conflicts import same_change
from empo_serve.semantics.dates import (
    parse_date,
    parse_decade,
    parse_time,
    same_decade,
    years_in_digits,
)
from empo_serve.semantics.echo import asked_stems
from empo_serve.semantics.equations import as_interval, numbers
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.gloss import without_gloss
from empo_serve.semantics.lists import list_items, same_items
from empo_serve.semantics.math_workers import MathWorkers
from empo_serve.semantics.names import only_name, same_name
from empo_serve.semantics.normalize import has_signs, is_one_word, looks_like_math, normalize
from empo_serve.semantics.numbers import Quantity, only_number, parse_quantity, same_quantity
from empo_serve.semantics.numerals import foreign_number
from empo_serve.semantics.phrases import same_phrase
from empo_serve.semantics.questions import (
    asks_how_many,
    asks_when,
    fold_word,
    is_open,
    options,
    question_words,
    wants_order,
    words,
)
from empo_serve.semantics.slots import fills_slot

_SHORT = 3  # words
_NONE = re.compile(
    r"(?:there (?:are|is|were|was) )?(?:none|no \w+|not (?:a single )?one|nobody|no one|zero|nil)"
    r"(?: of (?:them|the \w+|those)| at all| \w+)*[.!]?",
    re.I,
)
_NOBODY = re.compile(
    r"(?:according to [^,]*, |there (?:was|is|were|are) )?(?:nobody|no[ -]one|none of them|none"
    r"|not (?:a single (?:one|person|soul)|one person|anyone))\b(?!.*\b(?:but|except|other)\b)",
    re.I,
)
_WHO = frozenset(words("he she him her they them"))
_STOP = frozenset(
    words(
        "the a an is are was were be been it its this that there they he she him his her of"
        " in on at to"
        " for by as and so do does did has have had i you"
    )
)


class Reading:
    """What one answer says, read in every way that a rule needs, when it needs it."""

    def __init__(self, question: str, answer: str) -> None:
        self.question = question
        text = extract_answer(question, answer)
        self.text = text if is_open(question) else without_gloss(text)
        self.key = normalize(self.text)

    @cached_property
    def quantity(self) -> Quantity | None:
        """The number that the answer is, or the only one that it brings."""
        if _NONE.fullmatch(self.text) and asks_how_many(self.question):
            return Quantity(Fraction(0), "")
        text = years_in_digits(self.text) if asks_when(self.question) else self.text
        whole = parse_quantity(text)
        if whole or (looks_like_math(self.text) and not _is_wordy(self.text)):
            return whole
        if len(self.text) >= 400:
            return None
        spoken = foreign_number(self.question[-4000:], self.text)
        if spoken is not None:
            return Quantity(Fraction(spoken), "")
        return only_number(text, self.question[-4000:])

    @cached_property
    def date(self) -> tuple[int | None, int, int | None] | None:
        return parse_date(self.text)

    @cached_property
    def time(self) -> int | None:
        return parse_time(self.text)

    @cached_property
    def decade(self) -> tuple[int | None, int] | None:
        return parse_decade(self.text)

    @cached_property
    def is_quantity(self) -> bool:
        if parse_quantity(self.text) is not None or self.quantity == Quantity(Fraction(0), ""):
            return True
        return (
            len(words(self.text)) <= _SHORT and foreign_number(self.question, self.text) is not None
        )

    @cached_property
    def name(self) -> str:
        """The one proper name that the answer brings."""
        return only_name(self.question, self.text)

    @cached_property
    def is_name(self) -> bool:
        return bool(self.name) and normalize(self.text) == normalize(self.name)

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
        return looks_like_math(self.text)

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


read = lru_cache(maxsize=1024)(Reading)


class RulesEquivalence:
    """Rules only: exact and fast; "don't know" for free text."""

    def __init__(self, section: SemanticsSection) -> None:
        self._math = MathWorkers(section.math_workers, section.math_timeout_s)

    def load(self) -> None:
        self._math.load()

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        mathematics: list[tuple[int, tuple[str, str]]] = []
        for i, (a, b) in enumerate(pairs):
            # In one order, so that the verdict cannot depend on it.
            one, other = read(question, min(a, b)), read(question, max(a, b))
            verdict = compare(one, other)
            if verdict.same is None and _is_for_math(one, other):
                mathematics.append((i, (as_interval(one.text), as_interval(other.text))))
            verdicts.append(verdict)
        if mathematics:
            results = self._math.same([texts for _, texts in mathematics])
            for (i, _), result in zip(mathematics, results, strict=True):
                verdicts[i] = result
        return verdicts

    def close(self) -> None:
        self._math.close()


def compare(a: Reading, b: Reading) -> Verdict:
    """The first rule that decides; None ("undecided") when mathematics or a model has to."""
    if not a.text or not b.text:
        return Verdict(False, "empty")
    if a.key and a.key == b.key:
        return Verdict(True, "exact")
    if is_one_word(a.key, b.key):
        return Verdict(True, "spelling")
    offered = options(a.question)
    if a.text in offered and b.text in offered:
        return Verdict(False, "option")
    if _NOBODY.match(a.text) and _NOBODY.match(b.text) and not is_open(a.question):
        return Verdict(True, "nobody")
    if {a.text, b.text} == {"Yes", "No"}:
        return Verdict(False, "yes_no")
    if asks_when(a.question):
        if a.date is not None and b.date is not None:
            return Verdict(a.date == b.date, "date_time")
        if a.time is not None and b.time is not None:
            return Verdict(a.time == b.time, "date_time")
        if a.decade is not None and b.decade is not None:
            return Verdict(same_decade(a.decade, b.decade), "date_time")
    named = _same_calendar(a, b)
    if named is not None:
        return Verdict(named, "date_time")
    if a.numbers and b.numbers:
        is_ordered = wants_order(a.question)
        one, other = (x.numbers if is_ordered else tuple(sorted(set(x.numbers))) for x in (a, b))
        return Verdict(one == other, "list")
    if a.quantity and b.quantity and (a.is_quantity or b.is_quantity):
        equal = same_quantity(a.quantity, b.quantity, a.question)
        if equal is not None:
            return Verdict(equal, "number")
    is_formal = a.is_math or b.is_math
    if not is_formal and len(a.items) > 1 and len(b.items) > 1:
        is_same = same_items(a.question, a.items, b.items, wants_order(a.question))
        return Verdict(is_same, "list")
    if _same_only_name(a, b):
        return Verdict(True, "name")
    if same_phrase(a.question, a.text, b.text):
        return Verdict(True, "phrase")
    if not (is_formal or is_open(a.question)) and fills_slot(a.question, a.text, b.text):
        return Verdict(True, "slot")
    if is_formal or a.is_quantity or b.is_quantity:
        return Verdict(None, "undecided")
    if has_signs(a.key) or has_signs(b.key):
        is_same = is_alias(a.question, a.text, b.text)
        return Verdict(True, "name") if is_same else Verdict(None, "undecided")
    if same_name(a.question, a.text, b.text):
        return Verdict(True, "name")
    if (
        a.content
        and a.content == b.content
        and a.pronouns == b.pronouns
        and _is_part(a.echo, b.echo)
    ):
        return Verdict(True, "echo")
    changes = same_change(a.question, a.text, b.text)
    if changes is not None:
        return Verdict(changes, "direction")
    if max(len(words(a.key)), len(words(b.key))) <= _SHORT:
        return Verdict(False, "text")
    return Verdict(None, "undecided")


def _same_only_name(a: Reading, b: Reading) -> bool:
    """Do both bring one proper name, the same one? One of them must be no more than that name."""
    if is_open(a.question) or not a.name or not b.name:
        return False
    if not (a.is_name or b.is_name):
        return False
    return normalize(a.name) == normalize(b.name) or same_name(a.question, a.name, b.name)


def _same_calendar(a: Reading, b: Reading) -> bool | None:
    """Months and days of the week in any language; one answer must be no more than such names."""
    lists = [x for x in (a, b) if x.items and all(map(is_calendar_name, x.items))]
    if lists and not wants_order(a.question):
        return calendar_names(a.text) == calendar_names(b.text)
    if not (is_calendar_name(a.text) or is_calendar_name(b.text)):
        return None
    one, other = calendar_names(a.text), calendar_names(b.text)
    if is_calendar_name(a.text) and is_calendar_name(b.text):
        return is_alias(a.question, a.text, b.text)
    return one == other if len(one) == len(other) == 1 else None


def _is_wordy(text: str) -> bool:
    """A sentence with a number in it, such as "it lasts 3/2 hours", and no formula?"""
    return len(re.findall(r"[a-z]{3,}", text)) > 1 and not re.search(r"[\\^=√{}<>]", text)


def _is_for_math(a: Reading, b: Reading) -> bool:
    if not a.text or not b.text:
        return False
    return all(side.is_math or side.is_quantity for side in (a, b)) or (
        (a.is_math or b.is_math) and min(len(a.text), len(b.text)) < 40
    )


def _is_part(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """One echo of the question within the other, in order: who did what to whom stays the same."""
    short, long = sorted((a, b), key=len)
    rest = iter(long)
    return all(word in rest for word in short)
