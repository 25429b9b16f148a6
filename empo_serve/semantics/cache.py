"""Verdicts are remembered: later groups of the same question cost nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

from empo_serve.semantics.base import Equivalence, Verdict

_MAX_VERDICTS = 50_000  # about 10 MB, however long the texts are


class CachedEquivalence:
    """An equivalence that asks the one behind it about each (question, a, b) only once.

    (b, a) is the same pair. `calls` is the number of pairs that were really compared, ever.
    """

    def __init__(self, inner: Equivalence, max_verdicts: int = _MAX_VERDICTS) -> None:
        self._inner = inner
        self._max_verdicts = max_verdicts
        self._verdicts: OrderedDict[bytes, Verdict] = OrderedDict()
        self.calls = 0

    def load(self) -> None:
        self._inner.load()

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        keys = pair_keys(question, pairs)
        # In one order, so that no verdict depends on which side came first.
        missing = {
            key: (min(pair), max(pair))
            for key, pair in zip(keys, pairs, strict=True)
            if key not in self._verdicts
        }
        found = dict(zip(missing, self._inner.same(question, list(missing.values())), strict=True))
        self.calls += len(missing)
        verdicts = [self._verdicts.get(key) or found[key] for key in keys]
        for key, verdict in zip(keys, verdicts, strict=True):
            self._verdicts[key] = verdict
            self._verdicts.move_to_end(key)
        while len(self._verdicts) > self._max_verdicts:
            self._verdicts.popitem(last=False)
        return verdicts

    def clear(self) -> None:
        """Forget every verdict: the equivalence behind has changed."""
        self._verdicts.clear()

    def close(self) -> None:
        self._inner.close()


def pair_keys(question: str, pairs: Sequence[tuple[str, str]]) -> list[bytes]:
    """A key for each pair of answers to a question, the same for (a, b) and (b, a)."""
    asked = _digest(b"", question)
    return [_digest(asked, *sorted(pair)) for pair in pairs]


def _digest(*parts: bytes | str) -> bytes:
    """A key of fixed size, so that neither long questions nor long answers fill the memory."""
    state = blake2b(digest_size=16)
    for part in parts:
        # Lone surrogates are text here. The length keeps ("ab", "c") and ("a", "bc") apart.
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        state.update(len(raw).to_bytes(8) + raw)
    return state.digest()
