"""Engines that others run: found when they come, left alone when they are gone."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from serving import Served, free_port

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
        *("engine.kind=attached", f"engine.urls=[{urls}]", "engine.health_interval_s=0.1"),
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
