"""A chain of versions over a real database, and groups and updates made to order."""

from __future__ import annotations

import functools
import itertools
from types import SimpleNamespace
from typing import Any, cast

from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.buffer.store import GroupStore
from empo_serve.buffer.traffic import SampledTraffic
from empo_serve.buffer.updates import UpdateStore
from empo_serve.config import Config
from empo_serve.db.database import Database
from empo_serve.metrics import Metrics
from empo_serve.pipeline.guarding import Guarding
from empo_serve.types import (
    AdapterState,
    AdapterVersion,
    BandDecision,
    GroupScore,
    GroupState,
    Query,
    Sample,
    SampledGroup,
    UpdateState,
)

WINDOW = 16
NUM_SAMPLES = 4


class GuardWorld:
    """v0 .. vN in a chain, update N made version N; the last is live unless told otherwise."""

    pinned = None
    canary = None

    def __init__(self, database: Database, **settings: Any) -> None:
        self.database = database
        self.config = Config.model_validate(
            {"guards": {"window": WINDOW}, "train": {"max_repeats": 2}} | settings
        )
        self.store = GroupStore(database, 10_000)
        self.updates = UpdateStore(database)
        self.adapters = [adapter("v0", None, None)]
        self.metrics = Metrics()
        self._numbers = itertools.count()
        self.guarding = self.new_guarding()

    def new_guarding(self) -> Guarding:
        """As after a restart."""
        registry = SimpleNamespace(all=self._all)
        registry.lineage = functools.partial(Registry.lineage, registry)
        return Guarding(
            self.config,
            self.database,
            SampledTraffic(self.database),
            self.updates,
            cast(Registry, registry),
            cast(Rollout, self),
            self.metrics,
        )

    async def _all(self) -> list[AdapterVersion]:
        return self.adapters

    @property
    def live(self) -> AdapterVersion:
        return self.adapters[-1]

    async def sample(
        self, num: int, answer: str | None = None, prompt: int | None = None, admit: bool = False
    ) -> None:
        """Groups of the live version; with an `answer`, every sample of each gives that one."""
        for number in itertools.islice(self._numbers, num):
            answers = [answer or f"{number}-{i % 2}" for i in range(NUM_SAMPLES)]
            ids = [0 if answer else i % 2 for i in range(NUM_SAMPLES)]
            samples = tuple(Sample(a, "stop", (1, 2, 3), (-0.5, -0.5, -0.5)) for a in answers)
            tokens = (7, number if prompt is None else prompt)
            query = Query(f"q-{number}", "chat", {}, "question", float(number))
            score = GroupScore(tuple(answers), tuple(ids), 0.5, None, 0.5, len(set(ids)), 0.5)
            band = BandDecision.ADMITTED if admit else BandDecision.TOO_CERTAIN
            await self.store.put(
                SampledGroup(query, self.live.version, tokens, samples), score, band
            )

    async def update(self, count: int = 100, error: str | None = None, **metrics: Any) -> None:
        """Train on what is pending; without an error the next version goes live."""
        update_id = await self.updates.start(self.live.version)
        await self.store.claim(update_id, count, [a.version for a in self.adapters])
        if error is not None:
            await self.store.requeue(update_id, 3)
            await self.updates.finish(update_id, UpdateState.FAILED, error=error)
            return
        await self.store.finish(update_id, GroupState.TRAINED)
        version = f"v{len(self.adapters)}"
        self.adapters.append(adapter(version, self.live.version, update_id))
        await self.updates.finish(
            update_id, UpdateState.PUBLISHED, version=version, metrics=metrics
        )

    def tripped(self) -> list[str]:
        return [trip["guard"] for trip in self.guarding.tripped]

    def gauge(self, guard: str) -> float | None:
        return self.metrics.registry.get_sample_value("empo_guard_tripped", {"guard": guard})


def adapter(version: str, parent: str | None, update_id: int | None) -> AdapterVersion:
    return AdapterVersion(version, version, AdapterState.LIVE, parent, update_id, 0.0)
