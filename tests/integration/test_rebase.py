"""When a job starts again at v0, and what it is then trained on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from adapter_files import write_adapter, write_model

from empo_serve.adapters.registry import Registry
from empo_serve.buffer.store import GroupStore
from empo_serve.buffer.updates import UpdateStore
from empo_serve.config import load_config
from empo_serve.db.data_dir import DataDir
from empo_serve.db.database import Database
from empo_serve.pipeline.training import Training
from empo_serve.train.job import Job, read_job
from empo_serve.types import (
    AdapterVersion,
    BandDecision,
    GroupScore,
    GroupState,
    Query,
    Sample,
    SampledGroup,
    UpdateState,
)

QUESTION = "What is the capital of France and which river flows through it?"
COPY = "capital of France"
SAMPLES = (
    Sample("Paris", "stop", (1, 2), (-0.5, -0.1)),
    Sample(COPY, "stop", (3,), (-1.0,)),
    Sample("Par", "length", (4,), (-1.0,)),
)
SCORE = GroupScore(("Paris", COPY, "Par"), (0, 1, 2), 0.69, 0.68, 1.0, 3, 0.0)


class Lineage:
    """Updates without a trainer: each one publishes an adapter as if it had been trained."""

    def __init__(self, folder: Path, database: Database, *overrides: str) -> None:
        config = load_config(None, ["model.path=tiny", *overrides], env={})
        self.data_dir = DataDir(folder / "data")
        self.model = write_model(folder / "model")
        self.store = GroupStore(database, 1000)
        self.update_store = UpdateStore(database)
        (folder / "adapters").mkdir()
        self.registry = Registry(database, folder / "adapters")
        self.training = Training(config, self.data_dir, self.store, self.registry)
        self._folder = folder
        self._number = 0

    async def open(self) -> AdapterVersion:
        live = await self.registry.publish(write_adapter(self._folder / "0", seed=None), None)
        await self.registry.open()
        return live

    async def update(self, live: AdapterVersion) -> tuple[Job, AdapterVersion]:
        """One new group that `live` sampled; the job that it gives, and the version after it."""
        self._number += 1
        query = Query(f"q-{self._number}", "chat", {}, QUESTION, 0.0)
        group = SampledGroup(query, live.version, (7, 8), SAMPLES)
        await self.store.put(group, SCORE, BandDecision.ADMITTED)
        update_id = await self.update_store.start(live.version)
        await self.store.claim(update_id, 8, [live.version])
        await self.training.write_job(update_id, live, self.model)
        await self.store.finish(update_id, GroupState.TRAINED)
        await self.update_store.finish(update_id, UpdateState.PUBLISHED)
        job = read_job(self.data_dir.update(update_id))
        adapter = write_adapter(self._folder / str(update_id), seed=update_id)
        return job, await self.registry.publish(adapter, live.version, update_id)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "empo.db")
    await database.open()
    yield database
    await database.close()


async def jobs(lineage: Lineage, count: int) -> list[Job]:
    live, result = await lineage.open(), []
    for _ in range(count):
        job, live = await lineage.update(live)
        result.append(job)
    return result


def summary(job: Job) -> tuple[str, list[str]]:
    return job.parent_version, [group.query_id for group in job.groups]


async def test_without_the_option_each_job_goes_on_from_its_parent(
    tmp_path: Path, database: Database
) -> None:
    result = await jobs(Lineage(tmp_path, database), 3)
    assert [summary(job) for job in result] == [
        ("v0", ["q-1"]),
        ("v1", ["q-2"]),
        ("v2", ["q-3"]),
    ]
    assert all(group.staleness == 0 for job in result for group in job.groups)


async def test_every_k_versions_a_job_starts_at_v0_with_the_groups_since_then(
    tmp_path: Path, database: Database
) -> None:
    result = await jobs(Lineage(tmp_path, database, "train.rebase_every=2"), 6)
    assert [summary(job) for job in result] == [
        ("v0", ["q-1"]),
        ("v1", ["q-2"]),
        ("v0", ["q-1", "q-2", "q-3"]),
        ("v3", ["q-4"]),
        ("v0", ["q-3", "q-4", "q-5"]),
        ("v5", ["q-6"]),
    ]
    # How far each group's samples are from the version that the job is to replace.
    assert [g.staleness for g in result[2].groups] == [2, 1, 0]


async def test_groups_that_were_deleted_are_not_trained_on_again(
    tmp_path: Path, database: Database
) -> None:
    lineage = Lineage(tmp_path, database, "train.rebase_every=2")
    live = await lineage.open()
    for _ in range(2):
        _, live = await lineage.update(live)
    await lineage.store.delete(query_id="q-1")
    job, _ = await lineage.update(live)
    assert summary(job) == ("v0", ["q-2", "q-3"])


async def test_what_taught_a_version_that_was_taken_back_is_not_trained_on_again(
    tmp_path: Path, database: Database
) -> None:
    lineage = Lineage(tmp_path, database, "train.rebase_every=2")
    live = await lineage.open()
    for _ in range(2):
        _, live = await lineage.update(live)
    await lineage.store.quarantine("v9", 1)
    job, _ = await lineage.update(live)
    assert summary(job) == ("v0", ["q-2", "q-3"])


@pytest.mark.parametrize("are_answers", [True, False])
async def test_a_job_marks_what_is_cut_off_and_what_copies_the_question(
    tmp_path: Path, database: Database, are_answers: bool
) -> None:
    option = f"train.copies_are_answers={str(are_answers).lower()}"
    [job] = await jobs(Lineage(tmp_path, database, option), 1)
    samples = job.groups[0].samples
    assert [s.copies_question for s in samples] == [False, not are_answers, False]
    assert [s.truncated for s in samples] == [False, False, True]
