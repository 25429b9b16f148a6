"""Splitting an answer that is a list into its items."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from empo_serve.semantics.aliases import is_alias
from empo_serve.semantics.names import DISTINGUISHING
from empo_serve.semantics.normalize import normalize
from empo_serve.semantics.numbers import parse_quantity

_SEPARATOR = re.compile(
    r"\s*(?:\n|;|,\s+(?:(?:and|or|then|followed by|finally|lastly)\s+)*|,(?!\d{3}\b)"
    r"|\s+(?:and|or|und|et|y|e|&|then|followed by)\s+(?:(?:then|finally|lastly)\s+)?|→|->"
    r"|\s\d[.)]\s)\s*",
    re.I,
)
_LABEL = re.compile(
    r"^(?:\d[.)]\s*|[-*•]\s+|(?:(?:first|second|third|last)(?:ly)?|then|next|finally|in the end"
    r"|at the end|after that),?\s+(?:(?:you|we|one|comes?)\s+)?)",
    re.I,
)
_LABEL_AFTER = re.compile(r"\s+(?:first|second|third|last)$", re.I)
_HEAD = re.compile(r"^[^:\n]{1,60}:\s+(?=.*[,\n])", re.S)
# "The members were Dylan, ...", "Checking all of them, the primes are 11, ..."
_LEAD = re.compile(
    r"^(?:[^,;\n]*,\s+)?[^,;\n]*\b(?:are|were|is|include|includes|sind|waren|sont|son|sono)\s+"
    r"(?=[^,\n]+(?:,|\band\b|\bor\b|\bund\b|\bet\b|\by\b))"
)
_HYPHENED = re.compile(r"\w(?:-\w){2,}")
_MAX_ITEM_WORDS = 4
_MAX_LENGTH = 2000


@lru_cache(maxsize=1024)
def list_items(text: str) -> tuple[str, ...]:
    """Normalised items of the list that `text` is; empty when it is none."""
    if len(text) > _MAX_LENGTH:
        return ()
    text = _LEAD.sub("", _HEAD.sub("", text.strip().rstrip(".")))
    if _HYPHENED.fullmatch(text):
        text = text.replace("-", ", ")
    if text[:1] + text[-1:] in ("{}", "[]"):
        text = text[1:-1]
    items = []
    for part in _SEPARATOR.split(text):
        item = _LABEL_AFTER.sub("", _LABEL.sub("", part.strip())).strip()
        if not item:
            continue
        if len(item.split()) > _MAX_ITEM_WORDS:
            return ()
        quantity = parse_quantity(item)
        items.append(f"{quantity.value} {quantity.unit}".strip() if quantity else normalize(item))
    return tuple(items) if len(items) > 1 else ()


def same_items(question: str, a: Sequence[str], b: Sequence[str], is_ordered: bool) -> bool:
    """Do the two lists have the same items, one by one? A first name or a surname stands for the
    whole name here, as all the other items have to fit too."""
    if is_ordered:
        return len(a) == len(b) and all(
            _same_item(question, x, y) for x, y in zip(a, b, strict=True)
        )
    left, right = sorted(set(a)), sorted(set(b))
    if len(left) != len(right):
        return False
    for item in left:
        partner = next((x for x in right if x == item), None) or next(
            (x for x in right if _same_item(question, item, x)), None
        )
        if partner is None:
            return False
        right.remove(partner)
    return True


def _same_item(question: str, a: str, b: str) -> bool:
    if a == b or is_alias(question, a, b):
        return True
    short, long = sorted((a.split(), b.split()), key=lambda words: (len(words), words))
    if len(short) != 1 or len(long) == 1 or not short[0].isalpha() or len(short[0]) < 3:
        return False
    return short[0] in (long[0], long[-1]) and not set(long) & DISTINGUISHING
