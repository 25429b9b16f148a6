"""Shorter and longer forms of one name."""

from __future__ import annotations

import re

from empo_serve.semantics.normalize import normalize
from empo_serve.semantics.questions import fold_word, question_words, words

_PERSON_QUESTION = re.compile(
    r"\b(?:who|whom|whose|author|president|king|queen|inventor|painter|composer)\b", re.I
)
_TITLES = frozenset(
    words(
        "king queen president emperor pope saint sir lord lady dr doctor mr mrs ms prof professor"
        " general captain prince princess author singer"
    )
)
_GENERIC = re.compile(
    r"^(?:city|town|river|lake|mount|island|planet|country|element|language|republic"
    r"|state) of (?=\S)"
    r"|^(?:city|town|river|planet|element|country) (?=\S)|(?<=\S) (?:city|river)$"
)


def same_name(question: str, a: str, b: str) -> bool:
    """Is one a surname of the other ("Newton", "Isaac Newton"), or the same with a generic word
    ("the city of Prague") or with a place that the question names ("Paris, France")?"""
    one, other = _bare(question, a), _bare(question, b)
    if not one or not other or max(len(one), len(other)) > 6:
        return False
    if one == other:
        return True
    if not _PERSON_QUESTION.search(question) or not _is_capitalised(a) or not _is_capitalised(b):
        return False
    short, long = sorted((_without_titles(one), _without_titles(other)), key=len)
    # "George Bush" and "George W. Bush" may be two people: only a surname alone may stand for both.
    return bool(short) and len(long) > len(short) and long[-len(short) :] == short


def _bare(question: str, text: str) -> list[str]:
    if len(text) > 200:
        return []
    head, comma, place = text.partition(",")
    asked = question_words(question)
    if comma and place.split() and all(fold_word(w) in asked for w in place.split()):
        text = head
    return _GENERIC.sub("", normalize(text)).split()


def _without_titles(name: list[str]) -> list[str]:
    return [word for word in name if word not in _TITLES] or name


def _is_capitalised(text: str) -> bool:
    last = text.split()[-1:] or [""]
    return last[0][:1].isupper()
