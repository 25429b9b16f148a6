"""Small facts that outlive the process: what is paused, what is pinned."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from empo_serve.db.database import Database
from empo_serve.db.schema import settings


async def read_setting(database: Database, key: str) -> Any:
    """The stored value, or None."""

    def statements(c: Connection) -> Any:
        return c.execute(select(settings.c.value).where(settings.c.key == key)).scalar()

    return await database.run(statements)


async def write_setting(database: Database, key: str, value: Any) -> None:
    """Store a JSON value; None removes the key."""

    def statements(c: Connection) -> None:
        if value is None:
            c.execute(delete(settings).where(settings.c.key == key))
            return
        row = insert(settings).values(key=key, value=value)
        c.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": value}))

    await database.run(statements)
