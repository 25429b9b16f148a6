"""The real vLLM, slow and then hung: the first is left alone, the second is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from openai import APIError, OpenAI
from openai_http import post_json
from serving import Served, free_port

from empo_serve.config import EngineSection, ModelSection
from empo_serve.engine.managed import vllm_command

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

PATIENCE_S = 4.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, demo_model_dir: Path) -> Iterator[Served]:
    running = Served(
        tmp_path_factory.mktemp("hung") / "data",
        *(f"model.path={demo_model_dir}", "model.name=demo", "engine.max_model_len=4096"),
        *("train.enabled=false", "privacy.learn=false", "semantics.equivalence=rules"),
        *(f"engine.stall_timeout_s={PATIENCE_S}", "engine.health_interval_s=0.5"),
    ).wait_ready(300)
    yield running
    assert running.stop() == 0, running.log.read_text()


@pytest.fixture(scope="module")
def client(server: Served) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=300)


def engine_of(server: Served) -> int:
    return int(server.get("/admin/v1/status", admin=True)[1]["engine"]["pid"])


def test_requests_that_take_much_longer_than_the_patience_raise_no_alarm(
    server: Served, client: OpenAI
) -> None:
    """Not streamed, so no byte comes until the end; and the first one waits for vLLM's warm-up.

    Long prompts that share no prefix, and more tokens as long as the machine is too quick for it.
    """
    engine, max_tokens, took_s = engine_of(server), 16, 0.0
    while took_s < 2 * PATIENCE_S:
        prompts = [f"{number}: " + "The sea, the wind and the stars. " * 150 for number in range(8)]
        started = time.monotonic()
        answer = client.completions.create(
            model="demo", prompt=prompts, max_tokens=max_tokens, extra_body={"ignore_eos": True}
        )
        took_s = time.monotonic() - started
        assert len(answer.choices) == len(prompts)
        max_tokens *= 2
    print(f"{took_s:.1f} s for one request, with a patience of {PATIENCE_S} s")
    assert server.metric("empo_engine_stalls_total") == 0
    assert engine_of(server) == engine


def test_a_stopped_vllm_is_found_killed_and_replaced(server: Served, client: OpenAI) -> None:
    engine = psutil.Process(engine_of(server))
    stream = client.completions.create(
        model="demo",
        prompt="Once upon a time",
        max_tokens=1500,
        stream=True,
        extra_body={"ignore_eos": True},
    )
    chunks = iter(stream)
    next(chunks)
    stopped = time.monotonic()
    # All of its processes: while the one that computes goes on, the engine does not count as hung.
    for process in (engine, *engine.children(recursive=True)):
        process.suspend()
    with pytest.raises(APIError, match="stopped in the middle"):
        list(chunks)
    told_after_s = time.monotonic() - stopped
    assert PATIENCE_S <= told_after_s < 3 * PATIENCE_S
    assert server.metric("empo_engine_stalls_total") == 1
    server.until(lambda: server.get("/health/ready")[0] == 200, 300)
    assert client.completions.create(model="demo", prompt="The sky is", max_tokens=4).choices
    assert not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE
    assert server.metric("empo_engine_restarts_total") == 1


@pytest.fixture
def two_processes(demo_model_dir: Path, tmp_path: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A vLLM of somebody else, as on a GPU: one process for HTTP, another one that computes.

    Gives its URL and the second process.
    """
    port = free_port()
    section = EngineSection(max_model_len=1024, max_num_seqs=16)
    model = ModelSection(path=str(demo_model_dir), name="demo", dtype="bfloat16")
    command, env = vllm_command(section, model, demo_model_dir, port, lora_rank=16)
    env["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    with open(tmp_path / "vllm.log", "wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **env}, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 300
        while not is_healthy(url):
            assert process.poll() is None, (tmp_path / "vllm.log").read_text()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        # The first request to vLLM takes long, and its two processes say nothing meanwhile.
        warm_up = {"model": "demo", "prompt": "a", "max_tokens": 1}
        assert post_json(url, "/v1/completions", warm_up).status == 200
        children = psutil.Process(process.pid).children(recursive=True)
        yield url, max(children, key=lambda child: child.memory_info().rss)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/health", timeout=10) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_a_vllm_that_calls_itself_healthy_while_its_core_hangs_is_found_and_comes_back(
    two_processes: tuple[str, psutil.Process], demo_model_dir: Path, tmp_path: Path
) -> None:
    url, core = two_processes
    server = Served(
        tmp_path / "data",
        *("engine.kind=attached", f'engine.urls=["{url}"]', f"model.path={demo_model_dir}"),
        *("model.name=demo", "train.enabled=false", "privacy.learn=false"),
        *("semantics.equivalence=rules", "engine.stall_timeout_s=8"),
    ).wait_ready(120)
    try:
        assert server.chat("x", max_tokens=4)[0] == 200
        core.suspend()
        stopped = time.monotonic()
        assert server.chat("y", max_tokens=4)[0] == 503
        assert 8 <= time.monotonic() - stopped < 24
        assert is_healthy(url)
        assert server.get("/health/ready")[0] == 503
        assert server.metric("empo_engine_stalls_total") == 1
        core.resume()
        server.until(lambda: server.get("/health/ready")[0] == 200)
        assert server.chat("z", max_tokens=4)[0] == 200
        assert server.metric("empo_engine_stalls_total") == 1
    finally:
        assert server.stop() == 0
