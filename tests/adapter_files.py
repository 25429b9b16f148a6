"""Small LoRA directories in PEFT's format, for tests that need files but no model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

RANK = 2


def write_adapter(directory: Path, *, seed: int | None, fake: dict[str, Any] | None = None) -> Path:
    """A LoRA of one layer. `seed` None leaves B at zero, so that it changes nothing; `fake` is how
    the fake engine is to behave under it."""
    directory.mkdir(parents=True)
    rng = np.random.default_rng(seed or 0)
    lora_b = np.zeros((8, RANK)) if seed is None else rng.normal(size=(8, RANK))
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    save_file(
        {
            f"{layer}.lora_A.weight": rng.normal(size=(RANK, 8)).astype(np.float32),
            f"{layer}.lora_B.weight": lora_b.astype(np.float32),
        },
        directory / "adapter_model.safetensors",
    )
    config: dict[str, Any] = {"peft_type": "LORA", "r": RANK, "lora_alpha": 4}
    if fake is not None:
        config["fake"] = fake
    (directory / "adapter_config.json").write_text(json.dumps(config))
    return directory


def write_model(directory: Path) -> Path:
    """As much of a model as version v0 and an attached fake engine need."""
    directory.mkdir(parents=True)
    (directory / "config.json").write_text("{}", encoding="utf-8")
    weights = {"model.layers.0.mlp.up_proj.weight": np.zeros((8, 8), np.float32)}
    save_file(weights, directory / "model.safetensors")
    return directory
