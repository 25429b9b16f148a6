"""Equivalence by rules: text, options, yes/no, numbers, dates, lists, names, mathematics.

Every rule is about how answers are written; none knows facts ("Praha" is not Prague here). A rule
that does not apply says nothing, and what no rule decides has the verdict None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache

from empo_serve.config import SemanticsSection
from empo_serve.semantics.base import Verdict
from empo_serve.semantics.dates import parse_date, parse_time
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.lists import list_items
from empo_serve.semantics.math_workers import MathWorkers
from empo_serve.semantics.names import same_name
from empo_serve.semantics.normalize import has_signs, looks_like_math, normalize
from empo_serve.semantics.numbers import Quantity, only_number, parse_quantity, same_quantity
from empo_serve.semantics.questions import fold_word, options, question_words, wants_order, words

_SHORT = 3  # words
_TIME_QUESTION = re.compile(r"\b(?:when|what time|at what|date|day|what year|which year)\b", re.I)
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
        self.text = extract_answer(question, answer)
        self.key = normalize(self.text)

    @cached_property
    def quantity(self) -> Quantity | None:
        """The number that the answer is, or the only one that it brings."""
        whole = parse_quantity(self.text)
        if whole or looks_like_math(self.text):
            return whole
        return only_number(self.text, self.question[-4000:]) if len(self.text) < 400 else None

    @cached_property
    def is_quantity(self) -> bool:
        return parse_quantity(self.text) is not None

    @cached_property
    def items(self) -> tuple[str, ...]:
        return list_items(self.text)

    @cached_property
    def is_math(self) -> bool:
        return looks_like_math(self.text)

    @cached_property
    def content(self) -> tuple[str, ...]:
        """Words that the question does not have."""
        asked = question_words(self.question)
        return tuple(w for w in self._folded if w not in asked and w not in _STOP)

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
                mathematics.append((i, (one.text, other.text)))
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
    offered = options(a.question)
    if a.text in offered and b.text in offered:
        return Verdict(False, "option")
    if {a.text, b.text} == {"Yes", "No"}:
        return Verdict(False, "yes_no")
    if _TIME_QUESTION.search(a.question[-4000:]):
        for parse in (parse_date, parse_time):
            one, other = parse(a.text), parse(b.text)
            if one is not None and other is not None:
                return Verdict(one == other, "date_time")
    if a.quantity and b.quantity and (a.is_quantity or b.is_quantity):
        equal = same_quantity(a.quantity, b.quantity, a.question)
        if equal is not None:
            return Verdict(equal, "number")
    if not (a.is_math or b.is_math) and len(a.items) > 1 and len(b.items) > 1:
        if wants_order(a.question):
            return Verdict(a.items == b.items, "list")
        return Verdict(set(a.items) == set(b.items), "list")
    if a.is_math or b.is_math or a.is_quantity or b.is_quantity:
        return Verdict(None, "undecided")
    if has_signs(a.key) or has_signs(b.key):
        return Verdict(None, "undecided")
    if same_name(a.question, a.text, b.text):
        return Verdict(True, "name")
    if a.content and a.content == b.content and _is_part(a.echo, b.echo):
        return Verdict(True, "echo")
    if max(len(words(a.key)), len(words(b.key))) <= _SHORT:
        return Verdict(False, "text")
    return Verdict(None, "undecided")


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
