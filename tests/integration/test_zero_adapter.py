from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file, save_file
from tiny_model import save_llama, save_qwen2

from empo_serve.errors import AdapterError
from empo_serve.train.zero_adapter import linear_layers, zero_adapter

pytestmark = pytest.mark.slow


def load(model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()


@pytest.mark.parametrize("family", [save_llama, save_qwen2])
@pytest.mark.parametrize("tied", [True, False])
def test_it_has_the_tensors_of_a_lora_on_all_linear_layers(
    tmp_path: Path, family: Any, tied: bool
) -> None:
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    model = family(tmp_path / "base", tie_word_embeddings=tied)
    zero_adapter(model, tmp_path / "zero", rank=4, alpha=8.0)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    expected = get_peft_model_state_dict(
        get_peft_model(load(model), lora), save_embedding_layers=False
    )
    tensors = load_file(tmp_path / "zero" / "adapter_model.safetensors")
    assert {n: t.shape for n, t in tensors.items()} == {
        n: tuple(t.shape) for n, t in expected.items()
    }
    assert {str(t.dtype) for t in tensors.values()} == {"float32"}
    assert not any(t.any() for t in tensors.values())


def test_peft_loads_it_and_it_changes_nothing(tmp_path: Path) -> None:
    from peft import PeftModel

    model = save_llama(tmp_path / "base")
    zero_adapter(model, tmp_path / "zero", rank=4, alpha=8.0)
    ids = torch.tensor([[1, 5, 9, 30]])
    with torch.no_grad():
        plain = load(model)(ids).logits
        adapted = PeftModel.from_pretrained(load(model), tmp_path / "zero")
        assert torch.equal(adapted(ids).logits, plain)
    assert len([n for n, _ in adapted.named_parameters() if "lora_A" in n]) == 14


def test_weights_in_several_files_are_all_found(tmp_path: Path) -> None:
    model = save_llama(tmp_path / "base")
    whole = linear_layers(model)
    tensors = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    names = sorted(tensors)
    files = {name: f"part-{i % 2}.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save_file({n: tensors[n] for n in names if files[n] == file}, model / file)
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    assert linear_layers(model) == whole


def test_a_vision_tower_is_left_out(tmp_path: Path) -> None:
    model = save_llama(tmp_path / "base")
    whole = linear_layers(model)
    tensors = load_file(model / "model.safetensors")
    tower = tensors["model.layers.0.self_attn.q_proj.weight"]
    tensors["model.vision_tower.layers.0.self_attn.q_proj.weight"] = tower
    save_file(tensors, model / "model.safetensors")
    assert linear_layers(model) == whole


def test_a_directory_without_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="cannot read the weights"):
        zero_adapter(tmp_path, tmp_path / "zero", 4, 8.0)
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(AdapterError, match="damaged"):
        zero_adapter(tmp_path, tmp_path / "zero", 4, 8.0)
    assert not (tmp_path / "zero").exists()
