"""Two ways to write one name or word: "Louis the Fourteenth", "WWII"; "grey", "centre"."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.kinds import is_noun
from empo_serve.semantics.numbers import ORDINALS
from empo_serve.semantics.questions import words

_ROMAN = words("i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx")
_NUMERAL = {word: _ROMAN[n - 1] for word, n in ORDINALS.items() if n <= len(_ROMAN)} | {
    "1": "i", "2": "ii", "one": "i", "two": "ii",
}  # fmt: skip
_MIN_MISSPELT = 7  # letters; of shorter words, two may well be names or rare words
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


def is_misspelt(a: str, b: str) -> bool:
    """Is one of two long words no English noun, and the other one with a letter changed, added,
    left out or swapped: "arachnaphobia"?"""
    if not (min(len(a), len(b)) >= _MIN_MISSPELT and a.isalpha() and b.isalpha()):
        return False
    return _is_one_letter_off(a, b) and is_noun(a) != is_noun(b)


def _is_one_letter_off(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1 or a[0] != b[0]:
        return False
    same = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    rest_a, rest_b = a[same:], b[same:]
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a[1:] == rest_b
        or rest_a == rest_b[1:]
        or (rest_a[:2] == rest_b[:2][::-1] and rest_a[2:] == rest_b[2:])
    )


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
