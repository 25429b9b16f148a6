"""The all-zero LoRA that is version v0: the base model, as an adapter. No torch in here.

Only the headers of the weight files are read, so this takes milliseconds for a model of any size.

Covers decoder-only models whose linear layers are stored as two-dimensional weights under
`layers.N`, as Llama, Mistral, Qwen, Phi, Gemma and their relatives do. Not covered: models that
store them transposed (GPT-2), and fused expert weights (they get no adapter).
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from empo_serve.db.durable import publish_directory, temporary_beside
from empo_serve.errors import AdapterError

_DECODER_WEIGHT = re.compile(r"(?:^|.*\.)layers\.\d+\.(?:.*\.)?(?P<leaf>[^.]+)\.weight$")
_NOT_LINEAR = re.compile(r"vision|visual|audio|embed|norm|lora_|rotary")


def zero_adapter(model_dir: Path, dest: Path, rank: int, alpha: float) -> None:
    """Write the zero adapter of the model in `model_dir` to the new directory `dest`.

    The same tensors, names and shapes as a LoRA of this rank on all linear layers, all zero,
    float32. Raises AdapterError if the model's weights cannot be read.
    """
    shapes = linear_layers(model_dir)
    tensors = {}
    for name, (outputs, inputs) in shapes.items():
        prefix = f"base_model.model.{name}"
        tensors[f"{prefix}.lora_A.weight"] = np.zeros((rank, inputs), dtype=np.float32)
        tensors[f"{prefix}.lora_B.weight"] = np.zeros((outputs, rank), dtype=np.float32)
    config = {
        "base_model_name_or_path": str(model_dir),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": sorted({name.rsplit(".", 1)[-1] for name in shapes}),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": False,
    }
    temporary = temporary_beside(dest)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    (temporary / "adapter_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    save_file(tensors, temporary / "adapter_model.safetensors", metadata={"format": "pt"})
    publish_directory(temporary, dest)


def linear_layers(model_dir: Path) -> dict[str, tuple[int, int]]:
    """Module name -> (outputs, inputs) of every linear layer of the decoder, sorted by name."""
    layers: dict[str, tuple[int, int]] = {}
    for path in _weight_files(model_dir):
        try:
            with safe_open(path, framework="numpy") as weights:
                for name in weights.keys():  # noqa: SIM118 - not a dict
                    match = _DECODER_WEIGHT.match(name)
                    shape = weights.get_slice(name).get_shape()
                    if match and len(shape) == 2 and not _NOT_LINEAR.search(name):
                        layers[name.removesuffix(".weight")] = (shape[0], shape[1])
        except (OSError, SafetensorError) as e:
            raise AdapterError(f"cannot read the weights {path}: {e}") from e
    if not layers:
        raise AdapterError(f"the model in {model_dir} has no linear layers that can be adapted")
    return dict(sorted(layers.items()))


def _weight_files(model_dir: Path) -> list[Path]:
    index = model_dir / "model.safetensors.index.json"
    if not index.exists():
        return [model_dir / "model.safetensors"]
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise AdapterError(f"{index} is damaged: {e}") from e
    return [model_dir / name for name in sorted(names)]
