"""The real vLLM, slow and then hung: the first is left alone, the second is replaced."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from openai import APIError, OpenAI
from serving import Served

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
    os.kill(engine.pid, signal.SIGSTOP)
    with pytest.raises(APIError, match="stopped in the middle"):
        list(chunks)
    told_after_s = time.monotonic() - stopped
    assert PATIENCE_S <= told_after_s < 3 * PATIENCE_S
    assert server.metric("empo_engine_stalls_total") == 1
    server.until(lambda: server.get("/health/ready")[0] == 200, 300)
    assert client.completions.create(model="demo", prompt="The sky is", max_tokens=4).choices
    assert not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE
    assert server.metric("empo_engine_restarts_total") == 1
