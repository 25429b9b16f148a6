"""Fills the engines' prefix caches under a version that is about to answer users.

vLLM's cache is keyed by the adapter too, so after a switch every system prompt would be computed
anew while its first users wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
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

# One block of the cache on a CPU, two by default on a GPU.
_PIECE_TOKENS = 32
_SHORT_STEP_S = 0.02


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
                        await self._fill(client, adapter.engine_name, prefix)
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

    async def _fill(
        self, client: EngineClient, engine_name: str, prefix: Mapping[str, Any]
    ) -> None:
        """Compute a prompt piece by piece, each as long as the engine does in a short step.

        All at once, a long prompt would be one long step, and whoever asks meanwhile would wait for
        its end. Whole blocks of tokens, since the cache has nothing of a block that is begun.
        """
        prompt = {**prefix, "messages": [*prefix["messages"], _USER]}
        tokens = await client.tokenize(prompt, engine_name)
        end, size = 0, _PIECE_TOKENS
        while end + size < len(tokens):
            end += size
            seconds = await self._compute(
                client, "completions", {"prompt": tokens[:end]}, engine_name
            )
            if seconds < _SHORT_STEP_S:
                size *= 2
        # At last as users send it: a template may be given more than /tokenize passes on.
        await self._compute(client, "chat", prompt, engine_name)

    async def _compute(
        self, client: EngineClient, route: str, prompt: Mapping[str, Any], engine_name: str
    ) -> float:
        """Compute a prompt in the room that users leave. The seconds that the engine took."""
        seconds = 0.0

        async def work() -> None:
            nonlocal seconds
            started = time.perf_counter()
            await client.prefill(route, prompt, engine_name)
            seconds = time.perf_counter() - started

        await self._admission.run_soon(work)
        return seconds
