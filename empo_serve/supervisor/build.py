"""Everything that serves and learns, built and connected; nothing runs yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from empo_serve.adapters.gate import Gate
from empo_serve.adapters.probes import Probe
from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.buffer.band import entropy_norm
from empo_serve.buffer.feedback import FeedbackStore
from empo_serve.buffer.heldout import HeldOut
from empo_serve.buffer.store import GroupStore
from empo_serve.buffer.traffic import SampledTraffic
from empo_serve.buffer.updates import UpdateStore
from empo_serve.config import Config
from empo_serve.db.data_dir import DataDir
from empo_serve.db.database import Database
from empo_serve.engine.admission import Admission
from empo_serve.engine.managed import serves_v0_as_base
from empo_serve.engine.pool import EnginePool
from empo_serve.engine.sampler import Sampler
from empo_serve.metrics import Metrics
from empo_serve.pipeline.canary import Canary
from empo_serve.pipeline.candidates import Candidates
from empo_serve.pipeline.feedback import Feedback
from empo_serve.pipeline.guarding import Guarding
from empo_serve.pipeline.judging import Judging
from empo_serve.pipeline.learning_status import LearningStatus
from empo_serve.pipeline.main_path import Pipeline
from empo_serve.pipeline.prefixes import Prefixes
from empo_serve.pipeline.take_back import TakeBack
from empo_serve.pipeline.training import Training
from empo_serve.pipeline.updates import Updates
from empo_serve.pipeline.warming import Warmer
from empo_serve.semantics.process import ScorerProcess
from empo_serve.server.drain import Drain
from empo_serve.server.keys import Control
from empo_serve.supervisor.judge import make_judging


@dataclass(frozen=True, slots=True)
class Parts:
    """What has to be started and stopped; `control` holds what the admin API works with."""

    engines: EnginePool
    judging: Judging | None
    scorer: ScorerProcess
    canary: Canary
    pipeline: Pipeline
    control: Control


def build(
    stack: AsyncExitStack,
    config: Config,
    metrics: Metrics,
    data_dir: DataDir,
    database: Database,
    urls: Sequence[str],
    probes: Sequence[Probe],
    status: Callable[[], dict[str, Any]],
    not_ready: Callable[[], str | None],
) -> Parts:
    """`urls` are those of the engines. What must be closed is put on the stack."""
    engines = EnginePool(urls, config.engine.request_timeout_s, config.engine.control_timeout_s)
    stack.push_async_callback(engines.close)
    metrics.engine_up.set_function(lambda: engines.is_up)
    store = GroupStore(database, config.buffer.max_groups)
    update_store = UpdateStore(database)
    base_name = config.model.public_name if serves_v0_as_base(config.engine) else None
    registry = Registry(database, data_dir.adapters, base_name)
    prefixes = Prefixes()
    admission = Admission(config, lambda: engines.num_up, metrics)
    warmer = Warmer(config.rollout, prefixes, admission, metrics)
    rollout = Rollout(registry, engines, database, config.rollout.keep_loaded, metrics, warmer.warm)
    judging = make_judging(stack, config, engines, admission, rollout, database, metrics)
    judge = None if judging is None else judging.judge
    scorer = ScorerProcess(config.semantics, metrics.scorer_restarts.inc, judge)
    sampler = Sampler(config, engines, admission, metrics)
    take_back = TakeBack(registry, rollout, store)
    canary = Canary(
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
    gate = Gate(config.gate, sampler, pipeline.score, entropy_norm, registry.path, probes, metrics)
    training = Training(config, data_dir, store, registry)
    traffic = SampledTraffic(database)
    guarding = Guarding(config, database, traffic, update_store, registry, rollout, metrics)
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
        LearningStatus(config, store, traffic, registry, rollout, updates, guarding),
        take_back,
        feedback,
        ratings,
        drain,
        status,
        not_ready,
    )
    return Parts(engines, judging, scorer, canary, pipeline, control)
