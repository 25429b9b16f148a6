"""Starts the engines, or begins to watch those that others run, and waits until one can serve."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

from empo_serve.adapters.rollout import Rollout
from empo_serve.config import Config
from empo_serve.engine.attached import AttachedEngine
from empo_serve.engine.managed import ManagedEngine, fake_command, vllm_command
from empo_serve.engine.pool import EnginePool
from empo_serve.errors import StartupError
from empo_serve.metrics import Metrics


async def start_engines(
    stack: AsyncExitStack,
    config: Config,
    engines: EnginePool,
    rollout: Rollout,
    metrics: Metrics,
    *,
    model_dir: Path | None,
    port: int,
    lora_rank: int,
    log_file: Path,
) -> ManagedEngine | None:
    """The engine that is ours, if one is; leaving `stack` stops it. Raises StartupError.

    `model_dir` is None only where vLLM is not ours to start.
    """

    def live_name() -> str:
        return rollout.live.engine_name

    if config.engine.kind == "attached":
        for client in engines.clients:
            attached = AttachedEngine(
                client,
                config.engine,
                on_ready=rollout.load_all,
                model_name=live_name,
                on_stall=metrics.engine_stalls.inc,
            )
            stack.push_async_callback(attached.stop)
            attached.start()
        await _until_up(engines, config.engine.startup_timeout_s)
        return None
    if config.engine.kind == "fake":
        command, env = fake_command(config.engine, config.model, port)
    else:
        assert model_dir is not None
        command, env = vllm_command(config.engine, config.model, model_dir, port, lora_rank)
    managed = ManagedEngine(
        engines.clients[0],
        command,
        env,
        log_file,
        config.engine,
        on_ready=rollout.load_all,
        model_name=live_name,
        on_restart=metrics.engine_restarts.inc,
        on_stall=metrics.engine_stalls.inc,
    )
    stack.push_async_callback(managed.stop)
    await managed.start()
    return managed


async def _until_up(engines: EnginePool, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not engines.is_up:
        if time.monotonic() > deadline:
            raise StartupError(
                f"no engine of engine.urls can be used after {timeout_s:.0f} s "
                "(engine.startup_timeout_s)"
            )
        await asyncio.sleep(0.1)
