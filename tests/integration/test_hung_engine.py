"""An engine that hangs without dying, as its users and its operator see it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest
from openai import APIError, OpenAI
from serving import Served, free_port

pytestmark = pytest.mark.slow

SETTINGS = (
    *("engine.kind=fake", "semantics.equivalence=rules", "train.enabled=false"),
    *("privacy.learn=false", "engine.health_interval_s=0.1", "engine.stall_timeout_s=1"),
)


def engine_of(server: Served) -> psutil.Process:
    return psutil.Process(server.get("/admin/v1/status", admin=True)[1]["engine"]["pid"])


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_an_engine_that_hangs_is_replaced_and_its_users_are_told_at_once(tmp_path: Path) -> None:
    slow = 'engine.args=["--tokens-per-s", "10", "--min-tokens", "200"]'
    server = Served(tmp_path / "data", *SETTINGS, slow).wait_ready()
    client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    try:
        engine = engine_of(server)
        with ThreadPoolExecutor() as pool:
            whole = pool.submit(server.chat, "not streamed")
            stream = iter(
                client.chat.completions.create(
                    model="fake", messages=[{"role": "user", "content": "streamed"}], stream=True
                )
            )
            next(stream)
            stopped = time.monotonic()
            os.kill(engine.pid, signal.SIGSTOP)
            with pytest.raises(APIError, match="stopped in the middle"):
                list(stream)
            assert whole.result()[0] == 503
        server.until(lambda: is_gone(engine))
        assert time.monotonic() - stopped < 10
        assert server.metric("empo_engine_stalls_total") == 1
        assert server.get("/health/ready")[0] == 503
        assert "the engine hangs: no progress for" in server.log.read_text()
        server.until(lambda: server.get("/health/ready")[0] == 200)
        assert server.chat("x", max_tokens=1)[0] == 200
        assert server.metric("empo_engine_restarts_total") == 1
        # The next one hangs while idle, and is replaced before a user meets it.
        os.kill(engine_of(server).pid, signal.SIGSTOP)
        server.until(lambda: server.metric("empo_engine_restarts_total") == 2)
        server.until(lambda: server.get("/health/ready")[0] == 200)
        assert server.chat("x", max_tokens=1)[0] == 200
        last = engine_of(server)
    finally:
        assert server.stop() == 0
    assert is_gone(last)


def test_an_engine_that_computes_longer_than_the_patience_is_left_alone(tmp_path: Path) -> None:
    """As vLLM on a CPU with a long prompt: it says nothing at all, not even that it is healthy."""
    slow = 'engine.args=["--busy-s", "2"]'
    server = Served(tmp_path / "data", *SETTINGS, slow).wait_ready()
    try:
        engine = engine_of(server)
        status, answer = server.chat("not streamed")
        assert status == 200, (answer, server.log.read_text())
        assert server.metric("empo_engine_stalls_total") == 0
        assert engine_of(server) == engine
    finally:
        assert server.stop() == 0


def test_an_engine_that_does_not_start_is_tried_again_and_the_operator_is_told(
    tmp_path: Path,
) -> None:
    port = free_port()
    server = Served(tmp_path / "data", *SETTINGS, f"engine.port={port}").wait_ready()
    try:
        engine_of(server).kill()
        server.until(lambda: "it died (exit code -9)" in str(server.get("/health/ready")))
        # Now somebody else has the engine's port, and says no to everything.
        with HTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as other:
            Thread(target=other.serve_forever).start()
            server.until(lambda: "it does not start" in str(server.get("/health/ready")))
            assert server.chat("x")[0] == 503
            shown = status_command(server)
            other.shutdown()
        assert f"http://127.0.0.1:{port}: it does not start (tries: 1)" in shown
        server.until(lambda: server.get("/health/ready")[0] == 200)
        assert server.chat("x")[0] == 200
        assert "next try in 2 s: the engine stopped while starting" in server.log.read_text()
    finally:
        assert server.stop() == 0


def status_command(server: Served) -> str:
    setting = f"server.admin_port={server.admin_port}"
    command = [sys.executable, "-m", "empo_serve", "status", "--set", setting]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
