"""Answers that contrast two things: what is said of which.

"Climate is short-term, weather long-term" and its reverse have the same words and nearly the same
embedding. So each text is taken apart into what it says of the one and of the other.
"""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.opposites import stem
from empo_serve.semantics.questions import words

_BETWEEN = re.compile(
    r"\bdifferences? between (?P<one>[^?,]{2,60}?) and (?P<other>[^?,]{2,60}?)\s*\?"
    r"|\bhow (?:does|do|is|are) (?P<a>[^?,]{2,60}?) (?:differ|different)"
    r" from (?P<b>[^?,]{2,60}?)\s*\?",
    re.I,
)
_CLAUSE = re.compile(r"[;:.]\s|,?\s(?:while|whereas|but|and)\s|,\s", re.I)


def predicates(question: str, text: str) -> tuple[str, str] | None:
    """What `text` says of each of the two things that `question` contrasts; None when it does not
    contrast, or `text` does not speak of each in a clause of its own."""
    contrasted = _contrasted(question)
    if contrasted is None or len(text) > 1000:
        return None
    said: dict[int, list[str]] = {0: [], 1: []}
    subject = None
    for clause in _CLAUSE.split(text):
        stems = {stem(w) for w in words(clause)}
        named = [i for i in (0, 1) if _names(stems, contrasted[i], ("former", "latter")[i])]
        if len(named) == 2:
            return None
        subject = named[0] if named else subject
        if subject is None:
            continue
        rest = [w for w in words(clause) if not _names({stem(w)}, contrasted[subject], "")]
        said[subject].append(" ".join(rest))
    one, other = " ".join(said[0]).strip(), " ".join(said[1]).strip()
    return (one, other) if one and other else None


def is_contrasting(question: str) -> bool:
    """Does the question ask in what two things differ?"""
    return _contrasted(question) is not None


def _names(stems: set[str], thing: frozenset[str], pointer: str) -> bool:
    """ "dictators" stands for a dictatorship, "the former" for the first thing."""
    return pointer in stems or any(
        word == name or (min(len(word), len(name)) >= 6 and word[:6] == name[:6])
        for word in stems
        for name in thing
    )


@lru_cache(maxsize=256)
def _contrasted(question: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """The words by which the two things are told apart."""
    found = _BETWEEN.search(question[-1000:])
    if found is None:
        return None
    one, other = (
        frozenset(stem(w) for w in words(thing)) - {"a", "an", "the"}
        for thing in (found["one"] or found["a"], found["other"] or found["b"])
    )
    return (one - other, other - one) if one - other and other - one else None
