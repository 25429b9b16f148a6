"""The number that a sentence brings: its only one, the one asked for, or one in two ways."""

from __future__ import annotations

import re
from fractions import Fraction

from empo_serve.semantics.numbers import (
    MAX_LENGTH,
    SMALL,
    parse_quantity,
    plain_number,
    spoken_number,
)
from empo_serve.semantics.quantities import Quantity, same_quantity
from empo_serve.semantics.units import UNITS, rate, singular

_DIGITS = re.compile(r"-?(?<![\w.,])\d[\d,]*(?:\.\d+)?(?:e\d+)?(?:/\d+)?(?!\w)")
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(SMALL)}|a hundred|half)\b")
# "135 minutes, that is 2 hours and 15 minutes"
_RESTATED = re.compile(
    r"(?:[,;] |\s)(?:that is|that['’]s|i\.e\.|which is|which makes|which equals|or|in other words"
    r"|equivalently|meaning|so)(?: exactly| simply)?,? | = | \(",
    re.I,
)
# "an hour and 45 minutes"
_COMPOUND = re.compile(
    rf"\b(?:an?|\d+|{'|'.join(SMALL)}) (?:hours?|minutes?|days?|weeks?|years?|feet|foot|euros?"
    rf"|dollars?|pounds?) (?:and )?(?:an?|\d+|{'|'.join(SMALL)})"
    r" (?:minutes?|seconds?|hours?|days?|months?|inch(?:es)?|cents?|pence)\b"
)
_PART_QUESTION = re.compile(r"percent|%|\bper cent\b|\b(?:fraction|proportion|share)\b", re.I)
_HOW_MANY = re.compile(r"\bhow many ([a-z]{3,})\b", re.I)


def restated(text: str, question: str) -> Quantity | None:
    """The quantity that an answer says in several ways that agree: "2 hours, or 120 minutes"."""
    if len(text) > MAX_LENGTH:
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
    if asked is None or len(text) > 4 * MAX_LENGTH:
        return None
    noun = singular(asked[1].lower())
    tokens = [token.strip(",;:()") for token in plain_number(text).split()]
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
    text = plain_number(text)
    in_question = _DIGITS.findall(plain_number(asked))
    digits = {d for whole in in_question for d in (whole, *whole.split("/"))}
    compounds = [parse_quantity(c[0]) for c in _COMPOUND.finditer(text)]
    if len(compounds) == 1 and compounds[0] is not None:
        return compounds[0]
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
        spoken = spoken_number(" ".join(tokens[i : i + 12])) if is_number else None
        if spoken is None:
            i += 1
            continue
        unit = singular(spoken[1].split(" ")[0])
        runs.append(Quantity(spoken[0], unit if unit in UNITS else ""))
        i += max(
            1, len(" ".join(tokens[i : i + 12]).replace("-", " ").split()) - len(spoken[1].split())
        )
    if len(runs) > 1:
        repeated = {Fraction(d) for d in digits if d.isdecimal()}
        runs = [run for run in runs if run.value not in repeated]
    return runs[0] if len(runs) == 1 else None


def _with_unit(digits: str, text: str) -> Quantity | None:
    """The number with the unit behind it."""
    following = re.search(
        rf"{re.escape(digits)}\s?((?:(?:thousand|million|billion|trillion)\b ?)?)"
        r"([^\W\d]+(?:/\w+| (?:per|an?|every|each) \w+)|[^\W\d]{2,})?",
        text,
    )
    scale, named = (following[1], following[2]) if following else ("", None)
    unit = rate(named) if named else ""
    unit = unit if unit in UNITS or singular(unit) in UNITS or unit in ("bc", "bce") else ""
    return parse_quantity(f"{digits} {scale}{unit}")
