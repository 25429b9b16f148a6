"""Taking a version back: its predecessor answers again, and what taught it is quarantined."""

from __future__ import annotations

import logging

from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.adapters.to_the_end import ToTheEnd
from empo_serve.buffer.store import GroupStore
from empo_serve.types import AdapterState, AdapterVersion

log = logging.getLogger(__name__)


class TakeBack:
    def __init__(self, registry: Registry, rollout: Rollout, store: GroupStore) -> None:
        self._registry = registry
        self._rollout = rollout
        self._store = store
        self._changes = ToTheEnd()

    async def start(self) -> None:
        """Finish what a former process began: it may have died between the two steps."""
        for adapter in await self._registry.all():
            if adapter.state is AdapterState.ROLLED_BACK:
                await self.quarantine(adapter)

    async def roll_back(self, version: str) -> AdapterVersion:
        """LIVE or CANARY -> ROLLED_BACK; the version that answers then. Goes on to its end when the
        caller leaves. Raises AdapterError or EngineError; then nothing has changed."""
        return await self._changes.run(self._roll_back(version))

    async def _roll_back(self, version: str) -> AdapterVersion:
        live = await self._rollout.roll_back(version)
        await self.quarantine(await self._registry.get(version))
        return live

    async def quarantine(self, adapter: AdapterVersion) -> None:
        """Train no more on what taught a version that was taken back, or on what it sampled."""
        rows = await self._store.quarantine(adapter.version, adapter.update_id)
        if rows:
            log.warning("%d groups of version %s are quarantined", rows, adapter.version)
