"""`empo-serve serve`: everything is started in order, watched, and stopped in reverse.

What can be known to be wrong (ports, model path, data directory) is checked before anything is
started. The ports answer at once; /health/ready turns green when the engine holds the adapters.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from empo_serve import __version__
from empo_serve.adapters.probes import read_probes
from empo_serve.api_keys import read_keys
from empo_serve.config import Config
from empo_serve.db.data_dir import DataDir, model_identity
from empo_serve.db.database import Database
from empo_serve.engine.managed import ManagedEngine, free_port
from empo_serve.metrics import Metrics
from empo_serve.pipeline.judging import BASE
from empo_serve.server.app import admin_app, public_app
from empo_serve.server.auth import Keyring
from empo_serve.server.drain import Drain
from empo_serve.supervisor.build import build
from empo_serve.supervisor.engines import start_engines
from empo_serve.supervisor.keep_adapters import keep_adapters
from empo_serve.supervisor.listen import is_loopback, listen, raise_open_file_limit, site, url
from empo_serve.supervisor.model import (
    check_installed,
    model_source,
    prepare_model,
    publish_v0,
)
from empo_serve.supervisor.summary import summary

log = logging.getLogger(__name__)

_ERRORS_ON_THEIR_WAY_S = 2.0


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT. Raises EmpoError, one line, when it cannot start."""
    # Left in reverse: users' requests finish before what answers them is stopped.
    async with AsyncExitStack() as backend, AsyncExitStack() as front:
        await _Server(config).run(backend, front)


class _Server:
    def __init__(self, config: Config) -> None:
        self._config = config
        self._metrics = Metrics()
        self._is_stopping = False
        self._phase = "starting"
        self._engine_version = ""
        self._managed: ManagedEngine | None = None
        self._urls = ("", "")

    async def run(self, stack: AsyncExitStack, front: AsyncExitStack) -> None:
        config, metrics = self._config, self._metrics
        started = time.perf_counter()

        # Checked before anything is started.
        source = model_source(config)
        check_installed(config)
        keyring = Keyring(read_keys(config.auth.keys, config.auth.keys_file))
        probes = read_probes(config.gate.probes)
        raise_open_file_limit()
        public_socket = listen(config.server.host, config.server.port, "server.port")
        stack.callback(public_socket.close)
        admin_socket = listen(
            config.server.admin_host, config.server.admin_port, "server.admin_port"
        )
        stack.callback(admin_socket.close)
        self._urls = (url(public_socket), url(admin_socket))
        if not keyring and not (is_loopback(public_socket) and is_loopback(admin_socket)):
            log.warning(
                "no API keys are configured: everybody who reaches %s:%d or %s:%d may use it; "
                "make one with: empo-serve keys new NAME",
                *public_socket.getsockname()[:2],
                *admin_socket.getsockname()[:2],
            )
        data_dir = DataDir(config.server.data_dir)
        data_dir.open(model_identity(source) if isinstance(source, Path) else source)
        stack.callback(data_dir.close)
        database = Database(data_dir.database)
        stack.push_async_callback(database.close)
        await database.open()

        port = config.engine.port or free_port()
        urls = config.engine.urls or (f"http://127.0.0.1:{port}",)
        self._parts = parts = build(
            stack, config, metrics, data_dir, database, urls, probes, self._status, self._not_ready
        )

        # From here on, the ports answer.
        stop = _stop_signal()
        await front.enter_async_context(
            site(
                public_app(config, metrics, parts.pipeline, parts.control, keyring),
                public_socket,
                config,
                metrics,
            )
        )
        await front.enter_async_context(
            site(
                admin_app(config, metrics, parts.pipeline, parts.control, keyring),
                admin_socket,
                config,
                metrics,
            )
        )
        log.info(
            "gateway is up after %.2f s; the engine is starting", time.perf_counter() - started
        )

        starting = asyncio.create_task(self._start(stack, source, data_dir, port))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        starting.result()
        log.info("ready after %.1f s", time.perf_counter() - started)
        print(
            summary(
                config,
                self._engine_version,
                parts.control.rollout.live.version,
                self._urls,
                data_dir.path,
            ),
            flush=True,
        )
        # Users need no scorer, so readiness does not wait for its models; but a scorer that cannot
        # start at all is a mistake that the operator must see now, not at the first query.
        scorer_ready = asyncio.create_task(parts.scorer.wait_ready())
        await asyncio.wait({scorer_ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if scorer_ready.done():
            scorer_ready.result()
            await stopping
        scorer_ready.cancel()
        self._is_stopping = True
        drain = parts.control.drain
        drain.close()
        log.info("stopping: running requests may finish, learning is aborted")
        await asyncio.gather(
            parts.pipeline.stop(), parts.control.updates.stop(), self._finish(drain)
        )

    async def _finish(self, drain: Drain) -> None:
        """Let users' requests finish; those that take too long end with an error."""
        if not await drain.wait(self._config.server.shutdown_timeout_s):
            log.warning("%d requests are cut (server.shutdown_timeout_s)", drain.num_running)
            drain.cut()
            await drain.wait(_ERRORS_ON_THEIR_WAY_S)

    async def _start(
        self,
        stack: AsyncExitStack,
        source: Path | str,
        data_dir: DataDir,
        port: int,
    ) -> None:
        """What takes long: the model, the first version, the scorer, the engine."""
        config, parts = self._config, self._parts
        registry, rollout = parts.control.registry, parts.control.rollout
        self._phase = "preparing the model"
        model_dir = await prepare_model(config, source, data_dir)
        await publish_v0(config, registry, model_dir)
        await registry.open()
        await parts.control.take_back.start()
        await rollout.start(
            keep=[BASE] if config.served_model_judges else [], with_canary=parts.canary.is_wanted
        )

        stack.push_async_callback(parts.scorer.close)
        parts.scorer.start()  # loads its models while the engine starts

        self._phase = "starting the engine"
        self._managed = await start_engines(
            stack,
            config,
            parts.engines,
            rollout,
            self._metrics,
            model_dir=model_dir,
            port=port,
            lora_rank=max(config.train.rank, await registry.highest_rank()),
            log_file=data_dir.logs / "engine.log",
        )
        self._engine_version = await parts.engines.pick().version()
        await stack.enter_async_context(
            keep_adapters(rollout, parts.engines.clients, config.engine.health_interval_s)
        )

        self._phase = "ready"
        if parts.judging is not None:
            stack.push_async_callback(parts.judging.stop)
            parts.judging.start()
        stack.push_async_callback(parts.canary.stop)
        await parts.canary.start()
        parts.pipeline.start()
        await parts.control.updates.start(model_dir)

    def _not_ready(self) -> str | None:
        if self._is_stopping:
            return "stopping"
        if self._phase != "ready":
            return self._phase
        if self._parts.engines.is_up:
            return None
        reasons = dict.fromkeys(filter(None, self._parts.engines.why_down))
        return f"the engine is down: {'; '.join(reasons)}"

    def _status(self) -> dict[str, Any]:
        return {
            "empo_serve": __version__,
            "model": self._config.model.public_name,
            "data_dir": str(self._config.server.data_dir.absolute()),
            "engine": {
                "kind": self._config.engine.kind,
                "version": self._engine_version,
                "pid": self._managed.pid if self._managed else None,
                "urls": [client.url for client in self._parts.engines.clients],
                "up": [client.can_serve for client in self._parts.engines.clients],
                "why_down": self._parts.engines.why_down,
            },
            "judge": None if self._parts.judging is None else self._parts.judging.status(),
        }


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
