"""One spelling for answers that differ only in how they are written."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_DASHES = str.maketrans({"−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "’": "'", "‘": "'"})
_LETTERS = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "æ": "ae", "œ": "oe"})
_INVISIBLE = re.compile(r"[\u0000-\u0008\u200b-\u200f\u2060\ufeff\u00ad]")
_MAX_CACHED = 300  # characters
_GAP = re.compile(r"\s{33,}")
_ARTICLE = re.compile(
    r"^(?:the|an?|der|die|das|eine?|de|het|een|le|la|les|une?|el|los|las|una|il|lo|uma?) (?=\S)"
)
# Anything that could be a formula, a code or a number keeps its signs: "-5" is not "5".
_SIGNS_MATTER = re.compile(r"[\d\\^_=<>+*/|~#@&%$€£{}\[\]]")


def without_gaps(text: str) -> str:
    """White space that goes on and on becomes one sign of it: no answer needs so much, and a
    pattern that looks on from each of its places takes quadratic time."""
    return _GAP.sub(lambda gap: "\n" if "\n" in gap[0] else " ", text)


def normalize(text: str) -> str:
    """Unicode form, case, Latin accents, articles, white space and (in words) punctuation."""
    # Each comparison asks for the same short texts again.
    return _normalize_cached(text) if len(text) <= _MAX_CACHED else _normalize(text)


def _normalize(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    text = _INVISIBLE.sub("", text)
    text = re.sub(r"\s+", " ", text).strip()
    if looks_like_math(text):
        return re.sub(r"\s+|\\[,;!]|\\(?:left|right)(?![a-z])", "", text).strip("$.")
    is_initial = bool(re.match(r"[aA]\.", text))
    text = without_accents(text.casefold())
    if not _SIGNS_MATTER.search(text):
        text = re.sub(r"[^\w\s'-]|(?<!\w)['-]|['-](?!\w)", " ", text)
        text = re.sub(r"(?<=\w)-(?=\w)", " ", text)
    else:
        text = text.strip(" .,;:!?\"'`")
    text = re.sub(r"\s+", " ", text).strip()
    return text if is_initial else _ARTICLE.sub("", text)


_normalize_cached = lru_cache(maxsize=8192)(_normalize)

_SUPERSCRIPT = re.compile(r"[⁻⁺]?[⁰¹²³⁴-⁹]+")
_MATH = re.compile(
    r"\\[a-zA-Z]+|[²³⁴-⁹]|[\^√π∞∪∩±≤≥≠∈]|\d\s*[*·×+]\s*\d|\d\s*/\s*\d|\bsqrt\b|\b\d*[a-z]\s*[-+*/=<>]\s*\d"
    r"|\d\s*[-+*/=<>]\s*[a-z]\b|\d[a-z]\b|^[(\[](?=.*,).*[)\]]$|\$[^$]+\$|[a-z]\s?=\s?[-\w]"
)


def looks_like_math(text: str) -> bool:
    """Could this be a formula (not only a plain number)?"""
    return bool(_MATH.search(text))


def without_superscripts(text: str) -> str:
    """ "3x²" -> "3x^{2}"."""
    return _SUPERSCRIPT.sub(
        lambda found: f"^{{{unicodedata.normalize('NFKC', found[0]).replace('−', '-')}}}", text
    )


def has_signs(text: str) -> bool:
    """Are there signs or digits that words alone do not show ("C++", "-5")?"""
    return bool(_SIGNS_MATTER.search(text))


_LONG_WORD = 6  # letters


def is_one_word(a: str, b: str) -> bool:
    """ "buona notte" is "buonanotte"; digits would make another number."""
    joined = a.replace(" ", "")
    return len(joined) >= _LONG_WORD and joined.isalpha() and joined == b.replace(" ", "")


def without_accents(text: str) -> str:
    """Without the diacritics of Latin, Greek and Cyrillic letters."""
    if text.isascii():
        return text
    # Not every combining mark: the voicing marks of kana make other words.
    decomposed = unicodedata.normalize("NFD", text)
    kept = "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f").translate(_LETTERS)
    return unicodedata.normalize("NFC", kept)
