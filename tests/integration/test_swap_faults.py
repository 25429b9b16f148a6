"""What goes wrong during a swap: refused and slow loads, dying and forgetful engines, full disks.

The rollout is the real one, over fake engines in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from rollout_world import World
from sqlalchemy.exc import DatabaseError

from empo_serve.errors import AdapterError, EngineError, EngineUnavailable
from empo_serve.supervisor.keep_adapters import keep_adapters
from empo_serve.types import AdapterState


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.start()
    yield world
    await world.stop()


async def until(question: Callable[[], Awaitable[bool]], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            if await question():
                return
            await asyncio.sleep(0.01)


async def test_a_refused_load_changes_nothing_and_the_candidate_can_be_promoted_later(
    world: World,
) -> None:
    # Of two engines one loads it at once and the other refuses, so the first must give it back.
    version = await world.publish(fail_loads=1)
    name = (await world.registry.get(version)).engine_name
    path = str(world.registry.path(version))
    with contextlib.suppress(EngineError):
        await world.engines.clients[0].load_adapter(name, path)  # its one failure is used up
    with pytest.raises(EngineError, match="made to fail"):
        await world.rollout.promote(version)
    assert await world.live_rows() == ["v0"]
    assert await world.state(version) == "CANDIDATE"
    assert [await world.known_to(n) for n in (0, 1)] == [{"v0"}, {"v0"}]
    assert await world.ask() == "v0"
    await world.rollout.promote(version)
    assert await world.ask() == version


async def test_a_slow_load_pauses_no_request_and_is_given_up_after_the_control_timeout(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, num_engines=1, control_timeout_s=0.3)
    await world.start()
    version = await world.publish(load_delay_s=0.6)
    loading = asyncio.create_task(world.rollout.promote(version))
    answered = 0
    while not loading.done():
        async with asyncio.timeout(0.2):
            assert await world.ask() == "v0"
        answered += 1
        await asyncio.sleep(0.005)
    with pytest.raises(EngineUnavailable):
        loading.result()
    assert answered > 5
    assert await world.state(version) == "CANDIDATE"

    async def is_loaded_after_all() -> bool:
        return version in await world.known_to(0)

    # The engine finishes what was given up; the next look puts that right.
    await until(is_loaded_after_all)
    await world.rollout.reconcile(world.engines.clients[0])
    assert await world.known_to(0) == {"v0"}
    await world.stop()


async def test_a_rollback_does_not_wait_for_a_load_that_hangs(tmp_path: Path) -> None:
    world = World(tmp_path, control_timeout_s=0.7)
    await world.start()
    first = await world.publish()
    await world.rollout.promote(first)
    hanging = await world.publish(load_delay_s=3600)
    promotion = asyncio.create_task(world.rollout.promote(hanging))
    await asyncio.sleep(0.05)
    await world.rollout.roll_back(first)
    assert not promotion.done()
    assert await world.ask() == "v0"
    with pytest.raises(EngineUnavailable):
        await promotion
    await world.stop()


async def test_a_promotion_that_a_rollback_overtakes_fails(world: World) -> None:
    first = await world.publish()
    await world.rollout.promote(first)
    slow = await world.publish(load_delay_s=0.3)
    promotion = asyncio.create_task(world.rollout.promote(slow))
    await asyncio.sleep(0.05)
    await world.rollout.roll_back(first)
    with pytest.raises(AdapterError, match="v0 went live while"):
        await promotion
    assert await world.live_rows() == ["v0"]
    await world.rollout.settle()
    assert await world.known_to(0) == {"v0", first}  # the former stays, the overtaken does not
    await world.rollout.promote(slow)
    assert await world.ask() == slow


async def test_a_promotion_that_a_pin_overtakes_fails(world: World) -> None:
    slow = await world.publish(load_delay_s=0.2)
    promotion = asyncio.create_task(world.rollout.promote(slow))
    await asyncio.sleep(0.05)
    await world.rollout.pin("v0")
    with pytest.raises(AdapterError, match="v0 is pinned"):
        await promotion
    assert await world.live_rows() == ["v0"] == [world.rollout.pinned]


async def test_a_rollback_that_a_promotion_overtakes_takes_nothing_back(world: World) -> None:
    first = await world.publish(load_delay_s=0.2)
    await world.rollout.promote(first)
    second = await world.publish()
    await world.rollout.promote(second)
    await world.rollout.park_candidate(await world.registry.get(first))  # so it must be loaded
    third = await world.publish()
    await world.rollout.add_candidate(await world.registry.get(third))
    rollback = asyncio.create_task(world.rollout.roll_back(second))
    await asyncio.sleep(0.05)
    await world.rollout.promote(third)
    with pytest.raises(AdapterError, match=f"{second} is RETIRED, not live"):
        await rollback
    assert await world.live_rows() == [third]


async def test_a_full_disk_leaves_the_live_version_live_and_unloads_the_new_one(
    world: World,
) -> None:
    version = await world.publish()
    await world.set_disk_full(True)
    with pytest.raises(DatabaseError):
        await world.rollout.promote(version)
    await world.set_disk_full(False)
    assert world.rollout.live.version == "v0"
    assert await world.live_rows() == ["v0"]
    assert [await world.known_to(n) for n in (0, 1)] == [{"v0"}, {"v0"}]
    await world.rollout.promote(version)
    assert await world.ask() == version


async def test_a_client_that_leaves_does_not_stop_a_change_half_way(world: World) -> None:
    version = await world.publish(load_delay_s=0.1)
    promotion = asyncio.create_task(world.rollout.promote(version))
    await asyncio.sleep(0.05)
    promotion.cancel()
    await world.rollout.settle()
    assert await world.live_rows() == [version] == [world.rollout.live.version]


async def test_a_forgetful_engine_is_left_out_and_gets_its_adapters_again(world: World) -> None:
    version = await world.publish()
    await world.rollout.promote(version)
    await world.restart(0)
    # Both engines are idle, so the first is asked first: it does not know the adapter any more.
    assert await world.ask() == version
    assert not world.engines.clients[0].can_serve
    async with keep_adapters(world.rollout, world.engines.clients, 60.0):
        await until(lambda: _can_serve(world, 0))
    assert await world.known_to(0) == {"v0", version}


async def test_an_engine_that_forgot_is_found_without_a_request(world: World) -> None:
    await world.restart(1)
    async with keep_adapters(world.rollout, world.engines.clients, 0.02):
        await until(lambda: _knows(world, 1, "v0"))


async def test_the_only_engine_that_forgot_gives_503_and_never_404(tmp_path: Path) -> None:
    world = World(tmp_path, num_engines=1)
    await world.start()
    await world.restart(0)
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match="not available right now"):
            await world.ask()
    await world.rollout.reconcile(world.engines.clients[0])
    assert await world.ask() == "v0"
    await world.stop()


async def test_an_engine_that_refuses_the_connection_is_passed_over_once(world: World) -> None:
    await world.servers[0].stop()
    assert await world.ask() == "v0"
    await world.servers[1].stop()
    with pytest.raises(EngineUnavailable, match="not available right now"):
        await world.ask()


async def test_an_engine_that_is_down_gets_the_new_version_when_it_is_back(world: World) -> None:
    await world.servers[1].stop()  # nobody has noticed yet
    version = await world.publish()
    await world.rollout.promote(version)
    assert await world.ask() == version
    await world.servers[1].start()
    await world.rollout.reconcile(world.engines.clients[1])
    assert await world.known_to(1) == {"v0", version}
    assert world.engines.clients[1].can_serve


async def test_an_engine_that_dies_in_the_middle_of_a_promotion_comes_back_with_what_is_live(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, num_engines=1)
    await world.start()
    version = await world.publish(load_delay_s=0.3)
    promotion = asyncio.create_task(world.rollout.promote(version))
    await asyncio.sleep(0.1)
    await world.restart(0)
    with pytest.raises(EngineError):
        await promotion
    await world.bring_up(world.engines.clients[0])
    assert await world.live_rows() == ["v0"] == [await world.ask()]
    assert await world.known_to(0) == {"v0"}
    await world.stop()


async def test_a_version_is_unloaded_after_its_last_request_however_long_it_takes(
    world: World,
) -> None:
    with world.rollout.serving() as held:
        for _ in range(4):
            await world.rollout.promote(await world.publish())
        await world.rollout.settle()
        assert held.version == "v0"
        assert await world.ask("v0") == "v0"
        assert await world.known_to(0) == {"v0", "v2", "v3", "v4"}
    await world.rollout.settle()
    assert await world.known_to(0) == {"v2", "v3", "v4"}
    with pytest.raises(AdapterError, match="not loaded"):
        await world.ask("v0")


async def test_a_failing_unload_is_logged_and_made_up_for(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    version = await world.publish()
    await world.rollout.promote(version)
    await world.servers[1].stop()
    await world.rollout.park_candidate(await world.registry.get("v0"))
    assert await world.known_to(0) == {version}
    await world.servers[1].start()
    await world.engines.clients[1].load_adapter(
        (await world.registry.get("v0")).engine_name, str(world.registry.path("v0"))
    )
    await world.rollout.reconcile(world.engines.clients[1])
    assert await world.known_to(1) == {version}


async def test_an_error_while_unloading_does_not_vanish(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(version: str) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(world.rollout._loaded, "unload", broken)
    for _ in range(4):
        await world.rollout.promote(await world.publish())
    await world.rollout.settle()
    assert "unloading former versions failed" in caplog.text


async def test_a_pinned_version_is_not_replaced_until_it_is_unpinned(world: World) -> None:
    first, second = await world.publish(), await world.publish()
    await world.rollout.pin(first)
    with pytest.raises(AdapterError, match="v1 is pinned; unpin it first"):
        await world.rollout.promote(second)
    await world.rollout.unpin()
    await world.rollout.promote(second)
    assert await world.live_rows() == [second]


async def test_a_refused_candidate_that_went_live_meanwhile_stays_live(world: World) -> None:
    version = await world.publish()
    candidate = await world.registry.get(version)
    await world.rollout.add_candidate(candidate)
    await world.rollout.promote(version)
    await world.rollout.drop_candidate(candidate)
    assert (await world.registry.get(version)).state is AdapterState.LIVE
    assert await world.ask() == version


async def test_rolling_back_twice_goes_back_two_versions_and_then_says_there_is_none(
    world: World,
) -> None:
    first = await world.publish()
    await world.rollout.promote(first)
    second = await world.publish()
    await world.rollout.promote(second)
    both = await asyncio.gather(
        world.rollout.roll_back(second), world.rollout.roll_back(second), return_exceptions=True
    )
    assert await world.live_rows() == [first]
    assert any(not isinstance(one, BaseException) for one in both)
    await world.rollout.roll_back(first)
    assert await world.ask() == "v0"
    with pytest.raises(AdapterError, match="no version before v0"):
        await world.rollout.roll_back("v0")


async def test_only_a_promotion_warms_and_it_warms_every_engine(world: World) -> None:
    version = await world.publish()
    await world.rollout.promote(version)
    await world.rollout.roll_back(version)
    assert world.warmed == [("v0", 1), (version, 2)]  # the first: engine 2 beside engine 1


async def _can_serve(world: World, number: int) -> bool:
    return world.engines.clients[number].can_serve


async def _knows(world: World, number: int, version: str) -> bool:
    return version in await world.known_to(number)
