"""What counts as a sign of life: a real client, the fake engine, and every way to be silent."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from empo_serve.config import EngineSection
from empo_serve.engine.client import EngineClient
from empo_serve.engine.fake.server import FakeEngine, Knobs
from empo_serve.engine.process import ChildProcess
from empo_serve.engine.progress import COMPUTING_FACTOR
from empo_serve.engine.watch import EngineWatch
from empo_serve.errors import EngineError, EngineUnavailable

SECTION = EngineSection(kind="fake", health_interval_s=0.05, stall_timeout_s=1.0)
CHAT = b'{"model": "base", "messages": [{"role": "user", "content": "x"}]}'
STREAM = CHAT.replace(b"{", b'{"stream": true, ', 1)


@asynccontextmanager
async def engine(**knobs: Any) -> AsyncIterator[EngineClient]:
    async with TestServer(FakeEngine(Knobs("base", **knobs)).app()) as server:
        client = EngineClient(str(server.make_url("")), request_timeout_s=60)
        try:
            yield client
        finally:
            await client.close()


async def seconds_until_stalled(
    client: EngineClient,
    limit_s: float,
    section: EngineSection = SECTION,
    child: ChildProcess | None = None,
) -> float | None:
    """Look for at most so long; None if the engine is still thought to be alive then."""
    watch = EngineWatch(client, section, lambda: "base", child)
    started = time.monotonic()
    try:
        while not watch.stall:
            if time.monotonic() - started > limit_s:
                return None
            await asyncio.sleep(section.health_interval_s)
            await watch.look()
        return time.monotonic() - started
    finally:
        await watch.close()


async def test_a_healthy_engine_with_a_request_that_shows_nothing_is_asked_for_a_token() -> None:
    """As one whose client does not read on: open, and no byte moves."""
    async with engine() as client:
        client.inflight = 1
        assert await seconds_until_stalled(client, limit_s=1.8) is None


async def test_an_engine_that_counts_its_steps_is_alive_before_the_first_token() -> None:
    async with engine(first_token_s=30) as client:
        waiting = asyncio.create_task(client.one_token("base"))
        assert await seconds_until_stalled(client, limit_s=1.8) is None
        waiting.cancel()


async def test_an_engine_that_is_healthy_by_its_word_but_answers_nobody_is_found() -> None:
    async with engine(hang_after=0) as client:
        client.inflight = 1
        found_s = await seconds_until_stalled(client, limit_s=20)
        assert found_s is not None
        assert found_s >= SECTION.stall_timeout_s


async def test_a_refusal_is_no_sign_of_life() -> None:
    """The server in front of a hung engine goes on refusing bad requests."""
    async with engine(fail_rate=1.0) as client:
        client.inflight = 1

        async def send_bad_requests() -> None:
            while True:
                async with await client.post("chat", CHAT) as response:
                    await response.read()
                await asyncio.sleep(0.05)

        sending = asyncio.create_task(send_bad_requests())
        assert await seconds_until_stalled(client, limit_s=20) is not None
        sending.cancel()


async def test_a_child_that_only_computes_gets_more_patience_but_not_for_ever(
    tmp_path: Path,
) -> None:
    impatient = SECTION.model_copy(update={"stall_timeout_s": 0.1})
    spinning = await ChildProcess.start(
        [sys.executable, "-c", "while True: pass"], tmp_path / "log"
    )
    try:
        async with engine(hang_after=0) as client:
            client.inflight = 1
            found_s = await seconds_until_stalled(client, 20, impatient, spinning)
            assert found_s is not None
            assert found_s >= COMPUTING_FACTOR * impatient.stall_timeout_s
    finally:
        await spinning.stop()


async def test_cutting_ends_what_waits_and_leaves_the_way_free_for_more() -> None:
    slow = {"tokens_per_s": 1.0, "min_tokens": 50}
    async with engine(**slow) as client, aiohttp.ClientSession(client.url) as direct:
        async with await client.post("chat", STREAM) as answer:
            await answer.content.readany()  # the role, before the first token
            reading = asyncio.create_task(answer.content.readany())
            waiting = asyncio.create_task(client.one_token("base"))
            running = 0
            while running < 2:
                async with direct.get("/fake/stats") as stats:
                    running = (await stats.json())["running"]
            await client.cut()
            with pytest.raises(EngineUnavailable):
                await waiting
            with pytest.raises(aiohttp.ClientError):
                await reading
        # As far as the engine itself: it refuses this one, so it was asked.
        with pytest.raises(EngineError) as refused:
            await client.one_token("unknown")
        assert refused.value.status == 404
