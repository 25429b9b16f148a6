"""What only a real engine shows: clients that leave in the middle, and a server that stops."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from engines import Engine
from openai_http import post
from prometheus_client.parser import text_string_to_metric_families
from serving import Served

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("engine", ["vllm"], indirect=True),
]
NUM_TOKENS = 400
LONG: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Count from one to a hundred."}],
    "extra_body": {"ignore_eos": True},
}


def serve(engine: Engine, model: Path, folder: Path) -> Served:
    return Served(
        folder,
        *("engine.kind=attached", f'engine.urls=["{engine.url}"]', "model.name=public"),
        *(f"model.path={model}", "train.rank=2", "train.enabled=false"),
        *("semantics.equivalence=rules", "sampling.fraction=0"),
    ).wait_ready()


@pytest.fixture
def server(engine: Engine, demo_model_dir: Path, tmp_path: Path) -> Iterator[Served]:
    server = serve(engine, demo_model_dir, tmp_path / "data")
    yield server
    assert server.stop() == 0, server.log.read_text()


def openai_client(server: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def metric(engine: Engine, name: str) -> float:
    text = post(engine.url, "/metrics", None, method="GET").raw.decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )


def num_running(engine: Engine) -> float:
    return metric(engine, "vllm:num_requests_running")


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_client_that_leaves_ends_the_generation(
    engine: Engine, server: Served, has_begun: bool
) -> None:
    before = metric(engine, "vllm:generation_tokens_total")
    with openai_client(server) as client:
        if has_begun:
            stream = client.chat.completions.create(
                model="public", stream=True, max_tokens=NUM_TOKENS, **LONG
            )
            next(iter(stream))
            server.until(lambda: num_running(engine) == 1)
            stream.close()
        else:
            with pytest.raises(openai.APITimeoutError):
                client.with_options(timeout=1.0).chat.completions.create(
                    model="public", max_tokens=NUM_TOKENS, **LONG
                )
        server.until(lambda: num_running(engine) == 0)
    assert metric(engine, "vllm:generation_tokens_total") - before < NUM_TOKENS


def test_ten_stops_cut_no_answer(engine: Engine, demo_model_dir: Path, tmp_path: Path) -> None:
    for number in range(10):
        server = serve(engine, demo_model_dir, tmp_path / f"data-{number}")
        with openai_client(server) as client, ThreadPoolExecutor() as pool:
            whole = pool.submit(
                client.chat.completions.create, model="public", max_tokens=40, **LONG
            )
            stream = client.chat.completions.create(
                model="public", stream=True, max_tokens=60, **LONG
            )
            first = next(iter(stream))
            server.until(lambda: server.metric("empo_requests_inflight") == 2)  # noqa: B023
            server.process.send_signal(signal.SIGTERM)
            chunks = [first, *stream]
            assert chunks[-1].choices[0].finish_reason == "length"
            assert whole.result().choices[0].finish_reason == "length"
        assert server.process.wait(20) == 0, server.log.read_text()
        assert num_running(engine) == 0
