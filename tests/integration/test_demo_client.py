"""The demo's client against a stand-in that answers wrongly on purpose: nothing slips through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy

from empo_serve.demo.client import Client
from empo_serve.demo.measure import measure
from empo_serve.demo.traffic import Prompt

PROMPT = Prompt("a", "d", "The capital of Italy?", ("Rome",))
CLUSTERS = [{"answer": "Rome", "count": 8, "probability": 1.0}]


class StandIn:
    """Answers as the server does; a test bends what it needs."""

    def __init__(self) -> None:
        self.requests: list[tuple[CIMultiDictProxy[str], dict[str, object]]] = []
        self.status = 200
        self.version = "v0"
        self.model = "public"
        self.stream_ids = ("1", "1")
        self.finish = "stop"

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "public"}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append((request.headers, body))
        if self.status != 200:
            return web.json_response({"error": {"message": "no"}}, status=self.status)
        headers = {"X-Empo-Version": self.version}
        common = {"model": self.model, "created": 1}
        if body.get("stream"):
            response = web.StreamResponse(headers=headers | {"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for chunk_id, finish in zip(self.stream_ids, (None, self.finish), strict=True):
                choice = {"index": 0, "delta": {"content": "Ro"}, "finish_reason": finish}
                chunk = common | {"id": chunk_id, "object": "c", "choices": [choice]}
                await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
            await response.write(b"data: [DONE]\n\n")
            return response
        message = {"role": "assistant", "content": "Rome"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = common | {"id": "1", "object": "chat.completion", "choices": [choice]}
        if "empo" in body:
            answer["empo"] = {
                "version": self.version,
                "semantic_entropy_norm": 0.0,
                "confidence": 1.0,
                "clusters": CLUSTERS,
            }
        return web.json_response(answer, headers=headers)


@pytest.fixture
async def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
async def client(stand_in: StandIn) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_get("/v1/models", stand_in.models)
    app.router.add_post("/v1/chat/completions", stand_in.chat)
    async with TestServer(app) as server:
        client = Client(str(server.make_url("")).rstrip("/"), max_tokens=24, num_samples=8)
        await client.open()
        yield client
        await client.close()


async def test_good_answers_are_counted_by_version(client: Client, stand_in: StandIn) -> None:
    await client.ask(PROMPT, stream=False, learn=True)
    stand_in.version = "v1"
    await client.ask(PROMPT, stream=True, learn=False)
    tally = client.tally
    assert (tally.total, tally.failed, tally.mixed, tally.streamed) == (2, 0, 0, 1)
    assert tally.by_version == {"v0": 1, "v1": 1}
    (learned, _), (private, _) = stand_in.requests
    assert "X-Empo-Learn" not in learned
    assert private["X-Empo-Learn"] == "no"


async def test_a_measurement_is_pinned_private_and_never_sends_gold(
    client: Client, stand_in: StandIn
) -> None:
    advanced = []
    measured = await measure(client, "v0", [PROMPT], lambda: advanced.append(1))
    assert measured["a"].sampled_accuracy == measured["a"].greedy_accuracy == 1.0
    assert advanced == [1]
    headers, body = stand_in.requests[0]
    assert (headers["X-Empo-Version"], headers["X-Empo-Learn"]) == ("v0", "no")
    assert body["empo"] == {"samples": 8, "answer": "first"}
    assert body["temperature"] == 0.0
    assert "Rome" not in json.dumps(body) + repr(headers)


async def test_a_failed_request_is_counted_once_and_not_tried_again(
    client: Client, stand_in: StandIn
) -> None:
    stand_in.status = 503
    await client.ask(PROMPT, stream=False, learn=True)
    assert await measure(client, "v0", [PROMPT], lambda: None) == {}
    assert (client.tally.total, client.tally.failed, client.tally.mixed) == (2, 2, 0)
    assert len(stand_in.requests) == 2


def other_version(stand_in: StandIn) -> None:
    stand_in.version = "v1"


def no_version(stand_in: StandIn) -> None:
    stand_in.version = ""


def engine_name(stand_in: StandIn) -> None:
    stand_in.model = "empo-v0"


def two_streams(stand_in: StandIn) -> None:
    stand_in.stream_ids = ("1", "2")


def measured(client: Client) -> Awaitable[object]:
    return client.measure(PROMPT, "v0")


def asked(client: Client) -> Awaitable[object]:
    return client.ask(PROMPT, stream=False, learn=True)


def streamed(client: Client) -> Awaitable[object]:
    return client.ask(PROMPT, stream=True, learn=True)


@pytest.mark.parametrize(
    ("request_", "bend"),
    [
        (measured, other_version),
        (measured, no_version),
        (measured, engine_name),
        (asked, no_version),
        (asked, engine_name),
        (streamed, no_version),
        (streamed, engine_name),
        (streamed, two_streams),
    ],
)
async def test_an_answer_of_mixed_versions_counts_as_mixed_and_failed(
    client: Client,
    stand_in: StandIn,
    request_: Callable[[Client], Awaitable[object]],
    bend: Callable[[StandIn], None],
) -> None:
    bend(stand_in)
    await request_(client)
    assert (client.tally.total, client.tally.failed, client.tally.mixed) == (1, 1, 1)


async def test_a_stream_that_never_finishes_has_failed(client: Client, stand_in: StandIn) -> None:
    stand_in.finish = None
    await client.ask(PROMPT, stream=True, learn=True)
    assert (client.tally.failed, client.tally.mixed) == (1, 0)
    assert "finish_reason" in client.tally.errors[0]


async def test_a_cancelled_request_is_neither_counted_nor_failed(client: Client) -> None:
    task = asyncio.create_task(client.ask(PROMPT, stream=False, learn=True))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.tally.total == 0
