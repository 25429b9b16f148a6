"""Which of the question's options an answer picks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from empo_serve.semantics.numbers import ORDINALS

_NUMBERED = re.compile(
    rf"\W*(?:(?:it is|it['’]s|i choose|i pick) )?the ({'|'.join(ORDINALS)}|last)"
    r"(?: (?:one|option|choice|answer|statement|alternative))?\W*",
    re.I,
)

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
    said = _padded(answer)
    texts = {label: _padded(text) for label, text in options.items() if text}
    named = [label for label, text in texts.items() if text in said]
    if not named and len(answer) > 2:
        named = [label for label, text in texts.items() if said in text]
    if len(named) == 1:
        return named[0]
    last = [label for label in named if said.endswith(texts[label])]
    return _affirmed(answer, texts) or (last[0] if len(last) == 1 else "")


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
