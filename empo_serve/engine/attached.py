"""An engine that others run: we see whether it is up, that it gets on with its work, and that it
knows the loaded versions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from empo_serve.config import EngineSection
from empo_serve.engine.client import EngineClient
from empo_serve.engine.evidence import Health
from empo_serve.engine.watch import EngineWatch
from empo_serve.errors import EmpoError, EngineError, EngineUnavailable

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
        model_name: Callable[[], str],
        on_stall: Callable[[], None],
    ) -> None:
        self._client = client
        self._section = section
        self._on_ready = on_ready
        self._model_name = model_name
        self._on_stall = on_stall
        self._has_hung = False
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
            if await self._is_usable():
                # It may have been started anew, with other flags.
                self._client.has_exact_logprobs = None
                self._client.is_up = True
                log.info("engine %s is up", self._client.url)
                await self._until_it_fails()
            await asyncio.sleep(self._section.health_interval_s)

    async def _is_usable(self) -> bool:
        client = self._client
        if await client.health() is not Health.GOOD:
            client.why_down = "it does not answer"
            return False
        try:
            # Before anything else: loading an adapter into a hung engine would hold up all others.
            if self._has_hung and not await self._answers():
                return False
            await self._on_ready(client)
        except EmpoError as e:
            client.why_down = "it refused what it has to know"
            log.error("engine %s cannot be used: %s", client.url, e)
            return False
        self._has_hung = False
        return True

    async def _answers(self) -> bool:
        """Whether an engine that hung has come back. Raises EngineUnavailable."""
        try:
            async with asyncio.timeout(self._section.stall_timeout_s):
                await self._client.one_token(self._model_name())
        except TimeoutError:
            return False
        except EngineUnavailable:
            raise
        except EngineError:
            # It has forgotten its adapters: another process, which has to be told of them.
            return True
        return True

    async def _until_it_fails(self) -> None:
        client = self._client
        watch = EngineWatch(client, self._section, self._model_name)
        try:
            while True:
                await asyncio.sleep(self._section.health_interval_s)
                health = await watch.look()
                if watch.stall:
                    client.is_up = False
                    client.why_down = "it hangs"
                    self._has_hung = True
                    self._on_stall()
                    log.error("engine %s hangs: %s; cutting them", client.url, watch.stall)
                    await client.cut()
                    return
                if health is Health.GONE:
                    client.is_up = False
                    client.why_down = "it does not answer"
                    log.error("engine %s is down", client.url)
                    return
        finally:
            await watch.close()
