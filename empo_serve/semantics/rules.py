"""Equivalence by rules: text, options, yes/no, numbers, dates, lists, names, mathematics.

Every rule is about how answers are written; none knows facts ("Praha" is not Prague here). A rule
that does not apply says nothing, and what no rule decides has the verdict None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from empo_serve.config import SemanticsSection
from empo_serve.errors import ScorerError
from empo_serve.semantics.aliases import (
    asked_calendar_names,
    calendar_names,
    is_alias,
    is_calendar_name,
)
from empo_serve.semantics.base import Verdict
from empo_serve.semantics.clock_words import load_clock_words
from empo_serve.semantics.conflicts import same_change
from empo_serve.semantics.dates import (
    part_of_period,
    same_date,
    same_decade,
    same_short_year,
)
from empo_serve.semantics.equations import as_interval
from empo_serve.semantics.formulas import same_equation, same_value, same_values
from empo_serve.semantics.kinds import load_kinds
from empo_serve.semantics.lists import same_items
from empo_serve.semantics.math_workers import MathWorkers
from empo_serve.semantics.names import same_name, spells_out
from empo_serve.semantics.normalize import (
    has_signs,
    is_one_word,
    normalize,
    without_superscripts,
)
from empo_serve.semantics.phrases import same_phrase
from empo_serve.semantics.quantities import same_quantity
from empo_serve.semantics.questions import (
    asks_when,
    fold_word,
    is_open,
    options,
    wants_order,
    words,
)
from empo_serve.semantics.reading import SHORT, Reading, read
from empo_serve.semantics.slots import fills_slot
from empo_serve.semantics.spellings import is_misspelt, same_spelling
from empo_serve.semantics.synonyms import load_synonyms

_YEAR_QUESTION = re.compile(r"\b(?:which|what) year\b", re.I)
_YEAR = re.compile(r"(?:in )?(\d{4})")
_NOBODY = re.compile(
    r"(?:according to [^,]*, |there (?:was|is|were|are) )?"
    r"(?:there (?:is|are)n['’]t any|nobody|no[ -]one|none of them|none"
    r"|not (?:a single (?:one|person|soul)|one person|anyone)"
    r"|no \w+(?=$| (?:was|were|is|are|did|has|have|had)\b))\b(?!.*\b(?:but|except|other)\b)",
    re.I,
)


class RulesEquivalence:
    """Rules only: exact and fast; "don't know" for free text."""

    def __init__(self, section: SemanticsSection) -> None:
        self._math = MathWorkers(section.math_workers, section.math_timeout_s)

    def load(self) -> None:
        self._math.load()
        load_synonyms()
        load_kinds()
        load_clock_words()

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """Raises ScorerError where a comparison of mathematics came to no end."""
        verdicts: list[Verdict] = []
        mathematics: list[tuple[int, tuple[str, str]]] = []
        for i, (a, b) in enumerate(pairs):
            # In one order, so that the verdict cannot depend on it.
            one, other = read(question, min(a, b)), read(question, max(a, b))
            verdict = compare(one, other)
            if verdict.same is None and _is_for_math(one, other):
                verdict = _compare_values(one, other)
                if verdict.same is None and verdict.method != "math":
                    texts = (as_interval(without_superscripts(x.text)) for x in (one, other))
                    mathematics.append((i, (next(texts), next(texts))))
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
    if is_one_word(a.key, b.key) or same_spelling(a.key, b.key):
        return Verdict(True, "spelling")
    # Names are spelt as they are: Friedman is no freedman.
    if (a.text[0].islower() or b.text[0].islower()) and is_misspelt(a.key, b.key):
        return Verdict(True, "spelling")
    offered = options(a.question)
    chosen = [set(x.text.split(", ")) for x in (a, b)]
    if offered and all(labels <= offered.keys() for labels in chosen):
        return Verdict(chosen[0] == chosen[1], "option")
    if _NOBODY.match(a.text) and _NOBODY.match(b.text) and not is_open(a.question):
        return Verdict(True, "nobody")
    if {a.text, b.text} == {"Yes", "No"}:
        return Verdict(False, "yes_no")
    if asks_when(a.question):
        if a.date is not None and b.date is not None:
            return Verdict(same_date(a.date, b.date), "date_time")
        if (is_same_year := _same_asked_year(a, b)) is not None:
            return Verdict(is_same_year, "date_time")
        if a.time is not None and b.time is not None:
            return Verdict(a.time == b.time, "date_time")
        if a.nth_day is not None and b.nth_day is not None:
            return Verdict(a.nth_day == b.nth_day, "date_time")
        if (is_same_year := same_short_year(a.text, b.text)) is not None:
            return Verdict(is_same_year, "date_time")
        is_same_part = part_of_period(a.text) == part_of_period(b.text)
        if a.decade is not None and b.decade is not None:
            return Verdict(is_same_part and same_decade(a.decade, b.decade), "date_time")
        if a.period is not None and b.period is not None:
            return Verdict(is_same_part and a.period == b.period, "date_time")
    if a.ratio is not None and b.ratio is not None:
        return Verdict(a.ratio == b.ratio, "ratio")
    frequencies = a.frequency, b.frequency
    if None not in frequencies and len({f.dimension for f in frequencies if f}) == 1:
        return Verdict(a.frequency == b.frequency, "frequency")
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
        if not (is_same and _turned_around(a, b)):
            return Verdict(is_same, "list")
    if _same_only_name(a, b):
        return Verdict(True, "name")
    if a.key in b.glosses or b.key in a.glosses:
        return Verdict(True, "gloss")
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
    if not is_open(a.question) and _adds_item(a.key, b.key):
        return Verdict(False, "list")
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
    if max(len(words(a.key)), len(words(b.key))) <= SHORT:
        return Verdict(False, "text")
    return Verdict(None, "undecided")


def _adds_item(a: str, b: str) -> bool:
    """ "salt" against "salt and pepper" """
    short, long = sorted((a, b), key=len)
    return long.startswith(f"{short} and ") or long.endswith(f" and {short}")


def _turned_around(a: Reading, b: Reading) -> bool:
    """Do they name what the question has, besides their items, in another order? "The cup cools
    down and warms the hand" is no list of what happens."""
    items = {fold_word(w) for item in (*a.items, *b.items) for w in words(item)}
    one, other = (tuple(w for w in x.echo if w not in items) for x in (a, b))
    return one != other and sorted(one) == sorted(other)


def _same_asked_year(a: Reading, b: Reading) -> bool | None:
    """Where a year is asked for: the one of a date ("26 December 1991") and a bare one."""
    if not _YEAR_QUESTION.search(a.question) or (a.date is None) == (b.date is None):
        return None
    dated, bare = (a, b) if a.date else (b, a)
    year = dated.date[0] if dated.date else None
    said = _YEAR.fullmatch(bare.text)
    return None if year is None or said is None else year == int(said[1])


def _same_only_name(a: Reading, b: Reading) -> bool:
    """Do both bring one proper name, the same one? One of them must be no more than that name."""
    if is_open(a.question):
        return False
    if spells_out(a.text, b.text) or spells_out(b.text, a.text):
        return True
    if not a.name or not b.name:
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
    one, other = (asked_calendar_names(a.question, x.text) for x in (a, b))
    if is_calendar_name(a.text) and is_calendar_name(b.text):
        return is_alias(a.question, a.text, b.text)
    return one == other if len(one) == len(other) == 1 else None


def _is_for_math(a: Reading, b: Reading) -> bool:
    if not a.text or not b.text:
        return False
    return all(side.is_math or side.is_quantity for side in (a, b)) or (
        (a.is_math or b.is_math) and min(len(a.text), len(b.text)) < 40
    )


def _compare_values(a: Reading, b: Reading) -> Verdict:
    if len(a.formulas) == len(b.formulas) > 1:  # "centre $(2,-3)$, radius $4$"
        same = same_values(a.formulas, b.formulas)  # SymPy would look at one of them
        return Verdict(same, "math" if same is None else "value")
    same = same_value(a.formula, b.formula)
    if same is None:
        same = same_equation(a.text, b.text)
    if same is None and (a.formula.is_explosive or b.formula.is_explosive):
        raise ScorerError("a number in it has too many digits to compare it")
    return Verdict(same, "value")


def _is_part(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """One echo of the question within the other, in order: who did what to whom stays the same."""
    short, long = sorted((a, b), key=len)
    rest = iter(long)
    return all(word in rest for word in short)
