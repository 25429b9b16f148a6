"""The model to serve: found, converted or downloaded once, and given its version v0."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from empo_serve.adapters.registry import Registry
from empo_serve.config import Config
from empo_serve.db.data_dir import DataDir
from empo_serve.engine.process import ChildProcess
from empo_serve.errors import ConfigError, StartupError
from empo_serve.train.bundled import demo_model_path
from empo_serve.train.zero_adapter import zero_adapter

log = logging.getLogger(__name__)


def check_installed(config: Config) -> None:
    """Raises StartupError when a part that the configuration needs is not installed."""
    if config.engine.kind == "managed" and find_spec("vllm") is None:
        raise StartupError(
            "vLLM is not installed: install empo-serve[cpu] or empo-serve[gpu], or set engine.kind"
        )
    trains = config.train.enabled and bool(config.model.path)
    missing = [name for name in ("torch", "transformers", "peft") if find_spec(name) is None]
    if trains and missing:
        raise StartupError(
            f"training needs {', '.join(missing)}: install empo-serve[train], or set "
            "train.enabled=false"
        )


def model_source(config: Config) -> Path | str:
    """A local directory or GGUF file, or a hub id, or "fake". Raises StartupError."""
    path = config.model.path
    if not path:
        if config.engine.kind == "fake":
            return "fake"
        raise ConfigError(
            'model.path is empty: name a model directory, a GGUF file, a hub id, or "demo"'
        )
    if path == "demo":
        return demo_model_path()
    local = Path(path).expanduser()
    if local.exists():
        if local.is_dir() and not (local / "config.json").is_file():
            raise StartupError(f"model.path {path} is a directory without config.json")
        if local.is_file() and local.suffix != ".gguf":
            raise StartupError(f"model.path {path} is a file, but no .gguf file")
        return local.absolute()
    is_hub_id = (
        path.count("/") == 1 and not path.startswith((".", "/", "~")) and local.suffix != ".gguf"
    )
    if not is_hub_id:
        raise StartupError(f"model.path {path} does not exist")
    return path


async def prepare_model(config: Config, source: Path | str, data_dir: DataDir) -> Path | None:
    """The Hugging Face directory to serve and train; converts or downloads it the first time."""
    if source == "fake":
        return None
    if isinstance(source, Path) and source.is_dir():
        return source
    if not (data_dir.model / "config.json").is_file():
        log.info("preparing the model from %s; this is done once", source)
        command = [sys.executable, "-m", "empo_serve.train.prepare_model"]
        command += [str(source), str(data_dir.model), "--dtype", config.model.dtype]
        child = await ChildProcess.start(command, data_dir.logs / "prepare_model.log")
        try:
            code = await child.wait()
        finally:
            await child.stop()
        if code != 0:
            raise StartupError(f"cannot prepare the model: {child.last_lines(1)}")
    return data_dir.model


async def publish_v0(config: Config, registry: Registry, model_dir: Path | None) -> None:
    """Version v0, the all-zero adapter, if this data directory has no versions yet."""
    if await registry.all():
        return
    with tempfile.TemporaryDirectory(prefix="empo-v0-") as folder:
        zero = Path(folder) / "zero"
        if model_dir is None:
            _write_placeholder(zero, config.train.rank)
        else:
            await asyncio.to_thread(
                zero_adapter, model_dir, zero, config.train.rank, config.train.alpha
            )
        await registry.publish(zero, parent=None)


def _write_placeholder(directory: Path, rank: int) -> None:
    """An all-zero adapter for the fake engine, which has no layers to adapt."""
    directory.mkdir()
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": ["fake"]}
    (directory / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = {
        "base_model.model.fake.lora_A.weight": np.zeros((rank, 8), np.float32),
        "base_model.model.fake.lora_B.weight": np.zeros((8, rank), np.float32),
    }
    save_file(tensors, directory / "adapter_model.safetensors")
