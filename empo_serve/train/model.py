"""The base model with its LoRA adapter (arXiv 2106.09685), and the optimiser's state."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from empo_serve.db.durable import publish_directory, temporary_beside
from empo_serve.errors import JobError
from empo_serve.train.job import OPTIMIZER, Job


def load_model(job: Job, job_dir: Path, device: torch.device) -> Any:
    """The PEFT model to train: base weights frozen, adapter from parent/ or new from the seed.

    The adapter is on all linear layers, in float32 whatever the base's precision is. The model
    is in eval mode: dropout would make the trainer's numbers differ from the sampler's.
    """
    # Everything that a job needs is on disk. Asking a model hub would be slow, and a leak.
    os.environ["HF_HUB_OFFLINE"] = "1"
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # our own lines say what goes on
    base = job.base_model
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base.path,
            dtype=base.dtype if base.dtype == "auto" else getattr(torch, base.dtype),
            attn_implementation="sdpa",
            local_files_only=True,
        )
    except (OSError, ValueError) as e:
        raise JobError(f"cannot load the base model {base.path}: {_first_line(e)}") from e
    torch.manual_seed(job.train.seed)
    parent = job_dir / "parent"
    if parent.exists():
        try:
            adapted = PeftModel.from_pretrained(
                model, parent, is_trainable=True, torch_device="cpu"
            )
        except (OSError, ValueError, RuntimeError) as e:
            raise JobError(f"cannot load the adapter in {parent}: {_first_line(e)}") from e
        rank = adapted.peft_config["default"].r
        if rank != job.train.rank:
            say(f"the parent has rank {rank}, and so has its child; train.rank is for new adapters")
    else:
        lora = LoraConfig(
            r=job.train.rank,
            lora_alpha=job.train.alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        adapted = get_peft_model(model, lora)
    adapted = adapted.to(device).eval()
    if job.train.gradient_checkpointing:
        _checkpoint_gradients(adapted)
    return adapted


def _checkpoint_gradients(model: Any) -> None:
    """Keep the input of each layer only, and compute the rest again in the backward pass."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    base = model.get_base_model()
    base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for module in base.modules():
        if isinstance(module, GradientCheckpointingLayer):
            # transformers asks this of the layer alone; what is inside stays without dropout.
            module.training = True


def trainable_parameters(model: Any) -> dict[str, torch.nn.Parameter]:
    """Name -> parameter of the adapter, in an order that does not depend on the process."""
    return {name: p for name, p in sorted(model.named_parameters()) if p.requires_grad}


def new_optimizer(
    parameters: dict[str, torch.nn.Parameter], learning_rate: float, job_dir: Path
) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101) without weight decay, going on from the parent's state if any."""
    optimizer = torch.optim.AdamW(list(parameters.values()), lr=learning_rate, weight_decay=0.0)
    path = job_dir / "parent" / OPTIMIZER
    if path.exists():
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as e:  # torch promises no narrower type for a file that is not its own
            raise JobError(f"cannot read the optimiser state {path}: {_first_line(e)}") from e
        shapes = {name: list(p.shape) for name, p in parameters.items()}
        # load_state_dict checks neither names nor shapes.
        if saved.get("shapes") != shapes:
            raise JobError(f"the optimiser state {path} belongs to another adapter")
        optimizer.load_state_dict(saved["adamw"])
        optimizer.param_groups[0]["lr"] = learning_rate
    return optimizer


def save_optimizer(
    optimizer: torch.optim.AdamW, parameters: dict[str, torch.nn.Parameter], path: Path
) -> None:
    shapes = {name: list(p.shape) for name, p in parameters.items()}
    temporary = path.with_name(f".{path.name}.tmp")
    torch.save({"shapes": shapes, "adamw": optimizer.state_dict()}, temporary)
    with open(temporary, "rb") as f:
        os.fsync(f.fileno())
    temporary.rename(path)


def save_adapter(model: Any, destination: Path) -> None:
    """Write the adapter as PEFT and vLLM read it, complete or not at all."""
    temporary = temporary_beside(destination)
    shutil.rmtree(temporary, ignore_errors=True)
    config = model.peft_config["default"]
    # A set: its order, and so the file, would differ from process to process.
    config.target_modules = sorted(config.target_modules)
    with warnings.catch_warnings():
        # PEFT looks for the base model's config on the hub to see whether the vocabulary grew.
        warnings.simplefilter("ignore")
        model.save_pretrained(temporary, save_embedding_layers=False)
    (temporary / "README.md").unlink(missing_ok=True)
    publish_directory(temporary, destination)


def say(line: str) -> None:
    """One line of progress, for whoever watches."""
    print(line, file=sys.stderr, flush=True)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
