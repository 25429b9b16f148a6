"""A reversible tokenizer: one token for each word that the toy model says, bytes for the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# fmt: off
ANSWER_WORDS: Final = (
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett",
    "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango",
    "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
)
# fmt: on
_WORDS = ("The", " answer", " is")

START_TEXT: Final = "<|im_start|>"
END_TEXT: Final = "<|im_end|>"

_PIECES: Final[tuple[bytes, ...]] = (
    *(bytes([byte]) for byte in range(256)),
    START_TEXT.encode(),
    END_TEXT.encode(),
    *(word.encode() for word in _WORDS),
    *(form.encode() for word in ANSWER_WORDS for form in (word, f" {word}", word.capitalize())),
)
_ID_OF: Final = {piece.decode(): i for i, piece in enumerate(_PIECES) if i >= 256}
_SPLIT: Final = re.compile(r"<\|im_(?:start|end)\|>| ?[A-Za-z]+|[^A-Za-z]")

VOCAB_SIZE: Final = len(_PIECES)
END: Final = _ID_OF[END_TEXT]
NEWLINE: Final = ord("\n")


def encode(text: str) -> list[int]:
    """Raises UnicodeEncodeError for a lone surrogate."""
    ids: list[int] = []
    for piece in _SPLIT.findall(text):
        token = _ID_OF.get(piece)
        if token is None:
            ids.extend(piece.encode())
        else:
            ids.append(token)
    return ids


def decode(token_ids: Sequence[int]) -> str:
    return b"".join(_PIECES[i] for i in token_ids).decode("utf-8", "replace")


def token_bytes(token_id: int) -> bytes:
    return _PIECES[token_id]


def token_text(token_id: int) -> str:
    return _PIECES[token_id].decode("utf-8", "replace")


ANSWER_HEADER: Final = encode(f"{START_TEXT}assistant\n")
