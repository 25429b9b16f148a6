"""All engines as one: which answers a request, and adapters that must be on every one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from empo_serve.engine.client import EngineClient
from empo_serve.errors import EngineUnavailable


class EnginePool:
    """One or more engines that serve the same base model and the same adapters."""

    def __init__(self, urls: Sequence[str], request_timeout_s: float) -> None:
        self.clients = [EngineClient(url, request_timeout_s) for url in urls]

    async def close(self) -> None:
        for client in self.clients:
            await client.close()

    @property
    def is_up(self) -> bool:
        return any(client.is_up for client in self.clients)

    def pick(self) -> EngineClient:
        """The engine with the fewest of our requests. Raises EngineUnavailable when none is up."""
        up = [client for client in self.clients if client.is_up]
        if not up:
            raise EngineUnavailable(
                "The inference engine is not available right now. Please retry in a few seconds."
            )
        return min(up, key=lambda client: client.inflight)

    @contextmanager
    def engine(self) -> Iterator[EngineClient]:
        """Pick an engine and count the request on it."""
        client = self.pick()
        client.inflight += 1
        try:
            yield client
        finally:
            client.inflight -= 1

    async def load_adapter(self, engine_name: str, path: str) -> None:
        """Load an adapter on every engine that is up, or on none. Raises EngineError."""
        up = [client for client in self.clients if client.is_up]
        if not up:
            raise EngineUnavailable("no engine is up to load an adapter")
        results = await asyncio.gather(
            *(client.load_adapter(engine_name, path) for client in up), return_exceptions=True
        )
        failures = [r for r in results if isinstance(r, BaseException)]
        if failures:
            await asyncio.gather(
                *(client.unload_adapter(engine_name) for client in up), return_exceptions=True
            )
            raise failures[0]

    async def unload_adapter(self, engine_name: str) -> None:
        """Unload an adapter wherever an engine is up; a dead engine has forgotten it anyway."""
        up = [client for client in self.clients if client.is_up]
        results = await asyncio.gather(
            *(client.unload_adapter(engine_name) for client in up), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, EngineUnavailable):
                raise result
