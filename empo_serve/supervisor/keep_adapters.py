"""Sees that each engine keeps the adapters that it was given."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

from empo_serve.adapters.rollout import Rollout
from empo_serve.engine.client import EngineClient
from empo_serve.errors import EmpoError

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def keep_adapters(
    rollout: Rollout, clients: Sequence[EngineClient], interval_s: float
) -> AsyncIterator[None]:
    """Look every `interval_s` seconds, and at once when a request finds an adapter missing.

    An engine that others restart between two health checks never looks down, yet has forgotten
    every adapter.
    """
    keepers = [
        asyncio.create_task(_keep(rollout, client, interval_s), name="engine-adapters")
        for client in clients
    ]
    try:
        yield
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


async def _keep(rollout: Rollout, client: EngineClient, interval_s: float) -> None:
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.forgot.wait(), interval_s)
        if client.is_up:
            try:
                await rollout.reconcile(client)
            except EmpoError as e:
                log.warning("the adapters of engine %s are not known: %s", client.url, e)
            except Exception:
                # A failing database, say; an engine without a keeper would be the greater harm.
                log.exception("the adapters of engine %s were not looked at", client.url)
        if client.forgot.is_set():
            await asyncio.sleep(interval_s)
