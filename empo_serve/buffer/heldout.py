"""Which questions are never trained on, so that the gate has something honest to ask."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


class HeldOut:
    """A fixed share of all questions by their hash, and every question in `always`.

    The same question is on the same side for ever and on every machine, whoever asks it, and in
    whatever case or spacing.
    """

    def __init__(self, share: float, always: Iterable[str] = ()) -> None:
        self._share = share
        self._always = {_key(question) for question in always}

    def __call__(self, question: str) -> bool:
        key = _key(question)
        return int.from_bytes(key[:4]) / 2**32 < self._share or key in self._always


def _key(question: str) -> bytes:
    text = " ".join(question.casefold().split())
    return hashlib.sha256(b"heldout\0" + text.encode("utf-8", "surrogatepass")).digest()
