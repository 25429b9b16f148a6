"""Adapter versions: a row each in the database, a directory each on disk.

A version is immutable: new weights are a new number, a new engine name and a new path, for ever.
Its row is written after its directory is complete, so a row always has its files.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from empo_serve.adapters import files
from empo_serve.db.database import Database
from empo_serve.db.schema import adapters
from empo_serve.errors import AdapterError
from empo_serve.types import AdapterState, AdapterVersion

LIVE = AdapterState.LIVE


class Registry:
    """All versions of one data directory.

    `v0` is the all-zero adapter. Where the engine can mix requests with and without adapter,
    `base_name` is the name of its base model, and v0 is served under that: the same answers,
    without the work. Its files are there all the same, as the ancestor of all others.
    """

    def __init__(self, database: Database, directory: Path, base_name: str | None = None) -> None:
        self._database = database
        self._directory = directory
        self._base_name = base_name
        self._expected: files.AdapterFacts | None = None

    def path(self, version: str) -> Path:
        return self._directory / version

    async def open(self) -> None:
        """Learn from v0, which must be published, what an adapter of this model looks like."""
        self._expected = await asyncio.to_thread(files.check_adapter, self.path("v0"))

    async def publish(
        self,
        source: Path,
        parent: str | None,
        update_id: int | None = None,
        trained_groups: int = 0,
    ) -> AdapterVersion:
        """Check an adapter, copy it to the next version's directory and record it as CANDIDATE.

        Raises AdapterError when its files are not acceptable; then nothing is left behind.
        """
        facts = await asyncio.to_thread(files.check_adapter, source, self._expected)

        def next_number(c: Connection) -> int:
            latest = c.execute(select(func.max(adapters.c.number))).scalar()
            return 0 if latest is None else int(latest) + 1

        number = await self._database.run(next_number)
        version = f"v{number}"
        created_at = time.time()
        manifest: dict[str, Any] = {"version": version, "parent": parent, "update_id": update_id}
        manifest |= {"created_at": created_at, "rank": facts.rank, "trained_groups": trained_groups}

        def write() -> str:
            path = self.path(version)
            if path.exists():
                # Left by a crash between the rename and the row: never served, so not immutable.
                path.rename(path.with_name(f".{version}.orphan-{int(created_at)}"))
            files.publish(source, path, manifest)
            return f"empo-{files.digest(path)}-{version}"

        engine_name = await asyncio.to_thread(write)
        row = {
            "number": number,
            "engine_name": engine_name,
            "state": AdapterState.CANDIDATE.value,
            "parent": parent,
            "update_id": update_id,
            "created_at": created_at,
            "gate": {},
            "trained_groups": trained_groups,
        }
        await self._database.run(lambda c: c.execute(insert(adapters).values(row)) and None)
        return await self.get(version)

    async def get(self, version: str) -> AdapterVersion:
        """Raises AdapterError for a version that does not exist."""
        number = version[1:]
        row = None
        if version[:1] == "v" and number.isascii() and number.isdigit() and len(number) <= 9:
            row = await self._database.run(
                lambda c: c.execute(
                    select(adapters).where(adapters.c.number == int(number))
                ).first()
            )
        if row is None:
            raise AdapterError(f"there is no adapter version {version!r}")
        return self._record(row)

    async def all(self) -> list[AdapterVersion]:
        """Every version, oldest first."""
        rows = await self._database.run(
            lambda c: c.execute(select(adapters).order_by(adapters.c.number)).all()
        )
        return [self._record(row) for row in rows]

    async def live(self) -> AdapterVersion | None:
        row = await self._database.run(
            lambda c: c.execute(select(adapters).where(adapters.c.state == LIVE.value)).first()
        )
        return self._record(row) if row else None

    async def highest_rank(self) -> int:
        """The largest rank of any version's adapter: the engine must have slots for it."""

        def read() -> int:
            configs = self._directory.glob(f"v*/{files.CONFIG}")
            return max(int(json.loads(config.read_text())["r"]) for config in configs)

        return await asyncio.to_thread(read)

    async def of_update(self, update_id: int) -> AdapterVersion | None:
        """The version that an update published, if it came so far."""
        row = await self._database.run(
            lambda c: c.execute(select(adapters).where(adapters.c.update_id == update_id)).first()
        )
        return self._record(row) if row else None

    async def recently_live(self, count: int) -> list[AdapterVersion]:
        """The latest retired versions, newest first: what a rollback would go back to."""
        rows = await self._database.run(
            lambda c: c.execute(
                select(adapters)
                .where(adapters.c.state == AdapterState.RETIRED.value)
                .order_by(adapters.c.number.desc())
                .limit(count)
            ).all()
        )
        return [self._record(row) for row in rows]

    async def lineage(self, version: str) -> list[AdapterVersion]:
        """A version and its ancestors back to v0, newest first."""
        by_version = {adapter.version: adapter for adapter in await self.all()}
        lineage, adapter = [], by_version.get(version)
        while adapter is not None:
            lineage.append(adapter)
            adapter = by_version.get(adapter.parent or "")
        return lineage

    async def set_state(self, version: str, state: AdapterState) -> None:
        number = int(version[1:])
        await self._database.run(
            lambda c: (
                c.execute(
                    update(adapters).where(adapters.c.number == number).values(state=state.value)
                )
                and None
            )
        )

    async def set_gate(self, version: str, verdict: dict[str, Any]) -> None:
        number = int(version[1:])
        await self._database.run(
            lambda c: (
                c.execute(update(adapters).where(adapters.c.number == number).values(gate=verdict))
                and None
            )
        )

    async def set_canary(self, version: str, evidence: dict[str, Any]) -> None:
        number = int(version[1:])
        await self._database.run(
            lambda c: (
                c.execute(
                    update(adapters).where(adapters.c.number == number).values(canary=evidence)
                )
                and None
            )
        )

    async def canary(self) -> AdapterVersion | None:
        """The version that is out on a share of the traffic."""
        state = AdapterState.CANARY.value
        row = await self._database.run(
            lambda c: c.execute(select(adapters).where(adapters.c.state == state)).first()
        )
        return self._record(row) if row else None

    async def go_live(
        self,
        version: str,
        old_becomes: AdapterState,
        canary_becomes: AdapterState = AdapterState.CANDIDATE,
    ) -> None:
        """One transaction: the live version becomes `old_becomes`, `version` becomes LIVE, and
        another one that is the canary becomes `canary_becomes`."""
        number = int(version[1:])

        def statements(c: Connection) -> None:
            c.execute(
                update(adapters)
                .where(adapters.c.state == LIVE.value, adapters.c.number != number)
                .values(state=old_becomes.value)
            )
            c.execute(
                update(adapters)
                .where(adapters.c.state == AdapterState.CANARY.value, adapters.c.number != number)
                .values(state=canary_becomes.value)
            )
            c.execute(update(adapters).where(adapters.c.number == number).values(state=LIVE.value))

        await self._database.run(statements)

    def _record(self, row: Row[Any]) -> AdapterVersion:
        base_name = self._base_name if row.number == 0 else None
        return AdapterVersion(
            version=f"v{row.number}",
            engine_name=base_name or row.engine_name,
            state=AdapterState(row.state),
            parent=row.parent,
            update_id=row.update_id,
            created_at=row.created_at,
            gate=row.gate,
            trained_groups=row.trained_groups,
            is_base=base_name is not None,
            canary=row.canary,
        )
