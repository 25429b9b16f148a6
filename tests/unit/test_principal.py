"""Who asked is stored with each group, and all of it can be deleted."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import create_engine, text

from empo_serve.buffer.store import GroupStore
from empo_serve.db.database import Database
from empo_serve.types import BandDecision, GroupScore, Query, Sample, SampledGroup

SCORE = GroupScore(("a", "b"), (0, 1), 0.69, 0.68, 1.0, 2, 0.0)
SAMPLES = (Sample("a", "stop", (1,), (-0.5,)), Sample("b", "stop", (3,), (-1.0,)))


def group(number: int, principal: str) -> SampledGroup:
    query = Query(f"q-{number}", "chat", {}, f"question {number}", float(number), principal)
    return SampledGroup(query, "v0", (7,), SAMPLES)


async def test_one_principals_queries_are_deleted_and_no_other(tmp_path: Path) -> None:
    database = Database(tmp_path / "empo.db")
    await database.open()
    try:
        store = GroupStore(database, max_groups=1000)
        for number, principal in enumerate(("ann", "bob", "ann", "bob")):
            await store.put(group(number, principal), SCORE, BandDecision.ADMITTED)
        assert [q.principal for q in await store.recent_queries(2)] == ["bob", "ann"]
        assert await store.delete(principal="an") == 0
        assert await store.delete(principal="ann", before=1.0) == 1
        assert await store.delete(principal="ann") == 1
        assert [row["principal"] for row in await store.page(10)] == ["bob", "bob"]
        assert await store.delete() == 0
    finally:
        await database.close()


async def test_rows_from_before_there_were_keys_are_anonymous(tmp_path: Path) -> None:
    file = tmp_path / "empo.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        config = AlembicConfig()
        config.set_main_option("script_location", "empo_serve.db:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO groups (query_id, arrived_at, route, prompt, question, version,"
                " prompt_token_ids, samples, semantic_ids, semantic_entropy, semantic_entropy_norm,"
                " num_clusters, band, state) VALUES ('q-old', 1, 'chat', '{}', 'old', 'v0', '[]',"
                " '[]', '[]', 0, 0, 1, 'admitted', 'PENDING')"
            )
        )
        connection.commit()
    engine.dispose()
    database = Database(file)
    await database.open()
    try:
        row = await GroupStore(database, max_groups=1000).get("q-old")
    finally:
        await database.close()
    assert row is not None
    assert row["principal"] == "anonymous"
