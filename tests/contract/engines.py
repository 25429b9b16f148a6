"""How the engines of the contract suite are started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

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


def vllm_command(port: int, model_dir: Path) -> tuple[list[str], dict[str, str]]:
    """vLLM exactly as the server starts it."""
    model = ModelSection(path=str(model_dir), name=MODEL, dtype="bfloat16")
    return managed.vllm_command(SECTION, model, model_dir, port, MAX_LORA_RANK)
