"""Gathers what `progress` turns into one line, and what else is to be said of learning."""

from __future__ import annotations

import time
from typing import Any

from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.buffer.store import GroupStore
from empo_serve.buffer.traffic import SampledTraffic
from empo_serve.config import Config
from empo_serve.errors import AdapterError
from empo_serve.pipeline.guarding import Guarding
from empo_serve.pipeline.progress import (
    Change,
    LearningFacts,
    Summary,
    change_by_gate,
    change_in_traffic,
    summarise,
    surest,
)
from empo_serve.pipeline.updates import Updates
from empo_serve.types import AdapterVersion, GroupState

_HOUR_S = 3600.0
_MAX_GROUPS = 500  # of a version, to compare its entropy


class LearningStatus:
    def __init__(
        self,
        config: Config,
        store: GroupStore,
        traffic: SampledTraffic,
        registry: Registry,
        rollout: Rollout,
        updates: Updates,
        guarding: Guarding,
    ) -> None:
        self._config = config
        self._store = store
        self._traffic = traffic
        self._registry = registry
        self._rollout = rollout
        self._updates = updates
        self._guarding = guarding

    async def as_dict(self) -> dict[str, Any]:
        """For the admin API."""
        updates, summary = self._updates, await self._summary()
        return {
            "enabled": updates.is_enabled,
            "paused": updates.is_paused,
            "update_running": updates.running,
            "groups_per_update": self._config.train.groups_per_update,
            "state": summary.state,
            "summary": summary.line,
            "guards": self._guarding.tripped,
        }

    async def _summary(self) -> Summary:
        try:
            live = self._rollout.live
        except AdapterError:
            return Summary("off", "off: the server is starting")
        updates, config = self._updates, self._config
        why_off = None
        if not updates.is_enabled:
            why_off = "there is no model to train" if config.train.enabled else "train.enabled"
        lineage = await self._registry.lineage(live.version)
        counts = await self._store.counts()
        hour_ago = time.time() - _HOUR_S
        return summarise(
            LearningFacts(
                why_off=why_off,
                is_paused=updates.is_paused,
                paused_by={t["guard"]: t["message"] for t in self._guarding.tripped},
                pinned=self._rollout.pinned,
                training=updates.running,
                num_pending=counts[GroupState.PENDING.value],
                groups_per_update=config.train.groups_per_update,
                recent=await self._traffic.decisions_since(hour_ago),
                num_left_out=await self._traffic.left_out_since(hour_ago),
                live=live.version,
                num_versions=len(lineage) - 1,
                num_groups=live.trained_groups,
                change=await self._change(lineage),
            )
        )

    async def _change(self, lineage: list[AdapterVersion]) -> Change | None:
        """From v0 to the live version."""
        if len(lineage) < 2:
            return None
        live, *_, first = lineage
        return surest(
            change_by_gate([adapter.gate for adapter in lineage[:-1]]),
            change_in_traffic(
                await self._traffic.entropies(first.version, _MAX_GROUPS),
                await self._traffic.entropies(live.version, _MAX_GROUPS),
            ),
        )
