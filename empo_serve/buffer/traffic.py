"""What the stored groups say of the traffic, and of what has been trained on already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from empo_serve.buffer.store import DISCARDED, LEASED, PENDING, TRAINED
from empo_serve.db.database import Database
from empo_serve.db.schema import groups
from empo_serve.types import BandDecision


class SampledTraffic:
    """Questions about all groups; `versions` are those that sampled them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last_id(self) -> int:
        """The newest group's, 0 without any."""

        def statements(c: Connection) -> int:
            return c.execute(select(func.max(groups.c.group_id))).scalar() or 0

        return await self._database.run(statements)

    async def first(self, versions: Sequence[str], after: int, count: int) -> list[dict[str, Any]]:
        """The first groups above the id `after`, oldest first."""
        return await self._rows(versions, after, count, newest=False)

    async def latest(self, versions: Sequence[str], after: int, count: int) -> list[dict[str, Any]]:
        """The latest groups above the id `after`, oldest first."""
        return (await self._rows(versions, after, count, newest=True))[::-1]

    async def _rows(
        self, versions: Sequence[str], after: int, count: int, newest: bool
    ) -> list[dict[str, Any]]:
        order = groups.c.group_id.desc() if newest else groups.c.group_id
        query = (
            select(groups)
            .where(groups.c.group_id > after, groups.c.version.in_(versions))
            .order_by(order)
            .limit(count)
        )
        return await self._database.run(lambda c: [dict(r._mapping) for r in c.execute(query)])

    async def decisions_since(self, time: float) -> dict[BandDecision, int]:
        """What the band said of the groups whose queries arrived since then (unix seconds)."""
        query = (
            select(groups.c.band, func.count())
            .where(groups.c.arrived_at >= time)
            .group_by(groups.c.band)
        )
        return await self._database.run(
            lambda c: {BandDecision(band): count for band, count in c.execute(query)}
        )

    async def left_out_since(self, time: float) -> int:
        """Admitted groups that no update took: repeated ones, and those that became too old."""
        query = select(func.count()).where(
            groups.c.arrived_at >= time,
            groups.c.band == BandDecision.ADMITTED.value,
            groups.c.state == DISCARDED,
            groups.c.update_id.is_(None),
        )
        return await self._database.run(lambda c: c.execute(query).scalar_one())

    async def entropies(self, version: str, count: int) -> list[float]:
        """Normalised entropies of the latest groups that a version sampled."""
        query = (
            select(groups.c.semantic_entropy_norm)
            .where(groups.c.version == version)
            .order_by(groups.c.group_id.desc())
            .limit(count)
        )
        return await self._database.run(lambda c: list(c.execute(query).scalars()))

    async def discard_repeated(self, lineage: Sequence[int], max_repeats: int) -> int:
        """PENDING -> DISCARDED for prompts that are used up; how many.

        A prompt is used up when `max_repeats` updates of `lineage` have trained on it. Of several
        pending groups with one prompt only the newest stays, or one update had it twice.
        """

        def statements(c: Connection) -> int:
            pending = c.execute(
                select(groups.c.group_id, groups.c.prompt_token_ids)
                .where(groups.c.state == PENDING)
                .order_by(groups.c.group_id.desc())
            ).all()
            trained = c.execute(
                select(groups.c.prompt_token_ids).where(
                    groups.c.update_id.in_(lineage), groups.c.state.in_((TRAINED, LEASED))
                )
            ).scalars()
            uses = Counter(tuple(prompt) for prompt in trained)
            seen: set[tuple[int, ...]] = set()
            repeated = []
            for group_id, prompt in pending:
                key = tuple(prompt)
                if key in seen or uses[key] >= max_repeats:
                    repeated.append(group_id)
                seen.add(key)
            c.execute(update(groups).where(groups.c.group_id.in_(repeated)).values(state=DISCARDED))
            return len(repeated)

        return await self._database.run(statements)
