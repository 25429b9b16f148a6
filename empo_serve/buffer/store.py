"""Durable rows of groups: `PENDING -> LEASED -> TRAINED | DISCARDED | FAILED`.

Each transition is one statement, and all run in one transaction of the single writer, so a row
is never in two jobs and a crash between two statements loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from empo_serve.db.database import Database
from empo_serve.db.schema import feedback, groups
from empo_serve.types import (
    BandDecision,
    GroupScore,
    GroupState,
    Query,
    SampledGroup,
)

PENDING, LEASED = GroupState.PENDING.value, GroupState.LEASED.value
TRAINED, DISCARDED, FAILED = (
    GroupState.TRAINED.value,
    GroupState.DISCARDED.value,
    GroupState.FAILED.value,
)


class GroupStore:
    """All groups that were sampled and scored, admitted to training or not."""

    def __init__(self, database: Database, max_groups: int) -> None:
        self._database = database
        self._max_groups = max_groups

    async def put(
        self,
        group: SampledGroup,
        score: GroupScore,
        band: BandDecision,
        is_heldout: bool = False,
    ) -> int:
        """Store a group; only an admitted one waits for training, unless it is held out for the
        gate. Returns its id."""
        query = group.query
        values = {
            "query_id": query.query_id,
            "principal": query.principal,
            "arrived_at": query.arrived_at,
            "route": query.route,
            "prompt": query.prompt,
            "question": query.question,
            "version": group.version,
            "prompt_token_ids": list(group.prompt_token_ids),
            "samples": [
                {
                    "text": sample.text,
                    "finish_reason": sample.finish_reason,
                    "token_ids": list(sample.token_ids),
                    "logprobs": list(sample.logprobs),
                    "answer": answer,
                }
                for sample, answer in zip(group.samples, score.answers, strict=True)
            ],
            "semantic_ids": list(score.semantic_ids),
            "semantic_entropy": score.semantic_entropy,
            "rao_semantic_entropy": score.rao_semantic_entropy,
            "semantic_entropy_norm": score.semantic_entropy_norm,
            "num_clusters": score.num_clusters,
            "band": band.value,
            "state": PENDING if band is BandDecision.ADMITTED and not is_heldout else DISCARDED,
            "heldout": int(is_heldout),
        }

        def statements(c: Connection) -> int:
            row = insert(groups).values(values).returning(groups.c.group_id)
            group_id: int = c.execute(row).scalar_one()
            # Make room: the oldest rows that no job will ask for again go first.
            surplus = group_id - self._max_groups
            if surplus > 0 and group_id % 100 == 0:
                c.execute(
                    delete(groups).where(
                        groups.c.group_id <= surplus, groups.c.state.not_in([PENDING, LEASED])
                    )
                )
            return group_id

        return await self._database.run(statements)

    async def claim(
        self, update_id: int, count: int, versions: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Lease up to `count` of the oldest pending groups that `versions` sampled.

        PENDING -> LEASED. Pending groups of any other version are too old, and what was quarantined
        while a job held it must not be trained on again: PENDING -> DISCARDED.
        """

        def statements(c: Connection) -> list[dict[str, Any]]:
            c.execute(
                update(groups)
                .where(
                    groups.c.state == PENDING,
                    groups.c.version.not_in(versions) | groups.c.quarantined.is_not(None),
                )
                .values(state=DISCARDED)
            )
            rows = c.execute(
                select(groups)
                .where(groups.c.state == PENDING)
                .order_by(groups.c.group_id)
                .limit(count)
            ).all()
            c.execute(
                update(groups)
                .where(groups.c.group_id.in_([row.group_id for row in rows]))
                .values(state=LEASED, update_id=update_id, attempts=groups.c.attempts + 1)
            )
            return [dict(row._mapping) for row in rows]

        return await self._database.run(statements)

    async def finish(self, update_id: int, state: GroupState) -> int:
        """LEASED -> TRAINED or DISCARDED: the job of these groups is done."""
        return await self._move(update_id, state.value)

    async def requeue(self, update_id: int, max_attempts: int) -> int:
        """LEASED -> PENDING, or FAILED after too many jobs: the job of these groups failed."""

        def statements(c: Connection) -> int:
            held = (groups.c.update_id == update_id) & (groups.c.state == LEASED)
            c.execute(
                update(groups).where(held, groups.c.attempts >= max_attempts).values(state=FAILED)
            )
            result = c.execute(update(groups).where(held).values(state=PENDING, update_id=None))
            return result.rowcount

        return await self._database.run(statements)

    async def leased(self, update_id: int) -> list[dict[str, Any]]:
        """The groups that an update holds."""

        def statements(c: Connection) -> list[dict[str, Any]]:
            rows = c.execute(
                select(groups)
                .where(groups.c.update_id == update_id, groups.c.state == LEASED)
                .order_by(groups.c.group_id)
            )
            return [dict(row._mapping) for row in rows]

        return await self._database.run(statements)

    async def trained_by(self, update_ids: Sequence[int]) -> list[dict[str, Any]]:
        """The groups that these updates trained on, as far as they are still kept and not
        quarantined."""

        def statements(c: Connection) -> list[dict[str, Any]]:
            rows = c.execute(
                select(groups)
                .where(groups.c.update_id.in_(update_ids), groups.c.state == TRAINED)
                .where(groups.c.quarantined.is_(None))
                .order_by(groups.c.group_id)
            )
            return [dict(row._mapping) for row in rows]

        return await self._database.run(statements)

    async def quarantine(self, version: str, update_id: int | None) -> int:
        """Mark what trained a version that was taken back, and what it has sampled itself.

        PENDING -> DISCARDED for the latter. The number of rows that were not marked before.
        """

        def statements(c: Connection) -> int:
            taught_it = groups.c.update_id == (-1 if update_id is None else update_id)
            concerned = (groups.c.version == version) | taught_it
            c.execute(
                update(groups).where(concerned, groups.c.state == PENDING).values(state=DISCARDED)
            )
            return c.execute(
                update(groups)
                .where(concerned, groups.c.quarantined.is_(None))
                .values(quarantined=version)
            ).rowcount

        return await self._database.run(statements)

    async def counts(self) -> dict[str, int]:
        """Rows by state, every state present."""

        def statements(c: Connection) -> dict[str, int]:
            rows = c.execute(select(groups.c.state, func.count()).group_by(groups.c.state))
            return {state.value: 0 for state in GroupState} | {s: n for s, n in rows}

        return await self._database.run(statements)

    async def num_set_aside(self) -> dict[str, int]:
        """Rows that are never trained on whatever their state: held out, quarantined."""

        def statements(c: Connection) -> dict[str, int]:
            row = c.execute(
                select(func.sum(groups.c.heldout), func.count(groups.c.quarantined))
            ).one()
            return {"heldout": row[0] or 0, "quarantined": row[1]}

        return await self._database.run(statements)

    async def recent_queries(self, count: int, heldout: bool | None = None) -> list[Query]:
        """The latest distinct questions, newest first; only held-out ones, or only others."""

        def statements(c: Connection) -> list[Query]:
            newest = select(func.max(groups.c.group_id)).group_by(groups.c.question)
            if heldout is not None:
                newest = newest.where(groups.c.heldout == int(heldout))
            rows = c.execute(
                select(groups)
                .where(groups.c.group_id.in_(newest))
                .order_by(groups.c.group_id.desc())
                .limit(count)
            )
            return [
                Query(r.query_id, r.route, r.prompt, r.question, r.arrived_at, r.principal)
                for r in rows
            ]

        return await self._database.run(statements)

    async def page(
        self,
        limit: int,
        cursor: int | None = None,
        band: str | None = None,
        version: str | None = None,
    ) -> list[dict[str, Any]]:
        """Groups newest first, from below `cursor` (a group_id)."""

        def statements(c: Connection) -> list[dict[str, Any]]:
            query = select(groups).order_by(groups.c.group_id.desc()).limit(limit)
            if cursor is not None:
                query = query.where(groups.c.group_id < cursor)
            if band is not None:
                query = query.where(groups.c.band == band)
            if version is not None:
                query = query.where(groups.c.version == version)
            return [dict(row._mapping) for row in c.execute(query)]

        return await self._database.run(statements)

    async def get(self, query_id: str) -> dict[str, Any] | None:
        def statements(c: Connection) -> Row[Any] | None:
            return c.execute(select(groups).where(groups.c.query_id == query_id)).first()

        row = await self._database.run(statements)
        return dict(row._mapping) if row else None

    async def delete(
        self,
        query_id: str | None = None,
        before: float | None = None,
        principal: str | None = None,
    ) -> int:
        """Delete the groups to which all of the given conditions apply, and what users thought of
        them; without a condition, none.

        Leased ones stay in the job directory, but their rows go.
        """
        if query_id is None and before is None and principal is None:
            return 0

        def statements(c: Connection) -> int:
            # A rating may be there without its group: not every answered query is sampled.
            for table in (feedback, groups):
                conditions = []
                if query_id is not None:
                    conditions.append(table.c.query_id == query_id)
                if before is not None:
                    conditions.append(table.c.arrived_at < before)
                if principal is not None:
                    conditions.append(table.c.principal == principal)
                deleted = c.execute(delete(table).where(*conditions)).rowcount
            return deleted

        return await self._database.run(statements)

    async def _move(self, update_id: int, state: str) -> int:
        def statements(c: Connection) -> int:
            return c.execute(
                update(groups)
                .where(groups.c.update_id == update_id, groups.c.state == LEASED)
                .values(state=state)
            ).rowcount

        return await self._database.run(statements)
