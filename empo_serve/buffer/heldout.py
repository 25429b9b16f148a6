"""Which questions are never trained on, so that the gate has something honest to ask."""

from __future__ import annotations

from collections.abc import Iterable

from empo_serve.hash_share import hash_share


class HeldOut:
    """A fixed share of all questions by their hash, and every question in `always`.

    The same question is on the same side for ever and on every machine, whoever asks it, and in
    whatever case or spacing.
    """

    def __init__(self, share: float, always: Iterable[str] = ()) -> None:
        self._share = share
        self._always = {_folded(question) for question in always}

    def __call__(self, question: str) -> bool:
        text = _folded(question)
        return hash_share("heldout", text) < self._share or text in self._always


def _folded(question: str) -> str:
    return " ".join(question.casefold().split())
