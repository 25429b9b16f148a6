"""The record of training updates: `TRAINING -> PUBLISHED | REJECTED | SKIPPED | FAILED`."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, insert, select, update

from empo_serve.db.database import Database
from empo_serve.db.schema import updates
from empo_serve.types import UpdateState


class UpdateStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, parent: str) -> int:
        """A new update that trains from `parent`. Returns its id."""

        def statements(c: Connection) -> int:
            row = insert(updates).values(
                state=UpdateState.TRAINING.value,
                parent=parent,
                num_groups=0,
                started_at=time.time(),
            )
            update_id: int = c.execute(row.returning(updates.c.update_id)).scalar_one()
            return update_id

        return await self._database.run(statements)

    async def set_groups(self, update_id: int, num_groups: int) -> None:
        def statements(c: Connection) -> None:
            c.execute(
                update(updates)
                .where(updates.c.update_id == update_id)
                .values(num_groups=num_groups)
            )

        await self._database.run(statements)

    async def finish(
        self,
        update_id: int,
        state: UpdateState,
        *,
        version: str | None = None,
        metrics: dict[str, Any] | None = None,
        error: str | None = None,
    ) -> None:
        """TRAINING -> any end."""

        def statements(c: Connection) -> None:
            c.execute(
                update(updates)
                .where(
                    updates.c.update_id == update_id,
                    updates.c.state == UpdateState.TRAINING.value,
                )
                .values(
                    state=state.value,
                    version=version,
                    metrics=metrics,
                    error=error,
                    finished_at=time.time(),
                )
            )

        await self._database.run(statements)

    async def unfinished(self) -> list[dict[str, Any]]:
        """Updates that a former process left in TRAINING, oldest first."""

        def statements(c: Connection) -> list[dict[str, Any]]:
            rows = c.execute(
                select(updates)
                .where(updates.c.state == UpdateState.TRAINING.value)
                .order_by(updates.c.update_id)
            )
            return [dict(row._mapping) for row in rows]

        return await self._database.run(statements)

    async def ended(self) -> list[dict[str, Any]]:
        """Updates that came to any end, oldest first."""

        def statements(c: Connection) -> list[dict[str, Any]]:
            rows = c.execute(
                select(updates)
                .where(updates.c.state != UpdateState.TRAINING.value)
                .order_by(updates.c.update_id)
            )
            return [dict(row._mapping) for row in rows]

        return await self._database.run(statements)

    async def page(self, limit: int) -> list[dict[str, Any]]:
        """The latest updates, newest first."""

        def statements(c: Connection) -> list[dict[str, Any]]:
            rows = c.execute(select(updates).order_by(updates.c.update_id.desc()).limit(limit))
            return [dict(row._mapping) for row in rows]

        return await self._database.run(statements)
