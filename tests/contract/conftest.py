"""The engines that the contract suite runs against: the fake one, and vLLM itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from adapter_files import write_adapter
from engines import Engine, fake_command, running, vllm_command
from openai_http import post_json
from serving import free_port


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
    port = free_port()
    logs = tmp_path_factory.mktemp("engine")
    if request.param == "fake":
        zero = write_adapter(logs / "zero", seed=None)
        other = write_adapter(logs / "other", seed=1)
        command, env = fake_command(port), dict[str, str]()
    else:
        zero = request.getfixturevalue("zero_adapter_dir")
        other = request.getfixturevalue("random_adapter_dir")
        command, env = vllm_command(port, request.getfixturevalue("demo_model_dir"))
    with running(command, env, port, logs / "engine.log") as url:
        for name, directory in (("zero", zero), ("other", other)):
            body = {"lora_name": name, "lora_path": str(directory)}
            assert post_json(url, "/v1/load_lora_adapter", body).status == 200
        # The first request to vLLM takes long, whatever it is.
        warm_up = {"model": "zero", "prompt": "a", "max_tokens": 1}
        assert post_json(url, "/v1/completions", warm_up).status == 200
        yield Engine(url, request.param, zero, other)


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(engine.url) as session:
        yield session
