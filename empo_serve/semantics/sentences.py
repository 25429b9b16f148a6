"""Sentences of a completion: where they end, and whether the last one does."""

from __future__ import annotations

import re

_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-ZА-ЯЁ]|v|St|Mr|Mrs|Ms|Dr|Mt|Jr|Sr|vs|No|Prof|Inc|Ltd|Co|approx|ca|cf|e\.g|i\.e|etc"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[ap]\.m))\.$"
)
_END = re.compile(r"[.!?]+[\"'”»)\]]*(?=\s)|[。！？]+|\n+")

# "am 21. Januar", "im 18. Jahrhundert"
_ORDINAL_DOT = re.compile(r"\s+(?:[a-zäöü]|Jan|Feb|März|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|Jahrh)")

_DANGLING = re.compile(
    r"\b(the|an?|of|is|are|was|were|be|by|for|to|in|on|at|and|or|with|from|that|which|so|because|than"
    r"|you|he|she|it|they|we|as|its|their|his|her|my|will|would|can|if|when|then|about|into|per|let"
    r"|therefore|thus|multiply|equals)$|[=+*/×÷,:(\-−]$",
    re.I,
)

# "Huang He" is a name.
_NAME = re.compile(r"\b[A-Z]\w+ [A-Z]\w*$")
_COMPLETE = re.compile(
    r"\d in$|\b(?:half|third|quarter|all|part|some|most|none|both|\w+ths?) of (?:it|you|we)$", re.I
)

_LOOK_BACK = 20  # characters: longer than any abbreviation


def split_sentences(text: str) -> list[str]:
    """Sentences and lines of `text`, stripped, in order."""
    sentences: list[str] = []
    start = 0
    for end in _END.finditer(text):
        piece = text[start : end.end()]
        is_break = "\n" in end[0]
        last = piece[-_LOOK_BACK:]  # of "i.e. i.e. ..." the piece grows and grows
        if not is_break and end[0].startswith(".") and _ABBREVIATION.search(last.rstrip()):
            continue
        if (
            not is_break
            and re.search(r"\b\d{1,2}\.$", last)
            and _ORDINAL_DOT.match(text, end.end())
        ):
            continue
        if piece.strip():
            sentences.append(piece.strip())
        start = end.end()
    if text[start:].strip():
        sentences.append(text[start:].strip())
    return sentences


def is_unfinished(text: str) -> bool:
    """Does the text break off in the middle of a sentence?"""
    text = text.rstrip()
    if re.search(r"\b\w(?:,| and| or) \w$|\b[A-Z]{2}$", text):
        return False  # letters: "o, e and a", "OH, OK and OR"
    if _COMPLETE.search(text) or _NAME.search(text):
        return False  # inches, and "a third of it"
    return " " in text and bool(_DANGLING.search(text))
