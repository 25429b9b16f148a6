"""The one connection to the database, on the one thread that may use it.

SQLite older than 3.51.3 can corrupt a write-ahead log when two connections write at the same
moment, so there is exactly one: every statement of the process runs on a single named thread,
and no other process opens the file.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from empo_serve.errors import StartupError

T = TypeVar("T")


class Database:
    """Runs functions of a connection, each in a transaction of its own, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="empo-database")
        self._engine: Engine | None = None
        self._connection: Connection | None = None

    async def open(self) -> None:
        """Open the file, check it and bring its schema up to date."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def run(self, statements: Callable[[Connection], T]) -> T:
        """Run `statements(connection)` in a transaction and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._transaction, statements
        )

    async def close(self) -> None:
        """Finish what is queued, then close. Idempotent."""
        if self._engine is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _open(self) -> None:
        self._engine = create_engine(
            f"sqlite:///{self._path}",
            poolclass=StaticPool,
            connect_args={"check_same_thread": True, "timeout": 5.0},
        )
        event.listen(self._engine, "connect", _set_pragmas)
        try:
            self._connection = self._engine.connect()
            problem = self._connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
            if problem != "ok":
                raise StartupError(
                    f"the database {self._path} is damaged ({problem}): restore it from a copy, "
                    "or move it away to start anew"
                )
            self._connection.commit()
            config = AlembicConfig()
            config.set_main_option("script_location", "empo_serve.db:migrations")
            config.attributes["connection"] = self._connection
            command.upgrade(config, "head")
            self._connection.commit()
        except DatabaseError as e:
            self._close()
            raise StartupError(f"cannot use the database {self._path}: {e.orig or e}") from e

    def _transaction(self, statements: Callable[[Connection], T]) -> T:
        assert threading.current_thread().name.startswith("empo-database")
        if self._connection is None:
            raise RuntimeError("the database is not open")
        with self._connection.begin():
            return statements(self._connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


def _set_pragmas(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA mmap_size = 0")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
