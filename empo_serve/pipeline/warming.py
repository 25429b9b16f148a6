"""Fills the engines' prefix caches under a version that is about to answer users.

vLLM's cache is keyed by the adapter too, so after a switch every system prompt would be computed
anew while its first users wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from empo_serve.config import RolloutSection
from empo_serve.engine.admission import Admission
from empo_serve.engine.client import EngineClient
from empo_serve.errors import EngineError
from empo_serve.metrics import Metrics
from empo_serve.pipeline.prefixes import Prefixes
from empo_serve.types import AdapterVersion

log = logging.getLogger(__name__)

# Many chat templates want a user's message; what it says comes after the shared start.
_USER = {"role": "user", "content": "."}


# About 50 tokens: a step of the engine that is short even on a CPU, and fills a block of its cache.
_PIECE_CHARS = 192


class Warmer:
    def __init__(
        self,
        section: RolloutSection,
        prefixes: Prefixes,
        admission: Admission,
        metrics: Metrics,
    ) -> None:
        self._section = section
        self._admission = admission
        self._prefixes = prefixes
        self._metrics = metrics

    async def warm(self, adapter: AdapterVersion, clients: Sequence[EngineClient]) -> None:
        """Let each engine compute the most frequent prefixes under a loaded version.

        Takes `rollout.warm_timeout_s` at most. Raises nothing: a cold version is slow at first,
        but right.
        """
        prefixes = self._prefixes.top(self._section.warm_prefixes)
        if not prefixes or not clients:
            return
        with self._metrics.warm_seconds.time():
            await asyncio.gather(*(self._warm_one(client, adapter, prefixes) for client in clients))

    async def _warm_one(
        self, client: EngineClient, adapter: AdapterVersion, prefixes: Sequence[Mapping[str, Any]]
    ) -> None:
        """One prefix after the other, the most frequent first: users go on being answered."""
        outcomes = self._metrics.warmed_prefixes
        warmed = 0
        try:
            async with asyncio.timeout(self._section.warm_timeout_s):
                for prefix in prefixes:
                    try:
                        for messages in pieces(prefix["messages"]):
                            prompt = {**prefix, "messages": [*messages, _USER]}
                            work = partial(client.prefill, "chat", prompt, adapter.engine_name)
                            await self._admission.run_soon(work)
                    except EngineError as e:
                        outcomes.labels(outcome="failed").inc()
                        log.warning("a prefix of %s is not warm: %s", adapter.version, e)
                    else:
                        outcomes.labels(outcome="ok").inc()
                    warmed += 1
        except TimeoutError:
            outcomes.labels(outcome="timeout").inc(len(prefixes) - warmed)
            log.warning(
                "%d of %d prefixes of %s are warm after %.0f s (rollout.warm_timeout_s)",
                warmed,
                len(prefixes),
                adapter.version,
                self._section.warm_timeout_s,
            )


def pieces(messages: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The messages, cut off after more and more of their text; at last whole.

    Each piece continues where the cache has the one before. All at once, a long prompt would be
    one long step of the engine, and whoever asks meanwhile would wait for its end.
    """
    for number, message in enumerate(messages):
        text = message.get("content")
        if isinstance(text, str):
            for end in range(_PIECE_CHARS, len(text), _PIECE_CHARS):
                yield [*messages[:number], {**message, "content": text[:end]}]
    yield list(messages)
