"""Tiny random models, saved as Hugging Face directories, and jobs for them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from empo_serve.config import TrainSection
from empo_serve.train.job import BaseModel, Job, JobGroup, JobSample, config_sha256

VOCABULARY = 128

_SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "dtype": "float32",
}


def save_llama(directory: Path, **changes: Any) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    return _save(LlamaForCausalLM, LlamaConfig(**{**_SHAPE, **changes}), directory)


def save_qwen2(directory: Path, **changes: Any) -> Path:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return _save(Qwen2ForCausalLM, Qwen2Config(**{**_SHAPE, **changes}), directory)


def _save(model_class: Any, config: Any, directory: Path) -> Path:
    import torch

    torch.manual_seed(0)
    model_class(config).save_pretrained(directory)
    return directory


def make_group(group_id: int, clusters: list[int], seed: int = 0) -> JobGroup:
    """Samples in the given clusters; those of one cluster share their tokens."""
    rng = random.Random(f"{seed}:{group_id}")

    def tokens(n: int) -> tuple[int, ...]:
        return tuple(rng.randrange(3, VOCABULARY) for _ in range(n))

    answers = {c: tokens(rng.randrange(2, 7)) for c in sorted(set(clusters))}
    return JobGroup(
        group_id=group_id,
        query_id=f"query-{group_id}",
        version="v0",
        prompt_token_ids=tokens(rng.randrange(5, 12)),
        semantic_ids=tuple(clusters),
        semantic_entropy=0.5,
        samples=tuple(
            JobSample(answers[c], tuple(-4.8 for _ in answers[c]), f"answer {c}", False)
            for c in clusters
        ),
    )


def make_job(model: Path, groups: list[JobGroup] | None = None, **train: Any) -> Job:
    settings = {"rank": 4, "alpha": 8.0, "learning_rate": 1e-2, "threads": 1, **train}
    if groups is None:
        groups = [make_group(1, [0, 0, 0, 1]), make_group(2, [0, 1, 1, 2]), make_group(3, [0, 0])]
    return Job(
        update_id=1,
        parent_version="v0",
        base_model=BaseModel(str(model), config_sha256(model), "float32"),
        temperature=0.7,
        max_completion_length=16,
        train=TrainSection(**settings),
        groups=tuple(groups),
    )
