"""Commands that ask a running server through its admin API."""

from __future__ import annotations

import argparse
import json
import os
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from empo_serve.config import Config, load_config
from empo_serve.errors import EmpoError

_KEY = "EMPO_ADMIN_KEY"
_FILES = ("adapter_config.json", "adapter_model.safetensors")


class AdminClient:
    """The admin API of the server that a configuration describes."""

    def __init__(self, config: Config) -> None:
        host = config.server.admin_host
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        host = f"[{host}]" if ":" in host else host
        self.url = f"http://{host}:{config.server.admin_port}"
        key = os.environ.get(_KEY, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise EmpoError(f"the variable {_KEY} does not hold an API key")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def call(
        self, method: str, path: str, body: bytes | None = None, content_type: str = ""
    ) -> dict[str, Any]:
        """Raises EmpoError with the server's own message."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=body if body is not None or method != "POST" else b"",
            headers=self._headers | ({"Content-Type": content_type} if content_type else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as e:
            try:
                message = json.load(e)["error"]["message"]
            except (ValueError, KeyError, TypeError):
                message = f"the server answered {e.code}"
            if e.code in (401, 403):
                message = f"{message} Put a key with the scope admin into the variable {_KEY}."
            raise EmpoError(message) from e
        except OSError as e:
            reason = getattr(e, "reason", e)
            raise EmpoError(
                f"no server answers at {self.url} ({reason}); start one with empo-serve serve, or "
                "point --set server.admin_port=... at it"
            ) from e


def adapters(options: argparse.Namespace) -> int:
    client = _client(options)
    if options.action == "list":
        _print_adapters(client.call("GET", "/admin/v1/adapters")["adapters"])
        return 0
    if options.action == "import":
        adapter = client.call("POST", "/admin/v1/adapters", *_upload(Path(options.adapter)))
        print(f"{adapter['version']} is {adapter['state']}")
        if adapter["state"] == "REJECTED":
            failed = [
                f"{c['name']}: {c['detail']}"
                for c in adapter["gate"].get("checks", [])
                if c["passed"] is False
            ]
            raise EmpoError(f"the gate refused it: {'; '.join(failed)}")
        return 0
    version = options.adapter
    if version is None:
        key = "live" if options.action == "rollback" else "pinned"
        version = client.call("GET", "/admin/v1/status")[key]
        if version is None:
            raise EmpoError(f"no version is {key}")
    path = f"/admin/v1/adapters/{quote(version, safe='')}"
    if options.action == "show":
        print(json.dumps(client.call("GET", path), indent=1))
        return 0
    adapter = client.call("POST", f"{path}/{options.action}")
    state = "unpinned" if options.action == "unpin" else adapter["state"]
    print(f"{adapter['version']} is {state}")
    return 0


def buffer(options: argparse.Namespace) -> int:
    client = _client(options)
    if options.action == "stats":
        answer = client.call("GET", "/admin/v1/status")
        for state, count in answer["buffer"].items():
            print(f"{state:<12} {count}")
        for mark, count in answer["set_aside"].items():
            print(f"{mark:<12} {count}")
    elif options.action == "delete":
        answer = client.call("DELETE", f"/admin/v1/queries/{quote(options.query_id, safe='')}")
        if not answer["deleted"]:
            raise EmpoError(f"there is no stored query {options.query_id}")
        print(f"deleted {options.query_id}")
    else:
        cursor = ""
        while True:
            page = client.call("GET", f"/admin/v1/queries?limit=100{cursor}")
            for row in page["queries"]:
                print(json.dumps(client.call("GET", f"/admin/v1/queries/{row['query_id']}")))
            if page["cursor"] is None:
                break
            cursor = f"&cursor={page['cursor']}"
    return 0


def status(options: argparse.Namespace) -> int:
    client = _client(options)
    answer = client.call("GET", "/admin/v1/status")
    if options.json:
        print(json.dumps(answer, indent=1))
        return 0
    learning, counts, last = answer["learning"], answer["buffer"], answer["last_update"]
    engine = answer["engine"]
    state = "ready" if answer["ready"] else f"not ready: {answer['not_ready_reason']}"
    rows = [
        ("server", f"empo-serve {answer['empo_serve']}, {state}"),
        ("model", answer["model"]),
        (
            "engine",
            f"{engine['kind']} {engine['version']}, {sum(engine['up'])} of {len(engine['up'])} up",
        ),
        *(
            ("", f"{url}: {why}")
            for url, why in zip(engine["urls"], engine["why_down"], strict=True)
            if why is not None
        ),
        ("live", f"{answer['live']}{' (pinned)' if answer['pinned'] else ''}"),
        *([("canary", answer["canary"])] if answer["canary"] else []),
        ("learning", learning["summary"]),
        *(("", f"{guard['guard']}: {guard['advice']}") for guard in learning["guards"]),
        ("groups", ", ".join(f"{n} {s.lower()}" for s, n in counts.items() if n) or "none yet"),
    ]
    if judge := answer["judge"]:
        part = "takes part" if judge["takes_part"] else "takes no part"
        rows.append(("judge", f"{judge['model']} {part}: {judge['check']}"))
    if last is not None:
        text = f"{last['update_id']}: {last['state'].lower()} {last['version'] or ''}"
        rows.append(("last update", text))
        if last["error"]:
            rows.append(("", last["error"]))
    print("\n".join(f"{name:<12} {text}" for name, text in rows))
    return 0


def _client(options: argparse.Namespace) -> AdminClient:
    return AdminClient(load_config(options.config, options.set))


def _print_adapters(rows: list[dict[str, Any]]) -> None:
    print(f"{'VERSION':<9}{'STATE':<13}{'PARENT':<8}{'GROUPS':>6}  {'LOADED':<7}CREATED")
    for row in rows:
        created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["created_at"]))
        state = row["state"] + (" (pinned)" if row["pinned"] else "")
        loaded = "yes" if row["loaded"] else "no"
        print(
            f"{row['version']:<9}{state:<13}{row['parent'] or '-':<8}{row['trained_groups']:>6}  "
            f"{loaded:<7}{created}"
        )


def _upload(folder: Path) -> tuple[bytes, str]:
    """The two files of an adapter as a multipart body, and its content type."""
    boundary = uuid.uuid4().hex
    parts = []
    for name in _FILES:
        try:
            content = (folder / name).read_bytes()
        except OSError as e:
            raise EmpoError(f"{folder} is no adapter directory: {name}: {e.strerror}") from e
        disposition = f'form-data; name="{name}"; filename="{name}"'
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n"
        parts += [head.encode(), content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
