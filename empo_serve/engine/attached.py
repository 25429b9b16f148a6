"""An engine that others run: we see whether it is up, and that it knows the loaded versions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from empo_serve.config import EngineSection
from empo_serve.engine.client import EngineClient
from empo_serve.errors import EmpoError

log = logging.getLogger(__name__)


class AttachedEngine:
    """Watches one attached engine until stopped; each has a watch of its own, so that a silent
    one delays no other.

    `on_ready` is awaited each time the engine answers again, before it counts as up: that is
    where its adapters are loaded.
    """

    def __init__(
        self,
        client: EngineClient,
        section: EngineSection,
        on_ready: Callable[[EngineClient], Awaitable[None]],
    ) -> None:
        self._client = client
        self._section = section
        self._on_ready = on_ready
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._watch = asyncio.create_task(self._look_for_ever(), name="engine-watch")

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        self._client.is_up = False

    async def _look_for_ever(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(self._section.health_interval_s)

    async def _look(self) -> None:
        client = self._client
        is_healthy = await client.health()
        if is_healthy and not client.is_up:
            try:
                await self._on_ready(client)
            except EmpoError as e:
                log.error("engine %s cannot be used: %s", client.url, e)
            else:
                client.is_up = True
                log.info("engine %s is up", client.url)
        elif client.is_up and not is_healthy:
            client.is_up = False
            log.error("engine %s is down", client.url)
