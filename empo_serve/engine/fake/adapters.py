"""The adapters that an engine knows by name, read from real PEFT directories."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import deserialize

from empo_serve.engine.fake.errors import bad_adapter, engine_failed, not_found


@dataclass(frozen=True, slots=True)
class Adapter:
    """`digest` is "" where the weights change nothing.

    The rest comes from the key "fake" of adapter_config.json: one `answer` to everything; how far
    its weights `shift` the answers (1.0 as a rule), the `power` that answers' probabilities are
    raised to (negative: the rarest comes first), answers of one token only, words that have nothing
    to do with the prompt (`babble`); the share of requests that fail, seconds before the first
    token; how often loading it fails before it works, seconds that loading takes, whether loading
    kills the engine.
    """

    name: str
    path: str = ""
    digest: str = ""
    answer: str | None = None
    shift: float = 1.0
    power: float = 1.0
    one_token: bool = False
    babble: bool = False
    fail_rate: float = 0.0
    slow_s: float = 0.0
    fail_loads: int = 0
    load_delay_s: float = 0.0
    die_on_load: bool = False


def load_adapter(name: str, path: str, max_rank: int) -> Adapter:
    """Read a PEFT LoRA directory.

    Raises FileNotFoundError without an adapter_config.json, and ValueError for files that a real
    engine would not load either.
    """
    directory = Path(path)
    config = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
    weights = directory / "adapter_model.safetensors"
    if not weights.is_file():
        raise ValueError(f"{directory} doesn't contain tensors")
    if config["r"] > max_rank:
        raise ValueError(f"LoRA rank {config['r']} is greater than max_lora_rank {max_rank}.")
    behaviour: dict[str, Any] = config.get("fake", {})
    return Adapter(name, path, _digest(weights.read_bytes()), **behaviour)


def _digest(safetensors_file: bytes) -> str:
    tensors: list[tuple[str, dict[str, Any]]] = deserialize(safetensors_file)  # type: ignore[no-untyped-call]
    sha = hashlib.sha256()
    has_a = has_b = False
    for name, tensor in sorted(tensors, key=lambda item: item[0]):
        data = bytes(tensor["data"])
        sha.update(name.encode() + b"\0" + data)
        if data.strip(b"\0"):
            has_a |= "lora_A" in name
            has_b |= "lora_B" in name
    return sha.hexdigest() if has_a and has_b else ""


class Adapters:
    """The base model and the adapters on it. `fail_load` is how many loads fail before one works,
    `load_delay_s` how long each takes."""

    def __init__(
        self, base: str, max_model_len: int, max_rank: int, load_delay_s: float, fail_load: int
    ) -> None:
        self._base = Adapter(base)
        self._max_model_len = max_model_len
        self._max_rank = max_rank
        self._load_delay_s = load_delay_s
        self._loads_to_fail = fail_load
        self._loaded: dict[str, Adapter] = {}
        self._num_loads: Counter[str] = Counter()
        self._lock = asyncio.Lock()

    @property
    def names(self) -> list[str]:
        return list(self._loaded)

    def find(self, name: str | None) -> Adapter:
        """vLLM takes no name, and an empty one, for the base model. Raises ApiError 404."""
        if not name or name == self._base.name:
            return self._base
        if name not in self._loaded:
            message = f"The model `{name}` does not exist. Valid aliases: {self._base.name}."
            raise not_found(message, "model")
        return self._loaded[name]

    async def load(self, name: str, path: str) -> None:
        """Raises ApiError, as vLLM answers."""
        if not name or not path:
            raise bad_adapter("Both 'lora_name' and 'lora_path' must be provided.")
        if name == self._base.name:
            raise bad_adapter(f"The lora adapter '{name}' conflicts with a served base model.")
        async with self._lock:
            if name in self._loaded:
                raise bad_adapter(
                    f"The lora adapter '{name}' has already been loaded. If you want to load the "
                    "adapter in place, set 'load_inplace' to True."
                )
            self._loaded[name] = await self._read(name, path)

    def unload(self, name: str) -> None:
        """Forget the name; requests that run keep their adapter. Raises ApiError 404."""
        if not name:
            raise bad_adapter("'lora_name' needs to be provided to unload a LoRA adapter.")
        if name not in self._loaded:
            raise not_found(f"The lora adapter '{name}' cannot be found.")
        del self._loaded[name]

    def cards(self) -> list[dict[str, Any]]:
        """What /v1/models lists."""
        base = self._base.name
        return [
            _card(self._base, None, self._max_model_len),
            *(_card(adapter, base, None) for adapter in self._loaded.values()),
        ]

    async def _read(self, name: str, path: str) -> Adapter:
        await asyncio.sleep(self._load_delay_s)
        if self._loads_to_fail > 0:
            self._loads_to_fail -= 1
            raise engine_failed("this load was made to fail")
        try:
            adapter = await asyncio.to_thread(load_adapter, name, path, self._max_rank)
        except FileNotFoundError as e:
            raise not_found(f"Loading lora {name} failed: No adapter found for {path}") from e
        except Exception as e:  # a file can be broken in any way; vLLM answers 500 to them all
            raise engine_failed(
                f"Call to add_lora method failed: Worker failed with error '{e}'"
            ) from e
        if adapter.die_on_load:
            os._exit(1)
        await asyncio.sleep(adapter.load_delay_s)
        self._num_loads[name] += 1
        if self._num_loads[name] <= adapter.fail_loads:
            raise engine_failed("loading this adapter was made to fail")
        return adapter


def _card(model: Adapter, parent: str | None, max_model_len: int | None) -> dict[str, Any]:
    created = int(time.time())
    return {
        "id": model.name,
        "object": "model",
        "created": created,
        "owned_by": "vllm",
        "root": model.path or model.name,
        "parent": parent,
        "max_model_len": max_model_len,
        "permission": [
            {
                "id": f"modelperm-{random.getrandbits(64):016x}",
                "object": "model_permission",
                "created": created,
                "allow_create_engine": False,
                "allow_sampling": True,
                "allow_logprobs": True,
                "allow_search_indices": False,
                "allow_view": True,
                "allow_fine_tuning": False,
                "organization": "*",
                "group": None,
                "is_blocking": False,
            }
        ],
    }
