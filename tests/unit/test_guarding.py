"""The guards over a real database: baselines, trips and repeats, remembered over restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from guard_world import WINDOW, GuardWorld

from empo_serve.buffer.traffic import SampledTraffic
from empo_serve.db.database import Database
from empo_serve.metrics import Metrics


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "empo.db")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def world(database: Database) -> GuardWorld:
    world = GuardWorld(database)
    await world.guarding.start()
    return world


async def test_healthy_traffic_trips_nothing(world: GuardWorld) -> None:
    for _ in range(4):
        await world.sample(WINDOW)
        assert not await world.guarding.check()
        await world.update(grad_norm=0.3, kl=0.1)
    assert world.tripped() == []


async def test_the_baseline_is_the_first_window_and_is_kept_when_its_groups_are_gone(
    world: GuardWorld,
) -> None:
    await world.sample(WINDOW)
    assert not await world.guarding.check()
    await world.store.delete(before=1e9)
    world.guarding = world.new_guarding()
    await world.guarding.start()
    assert not await world.guarding.check()
    await world.update()
    await world.sample(WINDOW, answer="it depends")
    assert await world.guarding.check()
    assert set(world.tripped()) == {"unanimity", "constant_answer"}


async def test_a_collapse_trips_once_and_is_remembered_with_its_numbers(world: GuardWorld) -> None:
    await world.sample(WINDOW)
    await world.update()
    await world.sample(WINDOW, answer="it depends")
    assert await world.guarding.check()
    assert not await world.guarding.check()
    (trip, _) = world.guarding.tripped
    assert trip["version"] == "v1"
    assert trip["value"] > trip["limit"]
    assert world.gauge("unanimity") == 1
    assert world.gauge("kl") == 0
    before = world.guarding.tripped
    world.metrics = Metrics()
    world.guarding = world.new_guarding()
    await world.guarding.start()
    assert world.guarding.tripped == before
    assert world.gauge("unanimity") == 1


async def test_resuming_clears_it_and_only_new_evidence_counts(world: GuardWorld) -> None:
    await world.sample(WINDOW)
    await world.sample(WINDOW, answer="it depends")
    assert await world.guarding.check()
    await world.guarding.clear()
    assert world.gauge("unanimity") == 0
    assert not await world.guarding.check()
    # What is served now is the new normal, over a restart too.
    await world.sample(2 * WINDOW, answer="it depends")
    world.guarding = world.new_guarding()
    await world.guarding.start()
    assert not await world.guarding.check()


async def test_resuming_without_a_trip_keeps_the_baseline(world: GuardWorld) -> None:
    await world.sample(WINDOW)
    assert not await world.guarding.check()
    await world.guarding.clear()
    await world.sample(WINDOW, answer="it depends")
    assert await world.guarding.check()


async def test_budgets_begin_anew_after_a_resume(database: Database) -> None:
    world = GuardWorld(database, guards={"max_updates": 2, "max_kl": 1.0})
    await world.guarding.start()
    await world.update(kl=0.5)
    assert not await world.guarding.check()
    await world.update(kl=1.1)
    assert await world.guarding.check()
    assert set(world.tripped()) == {"updates", "kl"}
    await world.guarding.clear()
    await world.update(kl=2.0)
    assert not await world.guarding.check()
    await world.update(kl=2.2)
    assert await world.guarding.check()


async def test_updates_of_a_branch_that_was_rolled_back_cost_nothing(database: Database) -> None:
    world = GuardWorld(database, guards={"max_updates": 2})
    await world.update()
    await world.update()
    world.adapters.append(world.adapters.pop(1))  # v1 answers again
    assert not await world.guarding.check()


async def test_the_second_update_that_fails_on_nan_trips(world: GuardWorld) -> None:
    await world.update(error="exit code 1; the log:\nupdate 1: loss is not finite (nan)")
    await world.update(error="the trainer was killed after 3600 s (train.timeout_s)")
    assert not await world.guarding.check()
    await world.update(error="tensor base.lora_A.weight holds NaN or infinity")
    assert await world.guarding.check()
    assert world.tripped() == ["not_finite"]


async def test_switched_off_nothing_is_looked_at(database: Database) -> None:
    world = GuardWorld(database, guards={"enabled": False, "max_updates": 1})
    await world.update()
    assert not await world.guarding.check()


async def states(world: GuardWorld) -> dict[str, int]:
    return {state: n for state, n in (await world.store.counts()).items() if n}


async def test_a_prompt_that_the_lineage_has_trained_on_often_enough_is_left_out(
    world: GuardWorld,
) -> None:
    for _ in range(2):
        await world.sample(1, prompt=999, admit=True)
        await world.sample(1, admit=True)
        assert await world.guarding.discard_repeated() == 0
        await world.update()
    await world.sample(1, prompt=999, admit=True)
    await world.sample(1, admit=True)
    assert await world.guarding.discard_repeated() == 1
    assert await states(world) == {"PENDING": 1, "TRAINED": 4, "DISCARDED": 1}
    assert await SampledTraffic(world.database).left_out_since(0.0) == 1
    dropped = {"stage": "train", "reason": "repeated"}
    assert world.metrics.registry.get_sample_value("empo_dropped_total", dropped) == 1


async def test_one_update_never_has_a_prompt_twice_and_keeps_the_newest(world: GuardWorld) -> None:
    await world.sample(3, prompt=999, admit=True)
    assert await world.guarding.discard_repeated() == 2
    (row,) = [r for r in await world.store.page(10) if r["state"] == "PENDING"]
    assert row["query_id"] == "q-2"


async def test_updates_of_another_lineage_do_not_use_a_prompt_up(world: GuardWorld) -> None:
    for _ in range(2):
        await world.sample(1, prompt=999, admit=True)
        await world.update()
    world.adapters.append(world.adapters.pop(0))  # v0 answers again
    await world.sample(1, prompt=999, admit=True)
    assert await world.guarding.discard_repeated() == 0


async def test_repeats_may_be_without_limit(database: Database) -> None:
    world = GuardWorld(database, train={"max_repeats": 0})
    await world.sample(3, prompt=999, admit=True)
    assert await world.guarding.discard_repeated() == 0


def test_it_is_time_to_check_several_times_a_window(database: Database) -> None:
    guarding = GuardWorld(database).guarding
    assert [guarding.scored() for _ in range(6)] == [False, True] * 3
