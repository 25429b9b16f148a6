"""Stopping: users finish or are told, nobody new comes in, and no process is left behind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai import APIError, OpenAI
from openai_http import post_json
from serving import Served

FAKE = ("engine.kind=fake", "semantics.equivalence=rules")
# Answers of two seconds, of which the client sees the beginning after 0.2.
SLOW = 'engine.args=["--first-token-s", "0.2", "--tokens-per-s", "20", "--min-tokens", "40"]'
ENDLESS = 'engine.args=["--tokens-per-s", "20", "--min-tokens", "4000"]'
HELLO = {"messages": [{"role": "user", "content": "x"}]}
MARK = "PROCESSES_OF_TEST"


class Family:
    """Every process that was started, directly or not, by the servers of one test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._mark = uuid.uuid4().hex
        monkeypatch.setenv(MARK, self._mark)

    def alive(self) -> list[psutil.Process]:
        return [p for p in psutil.process_iter() if p.pid != os.getpid() and self._is_ours(p)]

    def wait_until_gone(self, timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while alive := self.alive():
            assert time.monotonic() < deadline, alive
            time.sleep(0.05)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self._mark
        except psutil.Error:
            return False  # another user's, or gone


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    family = Family(monkeypatch)
    yield family
    for process in family.alive():
        process.kill()


def start_stream(server: Served) -> Any:
    client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    stream = client.chat.completions.create(
        model="fake", messages=[{"role": "user", "content": "slowly"}], stream=True
    )
    next(iter(stream))
    return stream


def running(server: Served) -> float:
    return server.metric("empo_requests_inflight")


NOT_READY = {"status": "not ready", "reason": "stopping"}


def test_running_requests_finish_while_nobody_new_comes_in(tmp_path: Path, family: Family) -> None:
    server = Served(tmp_path / "data", *FAKE, SLOW).wait_ready()
    kept_alive = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    kept_alive.request("GET", "/health/live")
    kept_alive.getresponse().read()
    with ThreadPoolExecutor() as pool:
        whole = pool.submit(server.chat, "whole")
        sampled = pool.submit(server.chat, "sampled", empo={"samples": 4})
        server.until(lambda: running(server) == 2)
        stream = start_stream(server)
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: server.get("/health/ready") == (503, NOT_READY), timeout_s=1)
        assert server.get("/health/live")[0] == 200
        server.process.send_signal(signal.SIGTERM)  # changes nothing
        for connection in (kept_alive, http.client.HTTPConnection("127.0.0.1", server.port)):
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(HELLO), headers)
            refused = connection.getresponse()
            assert refused.status == 503
            assert refused.headers["Retry-After"]
            assert refused.headers["Connection"] == "close"
            assert "shutting down" in json.load(refused)["error"]["message"]
        assert server.process.poll() is None
        assert list(stream)[-1].choices[0].finish_reason == "stop"
        assert whole.result()[0] == 200
        status, body = sampled.result()
        assert (status, body["empo"]["samples"]) == (200, 4)
    assert server.process.wait(10) == 0, server.log.read_text()
    assert not family.alive()
    assert "Traceback" not in server.log.read_text()


def test_what_runs_too_long_is_cut_with_an_error(tmp_path: Path, family: Family) -> None:
    server = Served(tmp_path / "data", *FAKE, ENDLESS, "server.shutdown_timeout_s=0.5").wait_ready()
    with ThreadPoolExecutor() as pool:
        whole = pool.submit(post_json, server.url, "/v1/chat/completions", HELLO)
        server.until(lambda: running(server) == 1)
        stream = start_stream(server)
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(APIError, match="in the middle of this answer"):
            list(stream)
        answer = whole.result()
        assert (answer.status, answer.body["error"]["code"]) == (503, 503)
    assert server.process.wait(10) == 0, server.log.read_text()
    assert not family.alive()
    assert "Traceback" not in server.log.read_text()


def test_learning_does_not_hold_up_the_end(tmp_path: Path, family: Family) -> None:
    server = Served(tmp_path / "data", *FAKE, ENDLESS).wait_ready()
    assert server.chat("x", max_tokens=1)[0] == 200
    server.until(lambda: server.metric("empo_background_inflight") == 1)
    asked = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 0, server.log.read_text()
    assert time.monotonic() - asked < 5
    assert not family.alive()


@pytest.mark.parametrize("num_children", [0, 2])
def test_a_signal_while_starting_leaves_nothing_behind(
    tmp_path: Path, family: Family, num_children: int
) -> None:
    """When the ports answer, and when the second child is there."""
    server = Served(tmp_path / "data", *FAKE)
    server.until(lambda: server.get("/health/live")[0] == 200)
    server.until(lambda: len(family.alive()) > num_children)
    assert server.get("/health/ready")[0] == 503
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0, server.log.read_text()
    assert not family.alive()
    assert "Traceback" not in server.log.read_text()


def test_a_killed_server_takes_its_children_with_it(tmp_path: Path, family: Family) -> None:
    server = Served(tmp_path / "data", *FAKE, ENDLESS).wait_ready()
    server.until(lambda: len(family.alive()) >= 4)  # with the engine, the scorer, its workers
    start_stream(server)
    server.process.kill()
    server.process.wait()
    family.wait_until_gone()
