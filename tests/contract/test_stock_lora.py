"""What vLLM's own LoRA kernels on CPU do with rows without adapter, and what ours do instead.

When the first test fails, vLLM has mended it, and version v0 needs no zero adapter any more.
"""

from __future__ import annotations

from typing import Any

import pytest

# Importing vLLM warns of many things.
pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("default")]

ROWS = [1, -1, 0, -1, 1]


def output(wrapper_name: str, rows: list[int]) -> Any:
    """Zeros plus what each row's adapter adds; slot i of two adds i + 1 for each input."""
    import torch
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.config.lora import LoRAConfig
    from vllm.lora.layers import LoRAMapping
    from vllm.utils.import_utils import resolve_obj_by_qualname

    a = (torch.ones(2, 1, 8, 16),)
    b = (torch.zeros(2, 1, 32, 8),)
    for slot in range(2):
        b[0][slot, 0, :, 0] = (slot + 1) / 16
    config = VllmConfig()
    config.compilation_config.mode = type(config.compilation_config.mode)(0)
    with set_current_vllm_config(config):
        wrapper = resolve_obj_by_qualname(wrapper_name)(
            64, max_batches=64, device="cpu", lora_config=LoRAConfig(max_loras=2)
        )
    ids = tuple(slot + 1 for slot in rows)  # an adapter's id is one more than its slot
    mapping = LoRAMapping(ids, ids, is_prefill=True)
    wrapper.update_metadata(mapping, [1, 2], 3, 100)
    y = torch.zeros(len(rows), 32)
    wrapper.add_lora_linear(y, torch.ones(len(rows), 16), a, b, 1.0, (32,))
    return y.amax(dim=1).tolist()


def test_vllm_gives_a_row_without_adapter_the_output_of_another_adapter() -> None:
    stock = output("vllm.lora.punica_wrapper.punica_cpu.PunicaWrapperCPU", ROWS)
    assert stock == [2.0, 2.0, 1.0, 2.0, 2.0]


def test_our_kernels_add_nothing_to_it() -> None:
    assert output("empo_serve.engine.punica.GroupedLora", ROWS) == [2.0, 0.0, 1.0, 0.0, 2.0]
    assert output("empo_serve.engine.punica.GroupedLora", [-1, -1]) == [0.0, 0.0]
