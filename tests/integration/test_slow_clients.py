"""Clients that send or read too slowly hold nothing for long, and others do not notice them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.request
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest
from aiohttp import web
from guarded import connect
from serving import Served

from empo_serve.server.slow_clients import cut_slow_readers
from empo_serve.supervisor.listen import listen

TIMEOUT_S = 1.0
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(
        tmp_path_factory.mktemp("slow") / "data",
        "engine.kind=fake",
        "semantics.equivalence=rules",
        "privacy.learn=false",
        "server.host=0.0.0.0",
        f"limits.client_timeout_s={TIMEOUT_S}",
        f"limits.keepalive_timeout_s={TIMEOUT_S}",
    ).wait_ready()
    yield server
    assert server.stop() == 0, server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_a_server_without_keys_that_others_can_reach_says_so_once(served: Served) -> None:
    log = served.log.read_text()
    assert log.count("no API keys are configured") == 1
    assert "0.0.0.0" in log


def dribble(sock: socket.socket, data: bytes, gap_s: float = 0.1) -> bytes:
    """Send byte by byte until the server says something or closes; what it says."""
    sock.settimeout(gap_s)
    deadline = time.monotonic() + 30
    for byte in data:
        assert time.monotonic() < deadline, "the server waits for ever"
        try:
            sock.sendall(bytes([byte]))
            return sock.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""
    raise AssertionError("the server took all of it")


def test_headers_that_come_too_slowly_end_the_connection(served: Served) -> None:
    with connect(served) as sock:
        started = time.monotonic()
        assert dribble(sock, POST + b"X: " + b"a" * 1000) == b""
        assert TIMEOUT_S * 0.5 < time.monotonic() - started < 15


def test_headers_after_an_answer_may_not_come_slowly_either(served: Served) -> None:
    with connect(served) as sock:
        sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        assert dribble(sock, POST + b"X: " + b"a" * 1000) == b""


@pytest.mark.parametrize(
    ("framing", "chunk"),
    [(b"Content-Length: 1000\r\n\r\n", b" "), (b"Transfer-Encoding: chunked\r\n\r\n", b"")],
)
def test_a_body_that_comes_too_slowly_gets_408(
    served: Served, framing: bytes, chunk: bytes
) -> None:
    before = served.metric("empo_rejected_total")
    with connect(served) as sock:
        sock.sendall(POST + framing)
        answer = dribble(sock, (chunk or b"1\r\n \r\n") * 1000)
        assert answer.startswith(b"HTTP/1.1 408")
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert (error["type"], error["code"]) == ("RequestTimeoutError", 408)
    assert served.metric("empo_rejected_total") == before + 1


def stream_request(**fields: Any) -> bytes:
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 4000, **fields}
    raw = json.dumps(body).encode()
    return POST + b"Content-Length: %d\r\n\r\n" % len(raw) + raw


ENDLESS = {
    "n": 64,
    "min_tokens": 4000,
    "ignore_eos": True,
    "logprobs": True,
    "top_logprobs": 20,
}


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_is_not_read_is_given_up_and_its_engine_request_too(
    served: Served, stream: bool
) -> None:
    process = psutil.Process(served.process.pid)
    before = served.metric("empo_rejected_total")
    tokens = {} if stream else {"n": 16, "max_tokens": 400, "min_tokens": 400}
    with connect(served, receive_buffer=4096) as sock:
        sock.sendall(stream_request(**{"stream": stream, **ENDLESS, **tokens}))
        served.until(lambda: served.metric("empo_rejected_total") > before)
        served.until(lambda: served.metric("empo_requests_inflight") == 0)
    assert process.memory_info().rss < 400 * 2**20
    if stream:
        served.until(lambda: engine_stats(served)["aborted"] >= 1)
    assert engine_stats(served)["running"] == 0


def engine_stats(served: Served) -> Any:
    url = served.get("/admin/v1/status", admin=True)[1]["engine"]["urls"][0]
    with urllib.request.urlopen(f"{url}/fake/stats", timeout=30) as response:
        return json.load(response)


@asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    timeout_s: float,
    receive_buffer: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, list[str]]]:
    """One request to a server of our own: the client's end, and what was cut."""
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    sock = listen("127.0.0.1", 0, "server.port")
    await web.SockSite(runner, sock).start()
    assert runner.server is not None
    cut: list[str] = []
    cutting = asyncio.create_task(
        cut_slow_readers(runner.server, timeout_s, lambda: cut.append("cut"))
    )
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(sock.getsockname())
    reader, writer = await asyncio.open_connection(sock=client)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        yield reader, cut
    finally:
        writer.close()
        cutting.cancel()
        await runner.cleanup()


async def test_an_answer_that_is_read_slowly_but_steadily_is_whole() -> None:
    """It takes several times as long as a client may read nothing."""
    size, timeout_s = 32 * 2**20, 0.5

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * size)

    async with serving(answer, timeout_s, 2**20) as (reader, cut):
        started = time.monotonic()
        for _ in range(32):
            await reader.readexactly(size // 32)
            await asyncio.sleep(timeout_s / 8)
        assert time.monotonic() - started > 3 * timeout_s
        assert cut == []


async def test_little_is_held_for_a_client_that_does_not_read() -> None:
    written = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)
            written += 10_000

    async with serving(answer, 0.5, 4096) as (_, cut):
        deadline = time.monotonic() + 30
        while not cut:
            assert time.monotonic() < deadline, "it was never cut"
            await asyncio.sleep(0.05)
    assert written < 2**20


def test_a_compressed_bomb_is_refused_unopened(served: Served) -> None:
    process = psutil.Process(served.process.pid)
    before = process.memory_info().rss
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * 2**20) for _ in range(200)) + packer.flush()
    with connect(served) as sock:
        head = POST + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        sock.sendall(head + bomb)
        assert sock.recv(65536).startswith(b"HTTP/1.1 415")
    assert process.memory_info().rss - before < 20 * 2**20
