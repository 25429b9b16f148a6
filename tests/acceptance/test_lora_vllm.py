"""The grouped LoRA kernels inside the real vLLM on CPU: nobody gets another's adapter."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from empo_serve.config import EngineSection, ModelSection
from empo_serve.engine.managed import free_port, has_gpu, serves_v0_as_base, vllm_command
from empo_serve.engine.process import ChildProcess
from empo_serve.train.zero_adapter import zero_adapter

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(600),
    pytest.mark.skipif(has_gpu(), reason="CPU"),
]

BASE = "base"
SECTION = EngineSection(max_model_len=512, max_num_seqs=16, max_loras=3, cpu_kv_cache_gib=1)
PROMPTS = [f"The capital of {country} is" for country in ("France", "Japan", "Italy", "Peru")]


def write_adapter(model_dir: Path, path: Path, rank: int, seed: int) -> None:
    zero_adapter(model_dir, path, rank, alpha=rank)
    weights = path / "adapter_model.safetensors"
    random = np.random.default_rng(seed)
    tensors = {n: random.normal(0, 0.03, t.shape) for n, t in load_file(weights).items()}
    save_file({n: t.astype(np.float32) for n, t in tensors.items()}, weights)


class Engine:
    """vLLM as the server starts it, in float32: texts may then be compared letter by letter."""

    def __init__(self, url: str, log: Path, adapters: Path) -> None:
        self.url, self.log, self.adapters = url, log, adapters

    def post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=300) as response:
            raw = response.read()
        return json.loads(raw) if raw.startswith(b"{") else raw

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=5):
                return True
        except OSError:
            return False

    def load(self, name: str) -> None:
        body = {"lora_name": name, "lora_path": str(self.adapters / name)}
        self.post("/v1/load_lora_adapter", body)

    async def texts(self, asked: list[tuple[str, str]]) -> list[str]:
        """Greedy answers to (model, prompt), all at once."""

        def one(model: str, prompt: str) -> str:
            body = {"model": model, "prompt": prompt, "temperature": 0, "max_tokens": 16}
            return str(self.post("/v1/completions", body)["choices"][0]["text"])

        return list(await asyncio.gather(*(asyncio.to_thread(one, *pair) for pair in asked)))


@pytest.fixture(scope="module")
def engine(demo_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("lora")
    for seed, (name, rank) in enumerate([("a2", 2), ("a8", 8), ("b8", 8), ("c8", 8), ("d8", 8)]):
        write_adapter(demo_model_dir, folder / name, rank, seed)
    assert serves_v0_as_base(SECTION), "empo-serve is not installed with its entry points"
    model = ModelSection(path=str(demo_model_dir), name=BASE, dtype="float32")
    port = free_port()
    command, env = vllm_command(SECTION, model, demo_model_dir, port, 8)
    engine = Engine(f"http://127.0.0.1:{port}", folder / "engine.log", folder)
    with asyncio.Runner() as runner:
        child = runner.run(ChildProcess.start(command, engine.log, env=env))
        try:
            runner.run(_until_up(engine, child))
            for name in ("a2", "a8", "b8"):
                engine.load(name)
            yield engine
        finally:
            runner.run(child.stop())


async def _until_up(engine: Engine, child: ChildProcess) -> None:
    while True:
        assert child.returncode is None, child.last_lines(30)
        if await asyncio.to_thread(engine.is_up):
            return
        await asyncio.sleep(0.5)


def test_the_engine_says_that_it_uses_them(engine: Engine) -> None:
    assert "LoRA on CPU runs on the grouped kernels of empo_serve" in engine.log.read_text()


async def test_in_a_mixed_batch_everybody_gets_what_they_get_alone(engine: Engine) -> None:
    asked = [(model, prompt) for prompt in PROMPTS for model in (BASE, "a2", "a8", "b8")]
    alone = [(await engine.texts([pair]))[0] for pair in asked]
    assert len(set(alone)) > len(PROMPTS)  # the adapters do change the answers
    assert await engine.texts(asked) == alone


async def test_another_adapter_in_the_same_slot_is_used_at_once(engine: Engine) -> None:
    prompt = PROMPTS[0]
    before = await engine.texts([(model, prompt) for model in (BASE, "a2", "a8", "b8")])
    # Two more than there are slots: the oldest give way.
    for name in ("c8", "d8"):
        engine.load(name)
    await engine.texts([("c8", prompt), ("d8", prompt)])
    after = await engine.texts([(model, prompt) for model in (BASE, "a2", "a8")])
    assert after == before[:3]
    others = await engine.texts([("c8", prompt), ("d8", prompt), ("b8", prompt)])
    assert others[2] == before[3]
