"""vLLM's LoRA interface ("punica") on our CPU kernels. Imported by vLLM's processes only."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from vllm.config import CompilationMode, get_current_vllm_config
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

from empo_serve.engine.lora_kernels import Group, LayerAdapters, add_adapters, group_rows


class GroupedLora(PunicaWrapperCPU):
    """Rows are grouped when the batch changes; the layers only look the groups up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if get_current_vllm_config().compilation_config.mode != CompilationMode.NONE:
            # A compiled graph would keep the groups of the batch that it was traced with.
            raise ValueError(
                "the grouped LoRA kernels need --enforce-eager; with compilation set "
                'engine.lora_kernels = "stock"'
            )
        if kwargs["lora_config"].fully_sharded_loras:
            raise ValueError(
                "the grouped LoRA kernels know no --fully-sharded-loras; leave it out, or set "
                'engine.lora_kernels = "stock"'
            )
        self._token_groups: tuple[Group, ...] = ()
        self._sampler_groups: tuple[Group, ...] = ()
        # By the identity of the tensors that vLLM keeps for a layer as long as the layer lives.
        self._layers: dict[int, LayerAdapters] = {}

    def update_metadata(self, *args: Any, **kwargs: Any) -> None:
        super().update_metadata(*args, **kwargs)
        self._token_groups = group_rows(self.token_lora_indices)
        self._sampler_groups = group_rows(self.sampler_indices)

    def add_lora_linear(
        self,
        y: Tensor,
        x: Tensor,
        lora_a_stacked: tuple[Tensor, ...],
        lora_b_stacked: tuple[Tensor, ...],
        scale: float,
        output_slices: tuple[int, ...],
        **kwargs: Any,
    ) -> None:
        # vLLM has multiplied the scale into B when it loaded the adapter.
        assert scale == 1.0
        if self._token_groups:
            layer = self._layer(id(lora_b_stacked), lora_a_stacked, lora_b_stacked)
            add_adapters(y, x, layer, self._token_groups)

    def add_lora_logits(
        self,
        y: Tensor,
        x: Tensor,
        lora_a_stacked: Tensor,
        lora_b_stacked: Tensor,
        scale: float,
        **kwargs: Any,
    ) -> None:
        assert scale == 1.0
        if self._sampler_groups:
            layer = self._layer(id(lora_b_stacked), (lora_a_stacked,), (lora_b_stacked,))
            add_adapters(y, x, layer, self._sampler_groups)

    def add_lora_embedding(
        self, y: Tensor, x: Tensor, lora_b_stacked: Tensor, add_inputs: bool = True, **kwargs: Any
    ) -> None:
        # vLLM has looked up each token's row of A already: x is that, and only B is left.
        assert add_inputs
        if self._token_groups:
            layer = self._layer(id(lora_b_stacked), None, (lora_b_stacked,))
            add_adapters(y, x, layer, self._token_groups)

    def _layer(
        self, key: int, a_stacked: tuple[Tensor, ...] | None, b_stacked: tuple[Tensor, ...]
    ) -> LayerAdapters:
        layer = self._layers.get(key)
        if layer is None:
            layer = self._layers[key] = LayerAdapters(a_stacked, b_stacked)
        return layer
