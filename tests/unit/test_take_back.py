"""A version that is taken back takes what taught it along, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from guard_world import GuardWorld

from empo_serve.db.database import Database
from empo_serve.errors import EngineError
from empo_serve.pipeline.take_back import TakeBack
from empo_serve.types import AdapterState, AdapterVersion

AFTER_V1 = {"heldout": 0, "quarantined": 3}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GuardWorld]:
    """v1 was trained on two groups, and has sampled one itself."""
    database = Database(tmp_path / "empo.db")
    await database.open()
    world = GuardWorld(database)
    await world.sample(2, admit=True)
    await world.update()
    await world.sample(1, admit=True)
    yield world
    await database.close()


def take_back(world: GuardWorld, rollout: Any) -> TakeBack:
    async def get(version: str) -> AdapterVersion:
        return next(a for a in world.adapters if a.version == version)

    async def all_versions() -> list[AdapterVersion]:
        return world.adapters

    registry = SimpleNamespace(get=get, all=all_versions)
    return TakeBack(cast(Any, registry), cast(Any, rollout), world.store)


async def test_what_taught_it_and_what_it_sampled_is_quarantined(world: GuardWorld) -> None:
    async def roll_back(version: str) -> AdapterVersion:
        return world.adapters[0]

    live = await take_back(world, SimpleNamespace(roll_back=roll_back)).roll_back("v1")
    assert live.version == "v0"
    assert await world.store.num_set_aside() == AFTER_V1
    assert (await world.store.counts())["PENDING"] == 0


async def test_nothing_is_quarantined_where_the_version_could_not_be_taken_back(
    world: GuardWorld,
) -> None:
    async def roll_back(version: str) -> AdapterVersion:
        raise EngineError("the engine is down")

    with pytest.raises(EngineError):
        await take_back(world, SimpleNamespace(roll_back=roll_back)).roll_back("v1")
    assert await world.store.num_set_aside() == {"heldout": 0, "quarantined": 0}


async def test_a_start_finishes_what_a_dead_process_began(world: GuardWorld) -> None:
    world.adapters[1] = replace(world.adapters[1], state=AdapterState.ROLLED_BACK)
    await take_back(world, None).start()
    assert await world.store.num_set_aside() == AFTER_V1
