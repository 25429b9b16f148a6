"""Sees that an engine keeps the adapters that it was given."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from empo_serve.adapters.rollout import Rollout
from empo_serve.engine.client import EngineClient
from empo_serve.errors import EmpoError

log = logging.getLogger(__name__)


async def keep_adapters(rollout: Rollout, client: EngineClient, interval_s: float) -> None:
    """Look every `interval_s` seconds, and at once when a request finds an adapter missing.

    An engine that others restart between two health checks never looks down, yet has forgotten
    every adapter.
    """
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.forgot.wait(), interval_s)
        if client.is_up:
            try:
                await rollout.reconcile(client)
            except EmpoError as e:
                log.warning("the adapters of engine %s are not known: %s", client.url, e)
        if client.forgot.is_set():
            await asyncio.sleep(interval_s)
