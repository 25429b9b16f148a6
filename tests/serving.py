"""Runs `empo-serve serve` as a user does: a child process, found over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Served:
    """A running server. `settings` are passed as --set."""

    def __init__(self, data_dir: Path, *settings: str, config: Path | None = None) -> None:
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self.data_dir = data_dir
        self.log = data_dir.with_name(f"{data_dir.name}.{self.port}.log")
        command = [sys.executable, "-m", "empo_serve", "serve"]
        if config is not None:
            command += ["--config", str(config)]
        for setting in (
            f"server.port={self.port}",
            f"server.admin_port={self.admin_port}",
            f"server.data_dir={data_dir}",
            *settings,
        ):
            command += ["--set", setting]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env=os.environ
            )

    def wait_ready(self, timeout_s: float = 60.0) -> Served:
        deadline = time.monotonic() + timeout_s
        while self.get("/health/ready")[0] != 200:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return self

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def get(self, path: str, admin: bool = False) -> tuple[int, Any]:
        return self._call("GET", path, None, admin, {})

    def post(
        self,
        path: str,
        body: Any = None,
        admin: bool = False,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._call("POST", path, raw, admin, headers or {})

    def delete(self, path: str) -> tuple[int, Any]:
        return self._call("DELETE", path, None, True, {})

    def chat(self, text: str, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        body = {"messages": [{"role": "user", "content": text}], **fields}
        return self.post("/v1/chat/completions", body, headers=headers)

    def groups_of(self, questions: Sequence[str]) -> list[dict[str, Any]]:
        """Ask up to a hundred questions, one by one, and wait until each has a group: the stored
        groups, with their samples."""
        for question in questions:
            assert self.chat(question, max_tokens=4)[0] == 200
        self.until(lambda: self.metric("empo_band_decisions_total") == len(questions))
        _, page = self.get("/admin/v1/queries?limit=100", admin=True)
        ids = [query["query_id"] for query in page["queries"]]
        return [self.get(f"/admin/v1/queries/{query_id}", admin=True)[1] for query_id in ids]

    def metric(self, name: str) -> float:
        """The sum over all label values of a metric."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        values = [
            float(x.rsplit(" ", 1)[1]) for x in lines if x.split("{")[0].split(" ")[0] == name
        ]
        assert values, f"no metric {name}"
        return sum(values)

    def wait_sampled(self) -> None:
        """Wait until no query waits to be sampled or is being sampled."""
        self.until(
            lambda: (
                self.metric("empo_background_queue") == self.metric("empo_background_inflight") == 0
            )
        )

    def until(self, question: Any, timeout_s: float = 60.0) -> Any:
        """Poll until `question()` is truthy, and return what it says."""
        deadline = time.monotonic() + timeout_s
        while not (answer := question()):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return answer

    def _call(
        self, method: str, path: str, raw: bytes | None, admin: bool, headers: dict[str, str]
    ) -> tuple[int, Any]:
        request = urllib.request.Request(
            (self.admin_url if admin else self.url) + path,
            method=method,
            data=raw,
            headers={"Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.status, _decode(response.read())
        except urllib.error.HTTPError as e:
            with e:
                return e.code, _decode(e.read())
        except (urllib.error.URLError, ConnectionError):
            return 0, None


def _decode(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode()
