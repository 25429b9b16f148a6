"""What an answer adds to itself: a gloss in parentheses, or what it is not."""

from __future__ import annotations

import re

from empo_serve.semantics.normalize import looks_like_math

_GLOSS = re.compile(r"[(（,]|\b(?:than|instead|opposed|unlike)\b", re.I)
_PARENTHESES = re.compile(r"(?:^|(?<=\s))\([^()]*\)\s*|\s*（[^（）]*）")
_NOT_THE_OTHER = re.compile(
    r",?\s+\(?(?:(?<=, )(?:and )?not|(?<=, )(?:nicht|pas|et pas|y no|e non|e não)|rather than"
    r"|instead of|as opposed to|unlike)\b[^,;]*$",
    re.I,
)


def without_gloss(text: str) -> str:
    """ "Au (from the Latin aurum)" -> "Au"; "Portuguese, not Spanish" -> "Portuguese".

    A formula keeps its parentheses, and so does what has nothing else.
    """
    if not _GLOSS.search(text) or looks_like_math(text):
        return text
    for pattern in (_PARENTHESES, _NOT_THE_OTHER):
        shorter = pattern.sub(" ", text)
        if shorter != text:
            shorter = re.sub(r"\s+(?=[,;.]|$)|(?<=\s)\s+", "", shorter).strip(" ,;")
            text = shorter if any(c.isalnum() for c in shorter) else text
    return text
