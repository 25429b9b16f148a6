"""What speaks for an engine's life: its health, the bytes of its answers, its counts of tokens."""

from __future__ import annotations

from enum import Enum, auto
from weakref import WeakKeyDictionary

import aiohttp

# They change only when the engine has computed something: tokens, or the cache of a long prompt.
_COUNTERS = (
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:iteration_tokens_total_count",
    "vllm:kv_cache_usage_perc",
)


class Health(Enum):
    """What /health says, or why it says nothing."""

    GOOD = auto()
    SILENT = auto()  # busy, or hung: time will tell
    GONE = auto()  # nobody there, or unwell by its own word


class Answers:
    """Whether anything comes of the answers that are being read, at no cost for each byte.

    Only the bodies of successes count: the server in front of a hung engine still refuses bad
    requests and opens streams.
    """

    def __init__(self) -> None:
        # How many bytes of each answer had come when we last looked.
        self._seen: WeakKeyDictionary[aiohttp.ClientResponse, int] = WeakKeyDictionary()
        self._one_has_ended = False

    def follow(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 200:
            self._seen[response] = 0
            response.content.on_eof(self._note_end)

    def have_come(self) -> bool:
        """Whether a part of any answer has come since the last call."""
        have_come, self._one_has_ended = self._one_has_ended, False
        for response, seen in list(self._seen.items()):
            if response.content.total_bytes != seen:
                self._seen[response] = response.content.total_bytes
                have_come = True
        return have_come

    def close(self) -> None:
        """Break off every answer. A session that closes does not wake who reads from it."""
        for response in list(self._seen):
            response.close()

    def _note_end(self) -> None:
        self._one_has_ended = True


def counts(metrics: str) -> dict[str, float]:
    """What vLLM has counted of its own work, over all its models, from its /metrics."""
    total = dict.fromkeys(_COUNTERS, 0.0)
    for line in metrics.splitlines():
        name = line.partition("{")[0]
        if name in total:
            total[name] += float(line.rpartition(" ")[2])
    return total
