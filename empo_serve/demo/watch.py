"""What the admin API tells: versions, updates, and why groups are or are not learned from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from empo_serve.errors import EmpoError
from empo_serve.types import AdapterState, BandDecision, GroupState, UpdateState

POLL_S = 0.3
_COUNTED = {
    "empo_background_queue": "unsampled",
    "empo_background_inflight": "unsampled",
    "empo_samples_total": "samples",
    "empo_samples_repeated_total": "repeated",
    "empo_samples_saved_total": "given_up",
}
SERVED_STATES = (AdapterState.LIVE, AdapterState.RETIRED, AdapterState.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class Adapter:
    version: str
    state: AdapterState
    trained_groups: int


@dataclass(frozen=True, slots=True)
class Update:
    """`metrics` are the trainer's: reward_mean, kl, semantic_entropy_mean, seconds, ..."""

    update_id: int
    state: UpdateState
    version: str | None
    groups: int
    metrics: dict[str, Any]
    error: str | None


@dataclass(frozen=True, slots=True)
class Learning:
    """`summary` is the server's own answer to "is it learning?"."""

    pending_groups: int
    summary: str


@dataclass(frozen=True, slots=True)
class Counters:
    """`decisions` counts groups by what the band said; `unsampled` are queries that wait to be
    sampled or are being sampled. Of the background samples `repeated` needed no engine, and
    `given_up` more were not drawn at all."""

    decisions: dict[BandDecision, int] = field(default_factory=dict)
    unsampled: int = 0
    samples: int = 0
    repeated: int = 0
    given_up: int = 0


@dataclass(slots=True)
class Watch:
    """The latest that was seen. `run` keeps it fresh and calls `on_change` after each change."""

    admin_url: str
    on_change: Callable[[Watch], None]
    adapters: dict[str, Adapter] = field(default_factory=dict)
    updates: dict[int, Update] = field(default_factory=dict)
    learning: Learning = field(default_factory=lambda: Learning(0, ""))

    @property
    def live(self) -> str:
        """The version that answers users now."""
        live = [a.version for a in self.adapters.values() if a.state == AdapterState.LIVE]
        if len(live) != 1:
            raise EmpoError(f"the server lists {len(live)} live versions, not one")
        return live[0]

    @property
    def num_swaps(self) -> int:
        """Versions that came into service after v0."""
        return sum(a.state in SERVED_STATES for a in self.adapters.values()) - 1

    @property
    def is_training(self) -> bool:
        return any(u.state == UpdateState.TRAINING for u in self.updates.values())

    async def status(self) -> dict[str, Any]:
        """What serves, in the words of the server."""
        status: dict[str, Any] = await self._get("/admin/v1/status")
        return status

    async def run(self) -> None:
        """Poll for ever."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """Look once, now. Raises EmpoError when the admin API does not answer."""
        before = (self.adapters, self.updates, self.learning)
        adapters = (await self._get("/admin/v1/adapters"))["adapters"]
        updates = (await self._get("/admin/v1/updates"))["updates"]
        status = await self.status()
        self.adapters = {
            a["version"]: Adapter(a["version"], AdapterState(a["state"]), a["trained_groups"])
            for a in adapters
        }
        # Kept, not replaced: the server may list only the latest. Oldest first.
        seen = self.updates | {u["update_id"]: _update(u) for u in updates}
        self.updates = dict(sorted(seen.items()))
        pending = status["buffer"][GroupState.PENDING.value]
        self.learning = Learning(pending, status["learning"]["summary"])
        if (self.adapters, self.updates, self.learning) != before:
            self.on_change(self)

    async def counters(self) -> Counters:
        """What became of the traffic, counted since the server started."""
        return _counters((await self._read("/metrics")).decode())

    async def _get(self, path: str) -> Any:
        return json.loads(await self._read(path))

    async def _read(self, path: str) -> bytes:
        """Raises EmpoError when the admin API does not answer."""
        try:
            async with (
                aiohttp.ClientSession(self.admin_url) as session,
                session.get(path, raise_for_status=True) as response,
            ):
                return await response.read()
        except aiohttp.ClientError as e:
            raise EmpoError(f"the admin API at {self.admin_url} does not answer: {e}") from e


def _update(row: dict[str, Any]) -> Update:
    return Update(
        update_id=row["update_id"],
        state=UpdateState(row["state"]),
        version=row["version"],
        groups=row["num_groups"],
        metrics=row["metrics"] or {},
        error=row["error"],
    )


def _counters(metrics_page: str) -> Counters:
    decisions, counts = {}, dict.fromkeys(("unsampled", "samples", "repeated", "given_up"), 0)
    for family in text_string_to_metric_families(metrics_page):
        for sample in family.samples:
            if sample.name == "empo_band_decisions_total":
                decisions[BandDecision(sample.labels["decision"])] = int(sample.value)
            elif sample.name in _COUNTED and sample.labels.get("outcome") != "failed":
                counts[_COUNTED[sample.name]] += int(sample.value)
    return Counters(decisions, **counts)
