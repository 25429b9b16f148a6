"""What an engine, or a load balancer before it, says to one user stays with that user."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import TestServer

from empo_serve.engine.client import EngineClient


async def test_a_cookie_of_one_answer_does_not_go_out_with_the_next_request() -> None:
    cookies: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        cookies.append(dict(request.cookies))
        response = web.json_response({})
        response.set_cookie("session", "of the first user")
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    # By name: cookies of bare addresses are not kept anyway.
    async with TestServer(app, host="localhost") as server:
        client = EngineClient(str(server.make_url("")), request_timeout_s=5)
        try:
            for _ in range(2):
                async with await client.post("chat", b"{}") as response:
                    assert response.status == 200
        finally:
            await client.close()
    assert cookies == [{}, {}]
