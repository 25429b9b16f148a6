"""Between two updates: what a guard says is heeded before anything is trained."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from guard_world import WINDOW, GuardWorld

from empo_serve.db.database import Database
from empo_serve.pipeline.updates import Updates


class Loop(Updates):
    """Notes that an update would start, and that the loop has nothing more to do."""

    def __init__(self, world: GuardWorld) -> None:
        self.paused_pipeline: list[bool] = []
        none: Any = None
        super().__init__(
            world.config,
            none,
            world.database,
            world.store,
            world.updates,
            none,
            cast(Any, world),
            none,
            none,
            world.guarding,
            world.metrics,
            set_paused=self.paused_pipeline.append,
        )
        self.started = 0

    async def update(self) -> bool:
        self.started += 1
        await self._store.claim(await self._update_store.start("v0"), 1000, ["v0"])
        return True

    async def settle(self) -> None:
        """Wait until the loop waits; the database's thread runs in order."""
        for _ in range(50):
            await self._store.counts()
            await asyncio.sleep(0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GuardWorld]:
    database = Database(tmp_path / "empo.db")
    await database.open()
    yield GuardWorld(database, train={"groups_per_update": 2})
    await database.close()


@pytest.fixture
async def loop(world: GuardWorld) -> AsyncIterator[Loop]:
    loop = Loop(world)
    loop._training = cast(Any, NoTrainer())
    yield loop
    await loop.stop()


class NoTrainer:
    async def stop(self) -> None:
        pass


async def test_enough_groups_start_an_update(world: GuardWorld, loop: Loop) -> None:
    await world.sample(2, admit=True)
    await loop.start(Path())
    await loop.settle()
    assert loop.started == 1


@pytest.mark.parametrize("what", ["canary", "pinned"])
async def test_nothing_is_trained_while_a_version_is_tried_or_pinned(
    world: GuardWorld, loop: Loop, what: str
) -> None:
    setattr(world, what, world.live)
    await world.sample(2, admit=True)
    await loop.start(Path())
    loop.ask()
    await loop.settle()
    assert loop.started == 0
    setattr(world, what, None)
    loop.wake()
    await loop.settle()
    assert loop.started == 1


async def test_groups_that_repeat_a_prompt_are_not_enough(world: GuardWorld, loop: Loop) -> None:
    await world.sample(5, prompt=999, admit=True)
    await loop.start(Path())
    await loop.settle()
    assert loop.started == 0
    assert (await world.store.counts())["PENDING"] == 1
    await world.sample(1, admit=True)
    loop.wake()
    await loop.settle()
    assert loop.started == 1


async def test_a_guard_pauses_learning_before_the_next_update(
    world: GuardWorld, loop: Loop
) -> None:
    await world.sample(WINDOW)
    await world.sample(WINDOW, answer="it depends")
    await world.sample(2, admit=True)
    await loop.start(Path())
    await loop.settle()
    assert loop.started == 0
    assert loop.is_paused
    assert loop.paused_pipeline[-1]
    assert world.metrics.registry.get_sample_value("empo_learning_paused") == 1
    loop.ask()
    await loop.settle()
    assert loop.started == 0
    await loop.pause(False)
    await loop.settle()
    assert loop.started == 1
    assert world.guarding.tripped == []


async def test_traffic_alone_is_enough_to_trip_one(world: GuardWorld, loop: Loop) -> None:
    """A collapsed model has no group in the band, so no update ever asks the guards."""
    await world.sample(WINDOW)
    await loop.start(Path())
    await loop.settle()
    await world.sample(WINDOW, answer="it depends")
    for _ in range(WINDOW):
        loop.scored()
    await loop.settle()
    assert loop.is_paused


async def test_what_tripped_before_a_restart_still_pauses(world: GuardWorld, loop: Loop) -> None:
    """Also when the process died between the trip and the pause."""
    await world.sample(WINDOW)
    await world.sample(WINDOW, answer="it depends")
    await world.guarding.start()
    assert await world.guarding.check()
    await loop.start(Path())
    assert loop.is_paused


async def test_without_working_guards_nothing_is_trained_until_they_work_again(
    world: GuardWorld, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> bool:
        raise RuntimeError("a defect")

    await world.sample(2, admit=True)
    with monkeypatch.context() as patch:
        patch.setattr(world.guarding, "check", broken)
        await loop.start(Path())
        await loop.settle()
        assert loop.started == 0
    loop.wake()
    await loop.settle()
    assert loop.started == 1
