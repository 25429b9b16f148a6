"""A served gateway with API keys and limits, on the fake engine."""

from __future__ import annotations

import hashlib
import json
import socket
import urllib.request
from pathlib import Path
from typing import Any

from serving import Served

# Holder of a key, its scopes, and its limits.
HOLDERS: dict[str, dict[str, Any]] = {
    "ann": {"scopes": ["serve", "learn"]},
    "private": {"scopes": ["serve"]},
    "ops": {"scopes": ["admin"]},
    "once": {"scopes": ["serve"], "requests_per_minute": 1},
    "single": {"scopes": ["serve"], "max_concurrent": 1},
    "few-tokens": {"scopes": ["serve"], "tokens_per_minute": 200},
    "streamer": {"scopes": ["serve"], "tokens_per_minute": 200},
}
KEYS = {name: f"sk-empo-test-key-of-{name}" for name in HOLDERS}
MAX_INFLIGHT = 8
SETTINGS = (
    "engine.kind=fake",
    "semantics.equivalence=rules",
    f"limits.max_inflight={MAX_INFLIGHT}",
    "limits.max_messages=20",
    "limits.max_tokens=100",
    "limits.max_n=8",
    "limits.max_body_bytes=100000",
    "limits.max_url_bytes=1000",
    "limits.max_header_bytes=2000",
)


def start(directory: Path, *settings: str) -> Served:
    """A ready server; half of its keys are in the configuration, half in the file."""
    tables = []
    for name, fields in HOLDERS.items():
        digest = hashlib.sha256(KEYS[name].encode()).hexdigest()
        fields = {"name": name, "sha256": digest} | fields
        tables.append([f"{key} = {json.dumps(value)}" for key, value in fields.items()])
    inline = "[" + ", ".join("{" + ", ".join(table) + "}" for table in tables[::2]) + "]"
    keys_file = directory / "keys.toml"
    keys_file.write_text("\n".join("[[keys]]\n" + "\n".join(table) for table in tables[1::2]))
    auth = (f"auth.keys={inline}", f"auth.keys_file={keys_file}")
    return Served(directory / "data", *SETTINGS, *auth, *settings).wait_ready()


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


def admin(served: Served, path: str, method: str = "GET") -> Any:
    """What the admin API answers to its operator."""
    request = urllib.request.Request(
        served.admin_url + path, headers=bearer("ops"), method=method, data=None
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def engine_stats(served: Served) -> Any:
    """What the engine saw."""
    url = admin(served, "/admin/v1/status")["engine"]["urls"][0]
    with urllib.request.urlopen(f"{url}/fake/stats", timeout=30) as response:
        return json.load(response)


def connect(served: Served, receive_buffer: int | None = None) -> socket.socket:
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", served.port))
    return sock


def begin_request(served: Served, holder: str) -> socket.socket:
    """A request whose body does not come: it holds its place until the socket is closed."""
    sock = connect(served)
    sock.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\nAuthorization: Bearer " + KEYS[holder].encode() + b"\r\n\r\n{"
    )
    return sock
