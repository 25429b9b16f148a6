"""Which of the question's options an answer picks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from empo_serve.semantics.aliases import is_alias
from empo_serve.semantics.numbers import ORDINALS, parse_quantity
from empo_serve.semantics.numbers_in_text import only_number
from empo_serve.semantics.quantities import Quantity

_NUMBERED = re.compile(
    rf"\W*(?:(?:it is|it['’]s|i choose|i pick) )?the ({'|'.join(ORDINALS)}|last)"
    r"(?: (?:one|option|choice|answer|statement|alternative))?\W*",
    re.I,
)

_NUMBERED_OPTION = re.compile(
    rf"\bthe ({'|'.join(ORDINALS)}|last) (?:option|choice|answer|alternative)\b", re.I
)
_ARTICLE = re.compile(r"\bA (?!(?:and|or|is|but|as)\b)(?=[a-z])")
_MARKS = " .,;!$"
_STEP = re.compile(r"(?<=[.!?;])\s+|,?\s+(?=(?:so|which leaves|leaving|that leaves|but)\b)", re.I)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_ALL_OPTION = re.compile(r"all\b", re.I)
_NONE_OPTION = re.compile(r"(?:none|neither|no)\b", re.I)
_ALL = re.compile(
    r"^\W*(?:they )?(?:are )?(?:all|each|every|both)\b(?! but)"
    r"|\ball (?:of (?:them|these|those)|\w+ of)\b",
    re.I,
)
_NONE = re.compile(r"^\W*(?:it is |it['’]s )?(?:none|neither|not one|not a single)\b", re.I)
_IT_IS = re.compile(r"^\W*(?:it|that|this)(?: is|['’]s) (?:in |the |an? )*", re.I)
_CLAUSE = re.compile(r"[.,;]\s+|\s+(?:while|whereas|but)\s+")
_DENIAL = re.compile(r"\b(?:not|never|no|neither|nor|wrong|incorrect|false)\b|n['’]t\b", re.I)


def chosen_label(answer: str, options: Mapping[str, str]) -> str:
    """The label of the one option that `answer` names, by its label or its text; else ""."""
    labels = _either(options)
    if bare := re.fullmatch(rf"[\s(\[*]*({labels})[\s)\].:*]*", answer, re.I):
        return _label(bare[1], options)
    answer = _without_denied(answer, labels)
    upper = labels if labels.islower() else f"(?-i:{labels})"
    for pattern in (
        rf"\b(?:leaves?|leaving|left with)\s+(?:us |me )?(?:only |just )?\W?({upper})(?!\w)",
        rf"^[(\[]({labels})[)\]]|^({labels})[).:](?=\s)",
        rf"\b(?:option|choice|answer|letter)(?: is)?:? *[(\[]?({labels})[)\]]?(?![\w'])",
        rf"[(\[]({labels})[)\]]",
        rf"(?:\b(?:so|pick|choose|select|is|be)|['’]s)\s+\(?({upper})\)?(?=[\s.,;!]|$)",
        rf"\b(?:so|hence|thus|therefore|take|pick|choose|select|with)\s+\(?({labels})\)?(?=[\s.,;!)]*$)",
        rf"[.!?]\s+\(?({upper})\)?\W*$",
        rf"^({upper})(?=[,;]|\s*[-–—])",
    ):
        hits = [next(filter(None, found.groups())) for found in re.finditer(pattern, answer, re.I)]
        if hits:
            return _label(hits[-1], options)
    if numbered := _NUMBERED.fullmatch(answer) or _NUMBERED_OPTION.search(answer):
        place = ORDINALS.get(numbered[1].lower(), len(options))  # else "last"
        return list(options)[place - 1] if place <= len(options) else ""
    return _by_text(answer, options)


def chosen_labels(answer: str, options: Mapping[str, str]) -> list[str]:
    """The labels of all options that `answer` names and does not deny, where several may be right;
    empty where it names none."""
    labels = _either(options)
    answer = _without_denied(answer, labels)
    upper = labels if labels.islower() else labels.upper()
    listed = re.findall(rf"(?<![\w'’])({upper})(?![\w'’])", _ARTICLE.sub("", answer))
    if listed:
        return sorted({_label(label, options) for label in listed})
    said = _padded(answer)
    return [label for label, text in options.items() if text and _padded(text) in said]


def _either(options: Mapping[str, str]) -> str:
    """A pattern of the labels, the longest first."""
    return "|".join(sorted(options, key=lambda label: (-len(label), label)))


def _label(said: str, options: Mapping[str, str]) -> str:
    return next(label for label in options if label.lower() == said.lower())


def _without_denied(answer: str, labels: str) -> str:
    """Without what it says of the options that are wrong: "B and C can't be, which leaves A"."""
    answer = re.sub(rf"(?:,|\band|\bbut)? not \W?(?:{labels})(?!\w)\W?", " ", answer)
    kept = [
        part
        for part in _STEP.split(answer)
        if not (_DENIAL.search(part) and re.search(rf"(?<!\w)(?:{labels.upper()})(?!\w)", part))
    ]
    return " ".join(kept) if any(part.strip() for part in kept) else answer


def _by_text(answer: str, options: Mapping[str, str]) -> str:
    """The label of the option whose text the answer says."""
    said = _padded(_IT_IS.sub("", answer))
    texts = {label: _padded(text) for label, text in options.items() if text}
    for sentence in _SENTENCE.split(answer):
        alone = [label for label, text in texts.items() if text == _padded(sentence)]
        if len(alone) == 1:
            return alone[0]
    if label := _all_or_none(answer, options):
        return label
    also = [label for label, text in options.items() if is_alias("", answer.strip(_MARKS), text)]
    if len(also) == 1:
        return also[0]
    named = [label for label, text in texts.items() if text in said]
    if not named and len(answer) > 2:
        named = [label for label, text in texts.items() if said in text]
    if len(named) == 1:
        return named[0]
    last = [label for label in named if said.endswith(texts[label])]
    label = _affirmed(answer, texts) or (last[0] if len(last) == 1 else "")
    return label if label or named else _of_value(answer, options)


def _all_or_none(answer: str, options: Mapping[str, str]) -> str:
    """ "All of them are" picks "all of the above", "Neither" picks "none of these"."""
    for asked, said in ((_ALL_OPTION, _ALL), (_NONE_OPTION, _NONE)):
        labels = [label for label, text in options.items() if asked.match(text)]
        if len(labels) == 1 and said.search(answer):
            return labels[0]
    return ""


def _of_value(answer: str, options: Mapping[str, str]) -> str:
    """The option that is the value which the answer ends with, or the only one that it names: 3/4
    for "... which makes 75%"."""
    last = answer.split()[-1].strip(_MARKS) if answer.split() else ""
    said = _plain(parse_quantity(last)) or _plain(only_number(answer, ""))
    values = {label: _plain(parse_quantity(text.strip(_MARKS))) for label, text in options.items()}
    equal = [label for label, value in values.items() if value == said]
    return equal[0] if said is not None and len(equal) == 1 else ""


def _plain(quantity: Quantity | None) -> tuple[Fraction, str] | None:
    if quantity is None:
        return None
    is_percent = quantity.unit == "%"
    return quantity.value / (100 if is_percent else 1), "" if is_percent else quantity.unit


def _affirmed(answer: str, texts: Mapping[str, str]) -> str:
    """Of several options that an answer names, the only one that it does not deny."""
    denied: set[str] = set()
    affirmed: set[str] = set()
    for clause in _CLAUSE.split(answer):
        said = _padded(clause)
        named = [label for label, text in texts.items() if text in said]
        if _DENIAL.search(clause):
            denied |= set(named)
        else:
            affirmed |= set(named)
    left = affirmed - denied
    return left.pop() if len(left) == 1 else ""


def _padded(text: str) -> str:
    return " " + re.sub(r"\W+", " ", text.casefold()).strip() + " "
