"""The engines that the contract suite runs against: the fake one, and vLLM itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from adapter_files import write_adapter
from engines import Engine, fake_command, vllm_command
from openai_http import post_json


@pytest.fixture(
    scope="session",
    params=[
        "fake",
        # Starting takes a minute, more where cores are shared.
        pytest.param("vllm", marks=[pytest.mark.vllm, pytest.mark.timeout(600)]),
    ],
)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    port = _free_port()
    logs = tmp_path_factory.mktemp("engine")
    if request.param == "fake":
        zero = write_adapter(logs / "zero", seed=None)
        other = write_adapter(logs / "other", seed=1)
        command, env = fake_command(port), dict[str, str]()
    else:
        zero = request.getfixturevalue("zero_adapter_dir")
        other = request.getfixturevalue("random_adapter_dir")
        command, env = vllm_command(port, request.getfixturevalue("demo_model_dir"))
    log = logs / "engine.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(url, process, log)
        for name, directory in (("zero", zero), ("other", other)):
            body = {"lora_name": name, "lora_path": str(directory)}
            assert post_json(url, "/v1/load_lora_adapter", body).status == 200
        # The first request to vLLM takes long, whatever it is.
        warm_up = {"model": "zero", "prompt": "a", "max_tokens": 1}
        assert post_json(url, "/v1/completions", warm_up).status == 200
        yield Engine(url, request.param, zero, other)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own group: vLLM has children
            process.wait()


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(engine.url) as session:
        yield session


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if post_json(url, "/health", None, method="GET").status == 200:
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the engine did not start:\n{log.read_text(errors='replace')[-3000:]}")
