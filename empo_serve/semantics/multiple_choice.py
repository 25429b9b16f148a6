"""Which of the question's options an answer picks."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "last")
_LAST = len(_PLACES) - 1
_NUMBERED = re.compile(
    rf"\W*(?:(?:it is|it['’]s|i choose|i pick) )?the ({'|'.join(_PLACES)})"
    r"(?: (?:one|option|choice|answer|statement|alternative))?\W*",
    re.I,
)


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
        rf"^([{labels}])(?=[,;]|\s*[-–—])",
    ):
        hits = [next(filter(None, found.groups())) for found in re.finditer(pattern, answer)]
        if hits:
            return str(hits[-1]).upper()
    if numbered := _NUMBERED.fullmatch(answer):
        labels_in_order = list(options)
        place = _PLACES.index(numbered[1].lower())
        place = len(labels_in_order) - 1 if place == _LAST else place
        return labels_in_order[place] if place < len(labels_in_order) else ""
    said = _padded(answer)
    texts = {label: _padded(text) for label, text in options.items() if text}
    named = [label for label, text in texts.items() if text in said]
    if not named and len(answer) > 2:
        named = [label for label, text in texts.items() if said in text]
    return named[0] if len(named) == 1 else ""


def _padded(text: str) -> str:
    return " " + re.sub(r"\W+", " ", text.casefold()).strip() + " "
