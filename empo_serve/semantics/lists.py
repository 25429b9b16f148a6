"""Splitting an answer that is a list into its items."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.normalize import normalize
from empo_serve.semantics.numbers import parse_quantity

_SEPARATOR = re.compile(
    r"\s*(?:\n|;|,\s+(?:(?:and|or|then|followed by|finally|lastly)\s+)*|,(?!\d{3}\b)"
    r"|\s+(?:and|or|und|et|y|e|&|then|followed by)\s+(?:(?:then|finally|lastly)\s+)?|→|->"
    r"|\s\d[.)]\s)\s*",
    re.I,
)
_LABEL = re.compile(
    r"^(?:\d[.)]\s*|[-*•]\s+|first(?:ly)?,?\s+|second(?:ly)?\s+|third(?:ly)?\s+|finally\s+)", re.I
)
_LABEL_AFTER = re.compile(r"\s+(?:first|second|third|last)$", re.I)
_HEAD = re.compile(r"^[^:\n]{1,60}:\s+(?=.*[,\n])", re.S)
_MAX_ITEM_WORDS = 4
_MAX_LENGTH = 2000


@lru_cache(maxsize=1024)
def list_items(text: str) -> tuple[str, ...]:
    """Normalised items of the list that `text` is; empty when it is none."""
    if len(text) > _MAX_LENGTH:
        return ()
    text = _HEAD.sub("", text.strip().rstrip("."))
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
