"""Which of the question's options an answer picks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from empo_serve.semantics.numbers import ORDINALS, parse_quantity

_NUMBERED = re.compile(
    rf"\W*(?:(?:it is|it['’]s|i choose|i pick) )?the ({'|'.join(ORDINALS)}|last)"
    r"(?: (?:one|option|choice|answer|statement|alternative))?\W*",
    re.I,
)

_IT_IS = re.compile(r"^\W*(?:it|that|this)(?: is|['’]s) (?:in |the |an? )*", re.I)
_CLAUSE = re.compile(r"[.,;]\s+|\s+(?:while|whereas|but)\s+")
_DENIAL = re.compile(r"\b(?:not|never|no|neither|nor|wrong|incorrect|false)\b|n['’]t\b", re.I)


def chosen_label(answer: str, options: Mapping[str, str]) -> str:
    """The label of the one option that `answer` names, by its label or its text; else ""."""
    labels = "".join(options)
    either = f"[{labels}{labels.lower()}]"
    if bare := re.fullmatch(rf"[\s(\[*]*({either})[\s)\].:*]*", answer):
        return bare[1].upper()
    for pattern in (
        rf"^\(({either})\)|^({either})[).:](?=\s)",
        rf"\b(?i:option|choice|answer|letter)(?: is)?:? *\(?({either})\)?(?![\w'])",
        rf"\(({either})\)",
        rf"(?:\bso|\bpick|\bchoose|\bselect|\bis|\bbe)\s+\(?([{labels}])\)?(?=[\s.,;!]|$)",
        rf"\b(?:so|hence|thus|therefore|take|pick|choose|select|with)\s+\(?({either})\)?(?=[\s.,;!)]*$)",
        rf"[.!?]\s+\(?([{labels}])\)?\W*$",
        rf"^([{labels}])(?=[,;]|\s*[-–—])",
    ):
        hits = [next(filter(None, found.groups())) for found in re.finditer(pattern, answer)]
        if hits:
            return str(hits[-1]).upper()
    if numbered := _NUMBERED.fullmatch(answer):
        place = ORDINALS.get(numbered[1].lower(), len(options))  # else "last"
        return list(options)[place - 1] if place <= len(options) else ""
    said = _padded(_IT_IS.sub("", answer))
    texts = {label: _padded(text) for label, text in options.items() if text}
    named = [label for label, text in texts.items() if text in said]
    if not named and len(answer) > 2:
        named = [label for label, text in texts.items() if said in text]
    if len(named) == 1:
        return named[0]
    last = [label for label in named if said.endswith(texts[label])]
    label = _affirmed(answer, texts) or (last[0] if len(last) == 1 else "")
    return label if label or named else _of_value(answer, options)


def _of_value(answer: str, options: Mapping[str, str]) -> str:
    """The option that is the value which the answer ends with: 3/4 for "... which makes 75%"."""
    said = _quantity(answer.split()[-1]) if answer.split() else None
    values = {label: _quantity(text) for label, text in options.items()}
    if said is None:
        return ""
    equal = [label for label, value in values.items() if value == said]
    return equal[0] if len(equal) == 1 else ""


def _quantity(text: str) -> tuple[Fraction, str] | None:
    quantity = parse_quantity(text.strip(" .,;!$"))
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
