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
from empo_serve.adapters.gate import Gate
from empo_serve.adapters.probes import read_probes
from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.api_keys import read_keys
from empo_serve.buffer.band import entropy_norm
from empo_serve.buffer.evidence import Evidence
from empo_serve.buffer.feedback import FeedbackStore
from empo_serve.buffer.heldout import HeldOut
from empo_serve.buffer.store import GroupStore
from empo_serve.buffer.updates import UpdateStore
from empo_serve.config import Config
from empo_serve.db.data_dir import DataDir, model_identity
from empo_serve.db.database import Database
from empo_serve.engine.admission import Admission
from empo_serve.engine.managed import ManagedEngine, free_port, serves_v0_as_base
from empo_serve.engine.pool import EnginePool
from empo_serve.engine.sampler import Sampler
from empo_serve.metrics import Metrics
from empo_serve.pipeline.canary import Canary
from empo_serve.pipeline.candidates import Candidates
from empo_serve.pipeline.feedback import Feedback
from empo_serve.pipeline.guarding import Guarding
from empo_serve.pipeline.judging import BASE
from empo_serve.pipeline.learning_status import LearningStatus
from empo_serve.pipeline.main_path import Pipeline
from empo_serve.pipeline.prefixes import Prefixes
from empo_serve.pipeline.take_back import TakeBack
from empo_serve.pipeline.training import Training
from empo_serve.pipeline.updates import Updates
from empo_serve.pipeline.warming import Warmer
from empo_serve.semantics.process import ScorerProcess
from empo_serve.server.app import admin_app, public_app
from empo_serve.server.auth import Keyring
from empo_serve.server.drain import Drain
from empo_serve.server.keys import Control
from empo_serve.supervisor.engines import start_engines
from empo_serve.supervisor.judge import make_judging
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

        # Everything is built, nothing runs yet.
        port = config.engine.port or free_port()
        urls = config.engine.urls or (f"http://127.0.0.1:{port}",)
        self._engines = engines = EnginePool(
            urls, config.engine.request_timeout_s, config.engine.control_timeout_s
        )
        stack.push_async_callback(engines.close)
        metrics.engine_up.set_function(lambda: engines.is_up)
        store = GroupStore(database, config.buffer.max_groups)
        update_store = UpdateStore(database)
        base_name = config.model.public_name if serves_v0_as_base(config.engine) else None
        registry = Registry(database, data_dir.adapters, base_name)
        prefixes = Prefixes()
        admission = Admission(config, lambda: engines.num_up, metrics)
        warmer = Warmer(config.rollout, prefixes, admission, metrics)
        self._rollout = rollout = Rollout(
            registry, engines, database, config.rollout.keep_loaded, metrics, warmer.warm
        )
        self._judging = judging = make_judging(
            stack, config, engines, admission, rollout, database, metrics
        )
        judge = None if judging is None else judging.judge
        scorer = ScorerProcess(config.semantics, metrics.scorer_restarts.inc, judge)
        sampler = Sampler(config, engines, admission, metrics)
        self._take_back = take_back = TakeBack(registry, rollout, store)
        self._canary = canary = Canary(
            config.rollout,
            registry,
            rollout,
            take_back,
            sampler,
            scorer.score_completions,
            entropy_norm,
            metrics,
        )
        heldout_share = config.gate.heldout_share if config.gate.enabled else 0.0
        pipeline = Pipeline(
            config,
            engines,
            admission,
            sampler,
            rollout,
            scorer,
            store,
            prefixes,
            metrics,
            canary,
            HeldOut(heldout_share, (probe.question for probe in probes)),
        )
        gate = Gate(
            config.gate, sampler, pipeline.score, entropy_norm, registry.path, probes, metrics
        )
        training = Training(config, data_dir, store, registry)
        evidence = Evidence(database)
        guarding = Guarding(config, database, evidence, update_store, registry, rollout, metrics)
        candidates = Candidates(config, store, registry, rollout, gate, canary)
        updates = Updates(
            config,
            data_dir,
            database,
            store,
            update_store,
            registry,
            rollout,
            training,
            candidates,
            guarding,
            metrics,
            set_paused=pipeline.pause,
        )
        pipeline.on_admitted = canary.on_ended = updates.wake
        pipeline.on_scored = updates.scored
        ratings = FeedbackStore(database, config.buffer.max_groups)
        feedback = Feedback(store, ratings, metrics)
        feedback.on_rated = canary.rated
        drain = Drain()
        control = Control(
            store,
            update_store,
            registry,
            rollout,
            updates,
            candidates,
            LearningStatus(config, store, evidence, rollout, updates, guarding),
            take_back,
            feedback,
            ratings,
            drain,
            self._status,
            self._not_ready,
        )

        # From here on, the ports answer.
        stop = _stop_signal()
        await front.enter_async_context(
            site(
                public_app(config, metrics, pipeline, control, keyring),
                public_socket,
                config,
                metrics,
            )
        )
        await front.enter_async_context(
            site(
                admin_app(config, metrics, pipeline, control, keyring),
                admin_socket,
                config,
                metrics,
            )
        )
        log.info(
            "gateway is up after %.2f s; the engine is starting", time.perf_counter() - started
        )

        starting = asyncio.create_task(
            self._start(stack, source, data_dir, registry, scorer, pipeline, updates, port)
        )
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        starting.result()
        log.info("ready after %.1f s", time.perf_counter() - started)
        print(
            summary(config, self._engine_version, rollout.live.version, self._urls, data_dir.path),
            flush=True,
        )
        # Users need no scorer, so readiness does not wait for its models; but a scorer that cannot
        # start at all is a mistake that the operator must see now, not at the first query.
        scorer_ready = asyncio.create_task(scorer.wait_ready())
        await asyncio.wait({scorer_ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if scorer_ready.done():
            scorer_ready.result()
            await stopping
        scorer_ready.cancel()
        self._is_stopping = True
        drain.close()
        log.info("stopping: running requests may finish, learning is aborted")
        await asyncio.gather(pipeline.stop(), updates.stop(), self._finish(drain))

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
        registry: Registry,
        scorer: ScorerProcess,
        pipeline: Pipeline,
        updates: Updates,
        port: int,
    ) -> None:
        """What takes long: the model, the first version, the scorer, the engine."""
        config = self._config
        self._phase = "preparing the model"
        model_dir = await prepare_model(config, source, data_dir)
        await publish_v0(config, registry, model_dir)
        await registry.open()
        await self._take_back.start()
        await self._rollout.start(
            keep=[BASE] if config.served_model_judges else [], with_canary=self._canary.is_wanted
        )

        stack.push_async_callback(scorer.close)
        scorer.start()  # loads its models while the engine starts

        self._phase = "starting the engine"
        self._managed = await start_engines(
            stack,
            config,
            self._engines,
            self._rollout,
            self._metrics,
            model_dir=model_dir,
            port=port,
            lora_rank=max(config.train.rank, await registry.highest_rank()),
            log_file=data_dir.logs / "engine.log",
        )
        self._engine_version = await self._engines.pick().version()
        await stack.enter_async_context(
            keep_adapters(self._rollout, self._engines.clients, config.engine.health_interval_s)
        )

        self._phase = "ready"
        if self._judging is not None:
            stack.push_async_callback(self._judging.stop)
            self._judging.start()
        stack.push_async_callback(self._canary.stop)
        await self._canary.start()
        pipeline.start()
        await updates.start(model_dir)

    def _not_ready(self) -> str | None:
        if self._is_stopping:
            return "stopping"
        if self._phase != "ready":
            return self._phase
        if self._engines.is_up:
            return None
        return (
            f"the engine is down: {'; '.join(dict.fromkeys(filter(None, self._engines.why_down)))}"
        )

    def _status(self) -> dict[str, Any]:
        return {
            "empo_serve": __version__,
            "model": self._config.model.public_name,
            "data_dir": str(self._config.server.data_dir.absolute()),
            "engine": {
                "kind": self._config.engine.kind,
                "version": self._engine_version,
                "pid": self._managed.pid if self._managed else None,
                "urls": [client.url for client in self._engines.clients],
                "up": [client.can_serve for client in self._engines.clients],
                "why_down": self._engines.why_down,
            },
            "judge": None if self._judging is None else self._judging.status(),
        }


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
