"""What users thought of answers: one rating a query, the last one counts."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from empo_serve.db.database import Database
from empo_serve.db.schema import feedback


class FeedbackStore:
    """At most `max_rows` ratings; the oldest go first."""

    def __init__(self, database: Database, max_rows: int) -> None:
        self._database = database
        self._max_rows = max_rows

    async def put(
        self,
        query_id: str,
        principal: str,
        version: str,
        score: float,
        comment: str | None,
        arrived_at: float,
    ) -> None:
        """Store a rating of -1 to 1, instead of an earlier one of the same query."""
        values = {
            "principal": principal,
            "version": version,
            "score": score,
            "comment": comment,
            "arrived_at": arrived_at,
            "rated_at": time.time(),
        }

        def statements(c: Connection) -> None:
            row = insert(feedback).values(query_id=query_id, **values)
            c.execute(row.on_conflict_do_update(index_elements=["query_id"], set_=values))
            count = c.execute(select(func.count()).select_from(feedback)).scalar_one()
            if count > self._max_rows:
                oldest = select(feedback.c.query_id).order_by(feedback.c.rated_at)
                c.execute(
                    delete(feedback).where(
                        feedback.c.query_id.in_(oldest.limit(count - self._max_rows))
                    )
                )

        await self._database.run(statements)

    async def get(self, query_id: str) -> dict[str, Any] | None:
        def statements(c: Connection) -> dict[str, Any] | None:
            row = c.execute(select(feedback).where(feedback.c.query_id == query_id)).first()
            return dict(row._mapping) if row else None

        return await self._database.run(statements)
