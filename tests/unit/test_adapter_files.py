"""Which files are accepted as an adapter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from empo_serve.adapters.files import CONFIG, WEIGHTS, check_adapter
from empo_serve.errors import AdapterError

A, B = "base.q_proj.lora_A.weight", "base.q_proj.lora_B.weight"


def write(folder: Path, config: str | None = None, **tensors: np.ndarray) -> Path:
    (folder / CONFIG).write_text(config or json.dumps({"peft_type": "LORA", "r": 2}))
    save_file(tensors or {A: np.ones((2, 3), "f4"), B: np.ones((3, 2), "f4")}, folder / WEIGHTS)
    return folder


def test_a_lora_adapter_is_accepted(tmp_path: Path) -> None:
    assert check_adapter(write(tmp_path)).rank == 2


@pytest.mark.parametrize(
    "tensors",
    [
        {A: np.array(1.0, "f4")},  # no dimension at all
        {A: np.ones(2, "f4")},
        {A: np.ones((3, 3), "f4")},
        {A: np.full((2, 3), np.nan, "f4")},
        {A: np.ones((2, 3), "i4")},
        {"x": np.ones((2, 3), "f4")},
    ],
)
def test_a_tensor_that_is_no_lora_matrix_is_refused(
    tmp_path: Path, tensors: dict[str, np.ndarray]
) -> None:
    with pytest.raises(AdapterError, match="tensor "):
        check_adapter(write(tmp_path, **tensors))


@pytest.mark.parametrize("config", ["", "[]", "{", "\0", '{"peft_type": "LORA"}', "[" * 100_000])
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, config: str) -> None:
    with pytest.raises(AdapterError, match=CONFIG):
        check_adapter(write(tmp_path, config or " "))
