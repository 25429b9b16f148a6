"""Gathers evidence for the guards, remembers their baseline and what tripped, over restarts."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from typing import Any

from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.buffer.traffic import SampledTraffic
from empo_serve.buffer.updates import UpdateStore
from empo_serve.config import Config
from empo_serve.db.database import Database
from empo_serve.db.settings import read_setting, write_setting
from empo_serve.metrics import Metrics
from empo_serve.pipeline.guard_facts import (
    TrainingFacts,
    Window,
    group_facts,
    summarise,
    update_facts,
)
from empo_serve.pipeline.guards import check
from empo_serve.pipeline.trip import Trip
from empo_serve.types import AdapterVersion, Guard, UpdateState

log = logging.getLogger(__name__)

_STATE = "guards"
_CHECKS_PER_WINDOW = 8
# What the trainer and the registry say of numbers that are not finite.
_NOT_FINITE = re.compile(r"\b(?:is|are) not finite\b|\bholds NaN or infinity\b")


class Guarding:
    """Says when learning must pause. The caller pauses; `clear` is for when it resumes."""

    def __init__(
        self,
        config: Config,
        database: Database,
        traffic: SampledTraffic,
        update_store: UpdateStore,
        registry: Registry,
        rollout: Rollout,
        metrics: Metrics,
    ) -> None:
        self._config = config
        self._database = database
        self._traffic = traffic
        self._update_store = update_store
        self._registry = registry
        self._rollout = rollout
        self._metrics = metrics
        self._num_scored = 0
        # Evidence counts from after these on; they move when an operator resumes.
        self._after_group = self._after_update = 0
        self._baseline: Window | None = None
        self._baseline_end = 0  # group id
        self.tripped: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Remember. Before it, nothing has tripped."""
        stored = await read_setting(self._database, _STATE)
        if stored is not None:
            self._after_group, self._after_update = stored["after_group"], stored["after_update"]
            self._baseline_end = stored["baseline_end"]
            self._baseline = stored["baseline"] and Window.from_dict(stored["baseline"])
            self.tripped = stored["tripped"]
        self._show()

    def scored(self) -> bool:
        """One more group was sampled and scored. Is it time to check?"""
        self._num_scored += 1
        return self._num_scored % max(1, self._config.guards.window // _CHECKS_PER_WINDOW) == 0

    async def check(self) -> bool:
        """Look at the evidence. True when a guard has tripped now, which is on disk then."""
        if not self._config.guards.enabled or self.tripped:
            return False
        lineage = await self._lineage()
        recent = await self._recent_window([adapter.version for adapter in lineage])
        training = await self._training_facts(lineage)
        trips = check(self._config.guards, self._baseline, recent, training)
        if not trips:
            return False
        await self._trip(trips)
        return True

    async def clear(self) -> None:
        """An operator resumes: what tripped is over, and only new evidence counts from here on."""
        if not self.tripped:
            return
        self.tripped = []
        self._after_group = await self._traffic.last_id()
        latest = await self._update_store.page(1)
        self._after_update = latest[0]["update_id"] if latest else 0
        self._baseline, self._baseline_end = None, 0
        await self._save()
        self._show()

    async def discard_repeated(self) -> int:
        """Leave out pending groups whose prompt the live lineage has trained on often enough."""
        max_repeats = self._config.train.max_repeats
        if not max_repeats:
            return 0
        ids = [a.update_id for a in await self._lineage() if a.update_id is not None]
        discarded = await self._traffic.discard_repeated(ids, max_repeats)
        self._metrics.dropped.labels(stage="train", reason="repeated").inc(discarded)
        return discarded

    async def _lineage(self) -> list[AdapterVersion]:
        return await self._registry.lineage(self._rollout.live.version)

    async def _recent_window(self, versions: Sequence[str]) -> Window | None:
        """The latest groups after those of the baseline, which is made first."""
        size = self._config.guards.window
        # The database uses the ids of groups that were deleted again.
        last = await self._traffic.last_id()
        self._after_group = min(self._after_group, last)
        self._baseline_end = min(self._baseline_end, last)
        if self._baseline is None:
            rows = await self._traffic.first(versions, self._after_group, size)
            if len(rows) < size:
                return None
            self._baseline = summarise([group_facts(row) for row in rows])
            self._baseline_end = rows[-1]["group_id"]
            await self._save()
        rows = await self._traffic.latest(versions, self._baseline_end, size)
        return summarise([group_facts(row) for row in rows]) if len(rows) >= size // 2 else None

    async def _training_facts(self, lineage: Sequence[AdapterVersion]) -> TrainingFacts:
        ids = {adapter.update_id for adapter in lineage}
        updates, kl_before, not_finite = [], 0.0, 0
        for row in await self._update_store.ended():
            facts = update_facts(row)
            if row["update_id"] in ids:
                if facts.update_id > self._after_update:
                    updates.append(facts)
                else:
                    kl_before = facts.kl or kl_before
            elif row["state"] == UpdateState.FAILED and facts.update_id > self._after_update:
                not_finite += bool(_NOT_FINITE.search(row["error"] or ""))
        return TrainingFacts(tuple(updates), kl_before, not_finite)

    async def _trip(self, trips: Sequence[Trip]) -> None:
        about = {"version": self._rollout.live.version, "at": time.time()}
        self.tripped = [trip.as_dict() | about for trip in trips]
        await self._save()
        for trip in trips:
            self._metrics.guard_trips.labels(guard=trip.guard.value).inc()
            log.warning(
                "learning pauses, serving goes on: guard %s: %s. %s",
                trip.guard,
                trip.message,
                trip.advice,
            )
        self._show()

    async def _save(self) -> None:
        state = {
            "after_group": self._after_group,
            "after_update": self._after_update,
            "baseline": self._baseline and self._baseline.as_dict(),
            "baseline_end": self._baseline_end,
            "tripped": self.tripped,
        }
        await write_setting(self._database, _STATE, state)

    def _show(self) -> None:
        tripped = {trip["guard"] for trip in self.tripped}
        for guard in Guard:
            self._metrics.guard_tripped.labels(guard=guard.value).set(guard.value in tripped)
