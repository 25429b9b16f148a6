"""How the engines of the contract suite are started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from openai_http import post_json

from empo_serve.config import EngineSection, ModelSection
from empo_serve.engine import managed

MODEL = "base"
MAX_MODEL_LEN = 512
MAX_LORA_RANK = 8


@dataclass(frozen=True)
class Engine:
    """A running engine; `zero` and `other` are loaded under these very names."""

    url: str
    kind: str
    zero_dir: Path
    other_dir: Path


SECTION = EngineSection(
    max_model_len=MAX_MODEL_LEN, max_num_seqs=16, max_loras=4, max_cpu_loras=16, cpu_kv_cache_gib=1
)


def fake_command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "empo_serve.engine.fake"),
        *("--model", MODEL, "--port", str(port)),
        *("--max-model-len", str(MAX_MODEL_LEN), "--max-lora-rank", str(MAX_LORA_RANK)),
    ]


def vllm_command(port: int, model_dir: Path, *args: str) -> tuple[list[str], dict[str, str]]:
    """vLLM exactly as the server starts it, with further arguments as engine.args adds them."""
    model = ModelSection(path=str(model_dir), name=MODEL, dtype="bfloat16")
    section = SECTION.model_copy(update={"args": args})
    return managed.vllm_command(section, model, model_dir, port, MAX_LORA_RANK)


@contextmanager
def running(command: list[str], env: dict[str, str], port: int, log: Path) -> Iterator[str]:
    """An engine from its first answer to its end; gives its URL."""
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
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own group: vLLM has children
            process.wait()


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
