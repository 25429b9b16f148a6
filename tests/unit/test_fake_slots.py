"""The fake engine's slots, where the order of events matters to the tick."""

from __future__ import annotations

import asyncio

from empo_serve.engine.fake.slots import Slots


async def test_a_slot_given_to_a_waiter_that_is_cancelled_at_once_is_not_lost() -> None:
    slots = Slots(1)

    async def wait_for_a_slot() -> None:
        async with slots.hold(0):
            raise AssertionError("it was cancelled before it could run")

    async with slots.hold(0):
        waiter = asyncio.create_task(wait_for_a_slot())
        await asyncio.sleep(0)
        assert slots.num_waiting == 1
    waiter.cancel()  # the slot is the waiter's by now, but it has not run since
    await asyncio.gather(waiter, return_exceptions=True)
    assert waiter.cancelled()
    async with asyncio.timeout(5), slots.hold(0):
        assert (slots.num_running, slots.num_waiting) == (1, 0)
