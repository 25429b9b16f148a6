"""Listening sockets and the HTTP applications on them."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from empo_serve.config import Config
from empo_serve.errors import StartupError

# Clients that may wait to be accepted: as many as may arrive at once.
_BACKLOG = 1024
# Enough for 30,000 streams. The hard limit itself can be a billion, which slows down programs that
# go through all possible files.
_MAX_OPEN_FILES = 65_536


def raise_open_file_limit() -> None:
    """Each stream holds two sockets, so the usual soft limit of 1,024 files ends at 500 streams."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def listen(host: str, port: int, key: str) -> socket.socket:
    """A listening socket, so that a taken port is known before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as e:
        sock.close()
        reason = os.strerror(e.errno) if e.errno else str(e)
        raise StartupError(f"cannot listen on {host}:{port} ({reason}); set {key}") from e
    return sock


def url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def site(app: web.Application, sock: socket.socket, config: Config) -> AsyncIterator[None]:
    # A client that leaves cancels its handler, which closes the engine's connection, which ends
    # the generation. The access log would hold users' request lines; the metrics have the rest.
    runner = web.AppRunner(
        app,
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=config.server.shutdown_timeout_s,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, sock, backlog=_BACKLOG).start()
        yield
    finally:
        await runner.cleanup()
