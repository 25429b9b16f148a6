"""Clients that send or read too slowly: their connections are ended, so that they hold nothing.

Headers that come too slowly are the business of the keep-alive time of aiohttp, which runs from
the connection's start, or its last answer, until a request's headers are complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from empo_serve.server.errors import BadRequest
from empo_serve.server.keys import MAX_BODY_BYTES, METRICS

_LOOKS_PER_TIMEOUT = 5


async def read_body(request: web.Request, timeout_s: float) -> bytes:
    """The body of a request. Raises BadRequest when it is compressed or comes too slowly."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        # Nobody needs it, and a small body could become a huge one.
        raise BadRequest(
            "Compressed request bodies are not accepted: send it without Content-Encoding.",
            status=415,
            kind="UnsupportedMediaTypeError",
        )
    limit = request.app[MAX_BODY_BYTES]
    if (length := request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, length)
    if request.content.is_eof():
        return await request.read()  # all of it came with the headers: no clock is needed
    try:
        async with asyncio.timeout(timeout_s):
            return await request.read()
    except TimeoutError as e:
        request.app[METRICS].rejected.labels(reason="slow_body").inc()
        raise BadRequest(
            f"The request body did not arrive within {timeout_s:g} s.",
            status=408,
            kind="RequestTimeoutError",
            headers={"Connection": "close"},
        ) from e


async def cut_slow_readers(
    server: web.Server, timeout_s: float, on_cut: Callable[[], None]
) -> None:
    """End, for ever, each connection whose client takes nothing off it for `timeout_s`.

    A connection counts as stuck while its buffer holds bytes and their number stays the same: a
    writer that is waiting for the client adds none, and a client that reads takes some. Looking
    from outside costs the streams nothing, and sees whole answers as well as streamed ones.
    """
    stuck: dict[web.RequestHandler, tuple[int, float]] = {}
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(timeout_s / _LOOKS_PER_TIMEOUT)
        now = loop.time()
        before, stuck = stuck, {}
        for connection in server.connections:
            transport = connection.transport
            unread = transport.get_write_buffer_size() if transport is not None else 0
            if transport is None or not unread:
                continue
            size, since = before.get(connection, (unread, now))
            stuck[connection] = (unread, since if size == unread else now)
            if now - stuck[connection][1] >= timeout_s:
                del stuck[connection]
                transport.abort()
                on_cut()
