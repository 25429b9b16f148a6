"""Many clients at once: none is refused, cut off or left without its answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from aiohttp import web
from serving import Served

from empo_serve.config import Config
from empo_serve.metrics import Metrics
from empo_serve.supervisor.listen import listen, site

STREAMS, TOKENS = 200, 5


@contextlib.contextmanager
def soft_file_limit(files: int) -> Iterator[None]:
    """For children that are started inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def read_stream(session: aiohttp.ClientSession, url: str, body: bytes) -> list[bytes]:
    headers = {"Content-Type": "application/json"}
    async with session.post(url, data=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        return (await response.read()).split(b"\n\n")


async def test_200_streams_at_once_all_come_whole_where_few_files_may_be_open(
    tmp_path: Path,
) -> None:
    # The gateway needs two sockets for each stream: more than its soft limit lets it open.
    with soft_file_limit(STREAMS + 56):
        server = Served(
            tmp_path / "data",
            "engine.kind=fake",
            f"engine.max_num_seqs={STREAMS}",
            # Slow enough that all of them are open at the same time.
            'engine.args=["--tokens-per-s", "5"]',
            "semantics.equivalence=rules",
            "sampling.fraction=0",
        )
    try:
        server.wait_ready()
        body = {
            "messages": [{"role": "user", "content": "What is the word?"}],
            "stream": True,
            "max_tokens": TOKENS,
            "ignore_eos": True,
        }
        url, raw = server.url + "/v1/chat/completions", json.dumps(body).encode()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            streams = await asyncio.gather(
                *(read_stream(session, url, raw) for _ in range(STREAMS))
            )
        for events in streams:
            # The role, the tokens, [DONE], and nothing after the last separator.
            assert len(events) == 1 + TOKENS + 2
            assert events[-2:] == [b"data: [DONE]", b""]
    finally:
        assert server.stop() == 0


async def test_a_burst_of_connections_waits_while_the_server_is_busy() -> None:
    sock = listen("127.0.0.1", 0, "server.port")
    async with site(web.Application(), sock, Config(), Metrics()):
        with contextlib.ExitStack() as clients:
            for _ in range(500):
                # Nothing accepts them: this test holds the server's event loop.
                client = socket.create_connection(sock.getsockname(), timeout=0.5)
                clients.callback(client.close)
