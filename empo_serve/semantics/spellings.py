"""Two ways to write one name or word: "Louis the Fourteenth", "WWII"; "grey", "centre"."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.numbers import ORDINALS
from empo_serve.semantics.questions import words

_ROMAN = words("i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx")
_NUMERAL = {word: _ROMAN[n - 1] for word, n in ORDINALS.items() if n <= len(_ROMAN)} | {
    "1": "i", "2": "ii", "one": "i", "two": "ii",
}  # fmt: skip
_REGNAL = re.compile(rf"(?<=[a-z]) the ({'|'.join(ORDINALS)})\b")
_WAR = re.compile(r"\b(first|second) world war\b|\b(?:world war |ww ?)(i{1,2}|1|2|one|two)\b")
_AMERICAN = (
    (re.compile(r"\bgrey"), "gray"),
    (re.compile(r"(?<=[a-z]{2})our(?=s?\b|ed\b|ing\b|ite|able|ful|less)"), "or"),
    (
        re.compile(r"\b(kilomet|centimet|millimet|met|cent|theat|lit|fib|calib|somb)re(?=s?\b)"),
        r"\1er",
    ),
    (re.compile(r"(?<=[a-z]{3})is(?=e[ds]?\b|ing\b|ation\b)"), "iz"),
    (re.compile(r"(?<=[a-z]{3})ys(?=e[ds]?\b|ing\b)"), "yz"),
    (re.compile(r"(?<=[a-z]{2}log)ue(?=s?\b)"), ""),
    (re.compile(r"\baluminium\b"), "aluminum"),
    (re.compile(r"\bsulph"), "sulf"),
    (re.compile(r"\bcaesium\b"), "cesium"),
    (re.compile(r"\bplough"), "plow"),
    (re.compile(r"\btyre(?=s?\b)"), "tire"),
    (re.compile(r"\bdefence\b"), "defense"),
    (re.compile(r"\bfoet"), "fet"),
)


def same_spelling(a: str, b: str) -> bool:
    """Are two normalised texts one, but for how a numeral or an English word is written?"""
    return plain_spelling(a) == plain_spelling(b)


@lru_cache(maxsize=4096)
def plain_spelling(key: str) -> str:
    """A normalised text with Roman numerals for kings and wars, in American spelling."""
    key = _WAR.sub(lambda war: f"world war {_numeral(war[1] or war[2])}", key)
    key = _REGNAL.sub(lambda place: f" {_numeral(place[1])}", key)
    for pattern, american in _AMERICAN:
        key = pattern.sub(american, key)
    return key


def _numeral(text: str) -> str:
    return _NUMERAL.get(text, text)
