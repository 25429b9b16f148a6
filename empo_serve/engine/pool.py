"""All engines as one: which answers a request, and adapters that must be on every one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import aiohttp

from empo_serve.engine.client import EngineClient
from empo_serve.errors import EngineUnavailable, EngineUnreachable

log = logging.getLogger(__name__)

_NOT_AVAILABLE = "The inference engine is not available right now. Please retry in a few seconds."


class EnginePool:
    """One or more engines that serve the same base model and the same adapters."""

    def __init__(
        self, urls: Sequence[str], request_timeout_s: float, control_timeout_s: float = 120.0
    ) -> None:
        self.clients = [EngineClient(url, request_timeout_s, control_timeout_s) for url in urls]

    async def close(self) -> None:
        for client in self.clients:
            await client.close()

    @property
    def num_up(self) -> int:
        return sum(client.can_serve for client in self.clients)

    @property
    def is_up(self) -> bool:
        return self.num_up > 0

    @property
    def have_exact_logprobs(self) -> bool:
        """Does each that can serve report the probabilities that it samples by?"""
        return all(client.has_exact_logprobs for client in self.clients if client.can_serve)

    async def check_logprobs(self, engine_name: str) -> None:
        """Ask those that can serve and were not asked since they came up. Raises
        EngineUnavailable."""
        unknown = (c for c in self.clients if c.can_serve and c.has_exact_logprobs is None)
        await asyncio.gather(*(client.check_logprobs(engine_name) for client in unknown))

    @property
    def why_down(self) -> list[str | None]:
        """For each engine: None if it can serve, else what keeps it from it."""
        return [
            None
            if client.can_serve
            else "it has forgotten its adapters"
            if client.is_up
            else client.why_down
            for client in self.clients
        ]

    def pick(self, avoid: EngineClient | None = None) -> EngineClient:
        """The engine with the fewest of our requests. Raises EngineUnavailable when none is up."""
        up = [client for client in self.clients if client.can_serve and client is not avoid]
        if not up:
            raise EngineUnavailable(_NOT_AVAILABLE)
        return min(up, key=lambda client: client.inflight)

    @contextmanager
    def engine(self, avoid: EngineClient | None = None) -> Iterator[EngineClient]:
        """Pick an engine and count the request on it."""
        client = self.pick(avoid)
        client.inflight += 1
        try:
            yield client
        finally:
            client.inflight -= 1

    @asynccontextmanager
    async def post(
        self, route: str, body: bytes, engine_name: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a user's request; the caller reads the response.

        An engine that cannot be reached, or that has forgotten the adapter, has done nothing yet:
        another one is asked, once. Raises EngineUnavailable.
        """
        failed: EngineClient | None = None
        while True:
            with self.engine(avoid=failed) as client:
                try:
                    response = await _post(client, route, body, engine_name)
                except EngineUnavailable as e:
                    log.warning("%s", e)
                    if failed is not None or not isinstance(e, EngineUnreachable):
                        raise EngineUnavailable(_NOT_AVAILABLE) from e
                    failed = client
                else:
                    async with response:
                        yield response
                    return

    async def load_adapter(self, engine_name: str, path: str) -> None:
        """Load an adapter on every engine that is up, or on none. Raises EngineError.

        An engine that nobody listens on is down, whether its watcher knows it yet or not: it gets
        the adapter when it is back.
        """
        up = [client for client in self.clients if client.is_up]
        results = await asyncio.gather(
            *(client.load_adapter(engine_name, path) for client in up), return_exceptions=True
        )
        failures = [
            r
            for r in results
            if isinstance(r, BaseException) and not isinstance(r, EngineUnreachable)
        ]
        if failures:
            await asyncio.gather(
                *(client.unload_adapter(engine_name) for client in up), return_exceptions=True
            )
            raise failures[0]
        if all(isinstance(r, EngineUnreachable) for r in results):
            raise EngineUnavailable("no engine is up to load an adapter")
        for client, result in zip(up, results, strict=True):
            if isinstance(result, EngineUnreachable):
                client.forgot.set()

    async def unload_adapter(self, engine_name: str) -> None:
        """Unload an adapter wherever an engine is up; a dead engine has forgotten it anyway."""
        up = [client for client in self.clients if client.is_up]
        results = await asyncio.gather(
            *(client.unload_adapter(engine_name) for client in up), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, EngineUnavailable):
                raise result


async def _post(
    client: EngineClient, route: str, body: bytes, engine_name: str
) -> aiohttp.ClientResponse:
    response = await client.post(route, body)
    # The name is ours, the user does not know it: if the engine does not know it either, it was
    # restarted, and it must not serve until it has its adapters again.
    if response.status == 404 and engine_name.encode() in await response.read():
        response.release()
        client.forgot.set()
        raise EngineUnreachable(f"the engine at {client.url} has forgotten {engine_name}")
    return response
