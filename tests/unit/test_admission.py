"""Room in the engine: users always get it, background work what they leave."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.config import Config
from empo_serve.engine.admission import Admission, Lease
from empo_serve.metrics import Metrics


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock | None = None, up: int = 1, seqs: int = 16, **sampling: Any) -> Admission:
    config = Config.model_validate(
        {
            "engine": {"kind": "fake", "max_num_seqs": seqs},
            "sampling": {"max_seqs": 8, "when": "capacity", "ttft_budget_s": 1.0, **sampling},
        }
    )
    return Admission(config, lambda: up, Metrics(), clock or Clock())


async def granted(admission: Admission, stack: AsyncExitStack, num_seqs: int) -> Lease:
    return await asyncio.wait_for(
        stack.enter_async_context(admission.background(num_seqs)), timeout=5
    )


def test_background_work_has_a_cap_below_the_engines() -> None:
    assert make().room() == 8
    assert make(up=2).room() == 16
    assert make(max_seqs=0, seqs=64).room() == 16


def test_there_is_no_room_while_no_engine_is_up() -> None:
    assert make(up=0).room() == 0


def test_users_take_room_from_background_work_until_there_is_none() -> None:
    admission = make()
    with admission.user(12, stream=False):
        assert admission.room() == 4
        with admission.user(9, stream=False):
            assert admission.room() == 0
    assert admission.room() == 8


def test_on_an_idle_only_engine_any_user_takes_all_the_room_until_it_is_quiet() -> None:
    clock = Clock()
    admission = make(clock, when="idle")
    assert admission.room() == 8
    with admission.user(1, stream=False):
        assert admission.room() == 0
    assert admission.room() == 0
    clock.now += 1
    assert admission.room() == 8


def test_there_is_no_room_while_a_stream_waits_too_long_for_its_first_token() -> None:
    clock = Clock()
    admission = make(clock)
    with admission.user(1, stream=True) as turn:
        clock.now += 1.5
        assert admission.room() == 0
        admission.first_token(turn)
        assert admission.room() == 0  # it was slow a moment ago
        clock.now += 11
        assert admission.room() == 8
    with admission.user(1, stream=False):
        clock.now += 60
        assert admission.room() == 8  # an answer that comes all at once says nothing of waiting


def test_quick_first_tokens_leave_room() -> None:
    clock = Clock()
    admission = make(clock)
    with admission.user(1, stream=True) as turn:
        clock.now += 0.1
        admission.first_token(turn)
        assert admission.room() == 8


async def test_a_burst_of_users_cuts_off_the_newest_background_work_first() -> None:
    admission = make()
    async with AsyncExitStack() as stack:
        old = await granted(admission, stack, 4)
        new = await granted(admission, stack, 4)
        running = [asyncio.create_task(lease.run(asyncio.sleep(60))) for lease in (old, new)]
        await asyncio.sleep(0)
        with admission.user(10, stream=False):  # leaves 6
            assert await asyncio.wait_for(running[1], 5) is False
            assert not old.was_cut
            with admission.user(6, stream=False):
                assert await asyncio.wait_for(running[0], 5) is False


async def test_work_that_is_not_cut_off_ends_by_itself() -> None:
    admission = make()
    async with admission.background(3) as lease:
        assert lease.num_seqs == 3
        assert await lease.run(asyncio.sleep(0)) is True


async def test_a_failure_of_the_work_is_its_own() -> None:
    async def fail() -> None:
        raise ValueError("mine")

    async with make().background(1) as lease:
        with pytest.raises(ValueError, match="mine"):
            await lease.run(fail())


async def test_work_gets_what_is_free_and_waits_while_nothing_is() -> None:
    admission = make()
    async with AsyncExitStack() as stack:
        await granted(admission, stack, 6)
        assert (await granted(admission, stack, 6)).num_seqs == 2
        waiting = asyncio.create_task(granted(admission, AsyncExitStack(), 6))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await stack.aclose()
        assert (await waiting).num_seqs == 6


async def test_room_that_a_user_leaves_is_given_at_once() -> None:
    admission = make()
    async with AsyncExitStack() as stack:
        with ExitStack() as users:
            users.enter_context(admission.user(16, stream=False))
            waiting = asyncio.create_task(granted(admission, stack, 4))
            await asyncio.sleep(0.01)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 0.4)  # sooner than the next look around


@given(st.lists(st.tuples(st.sampled_from("ubUB"), st.integers(1, 6)), max_size=40))
def test_background_and_users_together_never_exceed_the_engine(
    steps: list[tuple[str, int]],
) -> None:
    async def play() -> None:
        admission = make()
        users: list[ExitStack] = []
        background: list[asyncio.Task[None]] = []

        async def work(num: int) -> None:
            async with admission.background(num) as lease:
                await lease.run(asyncio.sleep(3600))

        user_seqs: list[int] = []
        for kind, num in steps:
            if kind == "u":
                stack = ExitStack()
                stack.enter_context(admission.user(num, stream=False))
                users.append(stack)
                user_seqs.append(num)
            elif kind == "U" and users:
                users.pop(0).close()
                user_seqs.pop(0)
            elif kind == "b":
                background.append(asyncio.create_task(work(num)))
            elif kind == "B" and background:
                background.pop(0).cancel()
            for _ in range(8):  # let everything that was cut off end
                await asyncio.sleep(0)
            assert admission.num_background_seqs <= max(0, min(8, 16 - sum(user_seqs)))
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        assert admission.num_background_seqs == 0

    asyncio.run(play())


async def test_what_must_not_wait_for_ever_runs_beside_users_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("empo_serve.engine.admission._PATIENCE_S", 0.05)
    admission, done = make(), []

    async def work() -> None:
        done.append(admission.num_background_seqs)

    await admission.run_soon(work)
    with admission.user(16, stream=False):
        await asyncio.wait_for(admission.run_soon(work), 5)
    assert done == [1, 0]  # in room of its own; beside the users


async def test_short_work_that_is_cut_off_is_done_again() -> None:
    admission, tries = make(), 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0 if tries > 1 else 60)

    running = asyncio.create_task(admission.run_soon(work))
    await asyncio.sleep(0.01)
    with admission.user(16, stream=False):
        pass
    await asyncio.wait_for(running, 5)
    assert tries == 2
