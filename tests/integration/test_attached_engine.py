"""Engines that others run: found when they come, left alone when they are gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import APIError, OpenAI
from safetensors.numpy import save_file
from serving import Served, free_port

pytestmark = pytest.mark.slow

StartEngine = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start_engine() -> Iterator[StartEngine]:
    started: list[subprocess.Popen[bytes]] = []

    def start(port: int, *args: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "empo_serve.engine.fake", "--model", "fake"]
        engine = subprocess.Popen([*command, "--port", str(port), *args])
        started.append(engine)
        return engine

    yield start
    for engine in started:
        engine.kill()
        engine.wait()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """As much of a model as version v0 and the fake engine need."""
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text("{}")
    weights = {"model.layers.0.mlp.up_proj.weight": np.zeros((8, 8), np.float32)}
    save_file(weights, directory / "model.safetensors")
    return directory


def settings(model: Path, *ports: int) -> tuple[str, ...]:
    urls = ", ".join(f'"{url(port)}"' for port in ports)
    return (
        *("engine.kind=attached", f"engine.urls=[{urls}]"),
        *("engine.health_interval_s=0.1", "engine.stall_timeout_s=1", "privacy.learn=false"),
        *(f"model.path={model}", "train.enabled=false", "semantics.equivalence=rules"),
    )


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def test_an_engine_that_ends_is_down_and_is_used_again_when_it_is_back(
    tmp_path: Path, model: Path, start_engine: StartEngine
) -> None:
    port = free_port()
    engine = start_engine(port)
    server = Served(tmp_path / "data", *settings(model, port)).wait_ready()
    try:
        assert server.chat("x")[0] == 200
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        server.until(lambda: server.get("/health/ready")[0] == 503)
        assert server.chat("x")[0] == 503
        start_engine(port)
        server.until(lambda: server.get("/health/ready")[0] == 200)
        # The new process has to be told of the adapter.
        assert server.chat("x")[0] == 200
        with urllib.request.urlopen(url(port) + "/v1/models", timeout=10) as models:
            assert b"empo-" in models.read()
    finally:
        assert server.stop() == 0


# An answer takes two seconds.
SLOW = ("--tokens-per-s", "10", "--min-tokens", "20")


def test_an_engine_that_hangs_gets_nothing_more_until_it_goes_on(
    tmp_path: Path, model: Path, start_engine: StartEngine
) -> None:
    port = free_port()
    engine = start_engine(port, *SLOW)
    server = Served(tmp_path / "data", *settings(model, port)).wait_ready()
    client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    try:
        with ThreadPoolExecutor() as pool:
            whole = pool.submit(server.chat, "not streamed")
            stream = iter(
                client.chat.completions.create(
                    model="model", messages=[{"role": "user", "content": "x"}], stream=True
                )
            )
            next(stream)
            stopped = time.monotonic()
            engine.send_signal(signal.SIGSTOP)
            with pytest.raises(APIError, match="stopped in the middle"):
                list(stream)
            assert whole.result()[0] == 503
        assert time.monotonic() - stopped < 10
        assert server.metric("empo_engine_stalls_total") == 1
        assert server.get("/health/ready")[0] == 503
        engine.send_signal(signal.SIGCONT)
        server.until(lambda: server.get("/health/ready")[0] == 200)
        assert server.chat("x", max_tokens=1)[0] == 200
        assert server.metric("empo_engine_stalls_total") == 1
    finally:
        assert server.stop() == 0


def test_a_hung_engine_is_not_used_again_for_saying_that_it_is_healthy(
    tmp_path: Path, model: Path, start_engine: StartEngine
) -> None:
    port = free_port()
    start_engine(port, "--hang-after", "0")
    server = Served(tmp_path / "data", *settings(model, port)).wait_ready()
    try:
        assert server.chat("x")[0] == 503
        # The user's request, the one that settled the doubt, and those that ask whether it is back.
        server.until(lambda: _stats(port)["requests"] >= 4)
        assert server.get("/health/ready")[0] == 503
        assert server.metric("empo_engine_stalls_total") == 1
    finally:
        assert server.stop() == 0


def _stats(port: int) -> Any:
    with urllib.request.urlopen(url(port) + "/fake/stats", timeout=10) as stats:
        return json.load(stats)


def test_what_waits_for_a_hung_engine_is_answered_by_another(
    tmp_path: Path, model: Path, start_engine: StartEngine
) -> None:
    ports = (free_port(), free_port())
    engines = [start_engine(port, *SLOW) for port in ports]
    server = Served(tmp_path / "data", *settings(model, *ports)).wait_ready()
    server.until(lambda: all(server.get("/admin/v1/status", admin=True)[1]["engine"]["up"]))
    try:
        with ThreadPoolExecutor() as pool:
            engines[0].send_signal(signal.SIGSTOP)
            waiting = [pool.submit(server.chat, f"question {number}") for number in range(4)]
            assert [answer.result()[0] for answer in waiting] == [200] * 4
        assert server.metric("empo_engine_stalls_total") == 1
        assert server.get("/health/ready")[0] == 200
        assert server.get("/admin/v1/status", admin=True)[1]["engine"]["up"] == [False, True]
    finally:
        assert server.stop() == 0
