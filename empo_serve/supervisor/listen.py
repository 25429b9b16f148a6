"""Listening sockets and the HTTP applications on them."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from empo_serve.config import Config
from empo_serve.errors import StartupError
from empo_serve.metrics import Metrics
from empo_serve.server.slow_clients import cut_slow_readers

# Clients that may wait to be accepted: as many as may arrive at once.
_BACKLOG = 1024
# The kernel would take megabytes for a client that does not read. Connections inherit this.
_SEND_BUFFER_BYTES = 128 * 1024
# Enough for 30,000 streams. The hard limit itself can be a billion, which slows down programs that
# go through all possible files.
_MAX_OPEN_FILES = 65_536
_LAST_BYTES_S = 2.0


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
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
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


def is_loopback(sock: socket.socket) -> bool:
    return ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback


@asynccontextmanager
async def site(
    app: web.Application, sock: socket.socket, config: Config, metrics: Metrics
) -> AsyncIterator[None]:
    limits = config.limits
    # A client that leaves cancels its handler, which closes the engine's connection, which ends
    # the generation. The access log would hold users' request lines; the metrics have the rest.
    runner = web.AppRunner(
        app,
        handler_cancellation=True,
        access_log=None,
        # Users' requests are over by then; this is for their last bytes, and for operators.
        shutdown_timeout=_LAST_BYTES_S,
        logger=_LOG,
        keepalive_timeout=limits.keepalive_timeout_s,
        max_line_size=limits.max_url_bytes,
        max_field_size=limits.max_header_bytes,
        auto_decompress=False,
    )
    await runner.setup()
    assert runner.server is not None
    cutting = asyncio.create_task(
        cut_slow_readers(
            runner.server,
            limits.client_timeout_s,
            on_cut=metrics.rejected.labels(reason="slow_reader").inc,
        )
    )
    try:
        await web.SockSite(runner, sock, backlog=_BACKLOG).start()
        yield
    finally:
        await runner.cleanup()
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)


def _is_ours(record: logging.LogRecord) -> bool:
    """Bytes that are no HTTP are the client's mistake; the log would show them, keys included.
    Neither is it an error that a client leaves just before its answer."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | ConnectionResetError)


_LOG = logging.getLogger("empo_serve.http")
_LOG.addFilter(_is_ours)
