"""How the engines of the contract suite are started."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

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


VLLM_ENV = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))),
    # Threads that spin while they wait starve each other where cores are shared.
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
}


def fake_command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "empo_serve.engine.fake"),
        *("--model", MODEL, "--port", str(port)),
        *("--max-model-len", str(MAX_MODEL_LEN), "--max-lora-rank", str(MAX_LORA_RANK)),
    ]


def vllm_command(port: int, model_dir: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry"),
        *("--model", str(model_dir), "--served-model-name", MODEL),
        *("--host", "127.0.0.1", "--port", str(port), "--api-server-count", "1"),
        *("--max-model-len", str(MAX_MODEL_LEN), "--max-num-seqs", "16", "--block-size", "32"),
        *("--enable-lora", "--max-loras", "4", "--max-cpu-loras", "16"),
        *("--max-lora-rank", str(MAX_LORA_RANK), "--scheduling-policy", "priority"),
        *("--enable-prefix-caching", "--logprobs-mode", "processed_logprobs"),
        *("--generation-config", "vllm", "--enforce-eager", "--dtype", "bfloat16"),
    ]
