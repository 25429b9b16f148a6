"""An engine whose every byte a test sends by hand, with a gateway attached to it.

It answers by itself only what the gateway asks for its own sake: health, version, adapters.
"""

from __future__ import annotations

import json
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from adapter_files import write_model
from serving import Served

WAIT_S = 20.0
SSE = "text/event-stream; charset=utf-8"


class Call:
    """A user's request that waits for the test to answer it."""

    def __init__(self, connection: socket.socket, body: dict[str, Any]) -> None:
        self._socket = connection
        self.body = body

    @property
    def model(self) -> str:
        return str(self.body["model"])

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def begin_stream(self, content_type: str = SSE) -> None:
        self.send(
            f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
            "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

    def send_chunk(self, raw: bytes) -> None:
        """All bytes in one piece of a stream."""
        self.send(b"%x\r\n%b\r\n" % (len(raw), raw))

    def end_stream(self) -> None:
        self.send(b"0\r\n\r\n")
        self.end()

    def answer(self, raw: bytes, content_type: str = "application/json", status: int = 200) -> None:
        head = f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
        self.send(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
        self.end()

    def end(self) -> None:
        """Close the connection."""
        self._socket.close()

    def reset(self) -> None:
        """Close the connection as a crash does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.end()

    def garble(self) -> None:
        """Go on with what is no piece of a stream, and close the connection."""
        self.send(b"zz\r\n")
        self.end()

    def wait_until_client_is_gone(self) -> None:
        """Raises TimeoutError when the gateway keeps the connection."""
        with suppress(ConnectionResetError):
            while self._socket.recv(4096):
                pass


class HandEngine:
    def __init__(self) -> None:
        self._calls: queue.Queue[Call] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def next_call(self) -> Call:
        return self._calls.get(timeout=WAIT_S)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(WAIT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as file:
            path = file.readline().decode().split()[1]
            length = 0
            while (line := file.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            raw = file.read(length)
        if path.endswith("completions"):
            self._calls.put(Call(connection, json.loads(raw)))
            return
        own = b'{"version": "by hand"}' if path == "/version" else b'{"data": []}'
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(own), own)
        )
        connection.close()


@contextmanager
def attached_gateway(folder: Path, *settings: str) -> Iterator[tuple[HandEngine, Served]]:
    """A hand-driven engine, and a gateway before it that serves it as `fake`."""
    engine = HandEngine()
    server = Served(
        folder / "data",
        *("engine.kind=attached", f'engine.urls=["{engine.url}"]', "model.name=fake"),
        *(f"model.path={write_model(folder / 'model')}", "train.enabled=false"),
        *("semantics.equivalence=rules", "sampling.fraction=0"),
        *settings,
    )
    try:
        yield engine, server.wait_ready()
        assert server.stop() == 0, server.log.read_text()
        assert "Traceback" not in server.log.read_text(), server.log.read_text()
    finally:
        server.process.kill()
        server.process.wait()
        engine.close()
