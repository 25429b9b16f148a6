"""Headers between the gateway and an engine, or a proxy that stands before the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from empo_serve.engine.client import EngineClient


@asynccontextmanager
async def engine(
    answer: Callable[[web.Request], Awaitable[web.Response]],
) -> AsyncIterator[EngineClient]:
    """A client of an engine that answers chats with `answer`."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    # By name: cookies of bare addresses are not kept anyway.
    async with TestServer(app, host="localhost") as server:
        client = EngineClient(str(server.make_url("")), request_timeout_s=5)
        try:
            yield client
        finally:
            await client.close()


async def test_a_cookie_of_one_answer_does_not_go_out_with_the_next_request() -> None:
    cookies: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        cookies.append(dict(request.cookies))
        response = web.json_response({})
        response.set_cookie("session", "of the first user")
        return response

    async with engine(answer) as client:
        for _ in range(2):
            async with await client.post("chat", b"{}") as response:
                assert response.status == 200
    assert cookies == [{}, {}]


async def test_an_engine_that_can_compress_its_answers_is_asked_not_to() -> None:
    async def answer(request: web.Request) -> web.Response:
        response = web.json_response({"text": "word " * 1000})
        response.enable_compression()
        return response

    async with engine(answer) as client, await client.post("chat", b"{}") as response:
        assert "Content-Encoding" not in response.headers
        assert (await response.read()).startswith(b'{"text": "word ')
