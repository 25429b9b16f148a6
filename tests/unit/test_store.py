"""The buffer: every transition of a group, and nothing in two jobs at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from empo_serve.buffer.store import GroupStore
from empo_serve.buffer.updates import UpdateStore
from empo_serve.db.database import Database
from empo_serve.db.schema import metadata
from empo_serve.db.settings import read_setting, write_setting
from empo_serve.errors import StartupError
from empo_serve.types import (
    BandDecision,
    GroupScore,
    GroupState,
    Query,
    Sample,
    SampledGroup,
    UpdateState,
)

SCORE = GroupScore(("a", "b"), (0, 1), 0.69, 0.68, 1.0, 2, 0.0)
SAMPLES = (Sample("a", "stop", (1, 2), (-0.5, -0.1)), Sample("b", "length", (3,), (-1.0,)))


def group(number: int, version: str = "v0", question: str | None = None) -> SampledGroup:
    text = question or f"question {number}"
    query = Query(f"q-{number}", "chat", {"messages": []}, text, float(number))
    return SampledGroup(query, version, (7, 8, 9), SAMPLES)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "empo.db")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def store(database: Database) -> GroupStore:
    return GroupStore(database, max_groups=1000)


async def states(store: GroupStore) -> dict[str, int]:
    return {state: n for state, n in (await store.counts()).items() if n}


async def test_migrations_make_exactly_the_schema(database: Database) -> None:
    def difference(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await database.run(difference) == []


async def test_a_group_comes_back_as_it_was_put(store: GroupStore) -> None:
    await store.put(group(1), SCORE, BandDecision.ADMITTED)
    row = await store.get("q-1")
    assert row is not None
    assert row["prompt_token_ids"] == [7, 8, 9]
    assert [s["token_ids"] for s in row["samples"]] == [[1, 2], [3]]
    assert [s["logprobs"] for s in row["samples"]] == [[-0.5, -0.1], [-1.0]]
    assert [s["answer"] for s in row["samples"]] == ["a", "b"]
    assert (row["state"], row["version"], row["band"]) == ("PENDING", "v0", "admitted")


async def test_only_an_admitted_group_waits_for_training(store: GroupStore) -> None:
    for number, decision in enumerate(BandDecision):
        await store.put(group(number), SCORE, decision)
    assert await states(store) == {"PENDING": 1, "DISCARDED": len(BandDecision) - 1}


async def test_claims_take_the_oldest_first_and_never_the_same_twice(store: GroupStore) -> None:
    for number in range(5):
        await store.put(group(number), SCORE, BandDecision.ADMITTED)
    first = await store.claim(1, 2, ["v0"])
    second = await store.claim(2, 9, ["v0"])
    assert [row["query_id"] for row in first] == ["q-0", "q-1"]
    assert [row["query_id"] for row in second] == ["q-2", "q-3", "q-4"]
    assert await store.claim(3, 9, ["v0"]) == []
    assert [row["query_id"] for row in await store.leased(1)] == ["q-0", "q-1"]


async def test_samples_of_a_version_that_is_too_old_are_discarded(store: GroupStore) -> None:
    await store.put(group(1, "v1"), SCORE, BandDecision.ADMITTED)
    await store.put(group(2, "v3"), SCORE, BandDecision.ADMITTED)
    rows = await store.claim(1, 9, ["v3", "v2"])
    assert [row["query_id"] for row in rows] == ["q-2"]
    assert await states(store) == {"DISCARDED": 1, "LEASED": 1}


async def test_rows_of_a_failed_job_go_back_until_they_have_failed_too_often(
    store: GroupStore,
) -> None:
    await store.put(group(1), SCORE, BandDecision.ADMITTED)
    for attempt in (1, 2):
        await store.claim(attempt, 9, ["v0"])
        await store.requeue(attempt, max_attempts=3)
        assert await states(store) == {"PENDING": 1}
    await store.claim(3, 9, ["v0"])
    await store.requeue(3, max_attempts=3)
    assert await states(store) == {"FAILED": 1}


async def test_finishing_a_job_touches_its_own_rows_only(store: GroupStore) -> None:
    for number in range(3):
        await store.put(group(number), SCORE, BandDecision.ADMITTED)
    await store.claim(1, 1, ["v0"])
    await store.claim(2, 1, ["v0"])
    await store.finish(1, GroupState.TRAINED)
    assert await states(store) == {"TRAINED": 1, "LEASED": 1, "PENDING": 1}


async def test_recent_queries_are_distinct_and_newest_first(store: GroupStore) -> None:
    for number, question in enumerate(["a", "b", "a", "c"]):
        await store.put(group(number, question=question), SCORE, BandDecision.TOO_CERTAIN)
    assert [q.question for q in await store.recent_queries(2)] == ["c", "a"]


async def test_old_rows_make_room_but_never_those_that_wait(database: Database) -> None:
    small = GroupStore(database, max_groups=150)
    await small.put(group(0), SCORE, BandDecision.ADMITTED)
    for number in range(1, 300):
        await small.put(group(number), SCORE, BandDecision.TOO_CERTAIN)
    left = await states(small)
    assert left["PENDING"] == 1
    assert left["DISCARDED"] <= 151


async def test_deleting_takes_one_query_or_all_before_a_time(store: GroupStore) -> None:
    for number in range(4):
        await store.put(group(number), SCORE, BandDecision.TOO_CERTAIN)
    assert await store.delete(query_id="q-3") == 1
    assert await store.delete(query_id="q-3") == 0
    assert await store.delete(before=2.0) == 2
    assert [row["query_id"] for row in await store.page(10)] == ["q-2"]


async def test_an_update_ends_once(database: Database) -> None:
    updates = UpdateStore(database)
    update_id = await updates.start("v0")
    assert [row["update_id"] for row in await updates.unfinished()] == [update_id]
    await updates.finish(update_id, UpdateState.FAILED, error="x")
    await updates.finish(update_id, UpdateState.PUBLISHED, version="v1")
    assert (await updates.page(1))[0]["state"] == "FAILED"
    assert await updates.unfinished() == []


async def test_settings_are_kept_and_removed(database: Database) -> None:
    assert await read_setting(database, "x") is None
    await write_setting(database, "x", {"a": [1]})
    await write_setting(database, "x", "b")
    assert await read_setting(database, "x") == "b"
    await write_setting(database, "x", None)
    assert await read_setting(database, "x") is None


async def test_what_was_written_survives_a_new_process(tmp_path: Path) -> None:
    for expected in (0, 1):
        database = Database(tmp_path / "empo.db")
        await database.open()
        store = GroupStore(database, 100)
        assert (await store.counts())["PENDING"] == expected
        if not expected:
            await store.put(group(1), SCORE, BandDecision.ADMITTED)
        await database.close()


async def test_a_damaged_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "empo.db"
    path.write_bytes(b"not a database" * 500)
    database = Database(path)
    with pytest.raises(StartupError) as caught:
        await database.open()
    await database.close()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_version_that_is_taken_back_quarantines_what_taught_it_and_what_it_sampled(
    store: GroupStore,
) -> None:
    for number in range(4):
        await store.put(group(number), SCORE, BandDecision.ADMITTED)
    await store.claim(1, 2, ["v0"])
    await store.finish(1, GroupState.TRAINED)
    await store.put(group(7, "v1"), SCORE, BandDecision.ADMITTED)
    assert await store.quarantine("v1", 1) == 3
    assert await store.quarantine("v1", 1) == 0
    assert await store.num_set_aside() == {"heldout": 0, "quarantined": 3}
    # What others sampled still waits; what the bad version sampled does not.
    assert await states(store) == {"PENDING": 2, "TRAINED": 2, "DISCARDED": 1}
    claimed = await store.claim(2, 9, ["v0", "v1"])
    assert [row["query_id"] for row in claimed] == ["q-2", "q-3"]


async def test_what_is_quarantined_while_a_job_holds_it_is_not_trained_on_when_the_job_fails(
    store: GroupStore,
) -> None:
    await store.put(group(0), SCORE, BandDecision.ADMITTED)
    await store.claim(1, 1, ["v0"])
    assert await store.quarantine("v0", None) == 1
    await store.requeue(1, max_attempts=3)
    assert await store.claim(2, 9, ["v0"]) == []
    assert await states(store) == {"DISCARDED": 1}


async def test_an_imported_version_that_is_taken_back_taught_itself_from_no_row(
    store: GroupStore,
) -> None:
    await store.put(group(0), SCORE, BandDecision.ADMITTED)
    assert await store.quarantine("v1", None) == 0
    assert await states(store) == {"PENDING": 1}


async def test_what_is_held_out_never_waits_for_training(store: GroupStore) -> None:
    await store.put(group(0), SCORE, BandDecision.ADMITTED, is_heldout=True)
    await store.put(group(1), SCORE, BandDecision.ADMITTED)
    assert await states(store) == {"PENDING": 1, "DISCARDED": 1}
    assert await store.num_set_aside() == {"heldout": 1, "quarantined": 0}
    assert [q.query_id for q in await store.recent_queries(5, heldout=True)] == ["q-0"]
    assert [q.query_id for q in await store.recent_queries(5, heldout=False)] == ["q-1"]
