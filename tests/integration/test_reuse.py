"""Further samples of a query are drawn along the first ones, where that pays and is exact."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from serving import Served

from empo_serve.config import EngineSection
from empo_serve.engine.attached import AttachedEngine
from empo_serve.engine.client import EngineClient
from empo_serve.engine.pool import EnginePool
from empo_serve.errors import EngineUnavailable

# The fake engine answers a quarter of all prompts with one word in three forms, nearly always.
QUESTIONS = [f"Which word is number {number}?" for number in range(32)]


def choice(token_id: int, logprob: float) -> dict[str, Any]:
    return {"token_ids": [token_id], "logprobs": {"token_logprobs": [logprob]}}


@pytest.mark.parametrize(
    ("status", "answer", "is_exact"),
    [
        pytest.param(200, {"choices": [choice(5, -1e-7)]}, True, id="after the bias"),
        pytest.param(200, {"choices": [choice(5, -9.5)]}, False, id="before the bias"),
        pytest.param(200, {"choices": [choice(9, -1e-7)]}, False, id="the bias does nothing"),
        pytest.param(200, {"choices": [{"text": "a"}]}, False, id="no token ids"),
        pytest.param(200, {}, False, id="no answer"),
        pytest.param(400, {"error": {"message": "logit_bias?"}}, False, id="refused"),
    ],
)
async def test_an_engine_is_asked_whether_it_reports_what_it_samples_by(
    status: int, answer: dict[str, Any], is_exact: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def respond(request: web.Request) -> web.Response:
        return web.json_response(answer, status=status)

    assert await checked(respond) is is_exact
    assert ("--logprobs-mode processed_logprobs" in caplog.text) is not is_exact


async def test_an_engine_that_breaks_off_is_asked_again_later() -> None:
    async def respond(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    with pytest.raises(EngineUnavailable):
        await checked(respond)


async def test_an_engine_that_comes_up_again_is_asked_again() -> None:
    """It may have been started anew, with other flags."""

    was_asked = asyncio.Event()

    async def on_ready(client: EngineClient) -> None:
        was_asked.set()

    async def healthy(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/health", healthy)
    async with TestServer(app) as server:
        client = EngineClient(str(server.make_url("")), request_timeout_s=5)
        client.has_exact_logprobs = True
        section = EngineSection(kind="attached", urls=(client.url,))
        engine = AttachedEngine(client, section, on_ready, lambda: "v0", lambda: None)
        engine.start()
        try:
            while not client.is_up:
                await asyncio.wait_for(was_asked.wait(), 10)
                await asyncio.sleep(0)
            assert client.has_exact_logprobs is None
        finally:
            await engine.stop()
            await client.close()


async def checked(respond: Any) -> bool | None:
    app = web.Application()
    app.router.add_post("/v1/completions", respond)
    async with TestServer(app) as server:
        client = EngineClient(str(server.make_url("")), request_timeout_s=5)
        try:
            await client.check_logprobs("v0")
        except EngineUnavailable:
            assert client.has_exact_logprobs is None
            raise
        finally:
            await client.close()
    return client.has_exact_logprobs


def sampled(data_dir: Path, *settings: str) -> tuple[list[dict[str, Any]], float, float]:
    """The stored groups of QUESTIONS; samples that repeat others, and tokens that were written."""
    server = Served(
        data_dir,
        *("engine.kind=fake", "semantics.equivalence=rules", "train.enabled=false"),
        *("sampling.early_stop=false", *settings),
    ).wait_ready()
    try:
        rows = server.groups_of(QUESTIONS)
        prompts = sum(len(row["prompt_token_ids"]) for row in rows)
        written = server.metric("empo_background_tokens_total") - prompts
        return rows, server.metric("empo_samples_repeated_total"), written
    finally:
        assert server.stop() == 0, server.log.read_text()


async def test_nothing_is_reused_unless_every_engine_has_said_so() -> None:
    def answers(logprob: float) -> web.Application:
        async def respond(request: web.Request) -> web.Response:
            asked.append(logprob)
            return web.json_response({"choices": [choice(5, logprob)]})

        app = web.Application()
        app.router.add_post("/v1/completions", respond)
        return app

    asked: list[float] = []
    async with TestServer(answers(-1e-7)) as good, TestServer(answers(-9.5)) as bad:
        pool = EnginePool([str(good.make_url("")), str(bad.make_url(""))], request_timeout_s=5)
        first, second = pool.clients
        try:
            first.is_up = True
            assert not pool.have_exact_logprobs
            await pool.check_logprobs("v0")
            assert pool.have_exact_logprobs
            second.is_up = True
            assert not pool.have_exact_logprobs
            await pool.check_logprobs("v0")
            assert not pool.have_exact_logprobs
        finally:
            await pool.close()
    assert asked == [-1e-7, -9.5], "each is asked once"


@pytest.mark.slow
def test_repetitions_are_whole_samples_that_cost_no_tokens(tmp_path: Path) -> None:
    rows, repeated, written = sampled(tmp_path / "data")
    assert {len(row["samples"]) for row in rows} == {8}
    assert repeated > 20
    samples = [sample for row in rows for sample in row["samples"]]
    assert all(s["token_ids"] and s["finish_reason"] == "stop" for s in samples)
    # None is shorter than a word and an end.
    assert written <= num_tokens(rows) - 2 * repeated


@pytest.mark.slow
def test_without_reuse_the_engine_writes_every_sample(tmp_path: Path) -> None:
    rows, repeated, written = sampled(tmp_path / "data", "sampling.reuse_known=false")
    assert {len(row["samples"]) for row in rows} == {8}
    assert repeated == 0
    assert written == num_tokens(rows)


def num_tokens(rows: list[dict[str, Any]]) -> int:
    return sum(len(sample["token_ids"]) for row in rows for sample in row["samples"])
