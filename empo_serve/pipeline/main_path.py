"""The main path, first half: `answer` (hot) and `learn` (cold).

A user's request waits for nothing below `answer`, and no failure below it reaches a user.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from empo_serve.adapters.rollout import Rollout
from empo_serve.buffer import band
from empo_serve.buffer.early_stop import EarlyStop
from empo_serve.buffer.store import GroupStore
from empo_serve.config import Config
from empo_serve.engine.admission import Admission
from empo_serve.engine.client import USER_PRIORITY
from empo_serve.engine.drafts import Drafts
from empo_serve.engine.draw import draw
from empo_serve.engine.pool import EnginePool
from empo_serve.engine.sampler import Sampler
from empo_serve.errors import AdapterError, EngineError, ScorerError
from empo_serve.hash_share import hash_share
from empo_serve.metrics import Metrics
from empo_serve.pipeline.canary import Canary
from empo_serve.pipeline.prefixes import Prefixes
from empo_serve.pipeline.uncertainty import Uncertainty
from empo_serve.semantics.process import ScorerProcess
from empo_serve.types import (
    AdapterVersion,
    BandDecision,
    GroupScore,
    Query,
    Sample,
    SampledGroup,
    UserRequest,
)

log = logging.getLogger(__name__)

# Made once: json.dumps with separators would make an encoder for each request.
_to_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class Answer:
    """The engine's response to one user request, still unread, and the version that gives it."""

    adapter: AdapterVersion
    response: aiohttp.ClientResponse
    engine_seconds: float  # until the status line
    uncertainty: asyncio.Task[Uncertainty] | None  # where the user asked for it
    on_first_token: Callable[[], None]  # to be called when a stream's first event is there
    is_broken: bool = False  # to be set when a stream broke off


class Pipeline:
    """Everything between a request and a better adapter."""

    def __init__(
        self,
        config: Config,
        engines: EnginePool,
        admission: Admission,
        sampler: Sampler,
        rollout: Rollout,
        scorer: ScorerProcess,
        store: GroupStore,
        prefixes: Prefixes,
        metrics: Metrics,
        canary: Canary,
        heldout: Callable[[str], bool] = lambda question: False,
    ) -> None:
        self._config = config
        self._engines = engines
        self._admission = admission
        self._sampler = sampler
        self._rollout = rollout
        self._scorer = scorer
        self._store = store
        self._prefixes = prefixes
        self._metrics = metrics
        self._canary = canary
        self._heldout = heldout
        self._early_stop = EarlyStop(
            config.band, config.sampling.num_generations, config.sampling.early_stop_risk
        )
        self._queue: asyncio.Queue[Query] = asyncio.Queue(config.sampling.queue_size)
        self._workers: list[asyncio.Task[None]] = []
        self._resumed = asyncio.Event()
        self._resumed.set()
        self.on_admitted: Callable[[], None] = lambda: None
        self.on_scored: Callable[[], None] = lambda: None  # whatever the band said

    # Hot.

    @asynccontextmanager
    async def answer(self, request: UserRequest, version: str | None) -> AsyncIterator[Answer]:
        """Pass a request to the engine under the live version, or the one asked for.

        Raises EngineUnavailable, or AdapterError when that version is not loaded.
        """
        is_pinned = version is not None
        if not is_pinned:
            version = self._canary.route(request)
        with (
            self._rollout.serving(version) as adapter,
            self._admission.user(request.num_seqs, request.stream) as turn,
        ):
            # Without a priority, which is a user's: vLLM's errors count the fields of a body.
            body = {"model": adapter.engine_name} | request.body
            sampling = None
            if request.uncertainty is not None:
                sampling = asyncio.create_task(self._uncertainty(request, adapter))
            started = time.perf_counter()
            try:
                async with self._engines.post(
                    request.route, _to_json(body).encode(), adapter.engine_name
                ) as response:
                    answer = Answer(
                        adapter,
                        response,
                        time.perf_counter() - started,
                        sampling,
                        on_first_token=lambda: self._admission.first_token(turn),
                    )
                    yield answer
                    if not is_pinned:
                        self._canary.answered(
                            adapter.version, response.status >= 500 or answer.is_broken
                        )
            except EngineError:
                if not is_pinned:
                    self._canary.answered(adapter.version, failed=True)
                raise
            finally:
                if sampling is not None:
                    sampling.cancel()
                    await asyncio.gather(sampling, return_exceptions=True)

    async def _uncertainty(self, request: UserRequest, adapter: AdapterVersion) -> Uncertainty:
        """Sample and score a user's request at once. Raises EngineError or ScorerError."""
        assert request.uncertainty is not None
        max_tokens = request.body.get("max_completion_tokens") or request.body.get("max_tokens")
        drafts = Drafts(adapter.version, request.uncertainty.samples)
        await draw(
            self._engines.pick(),
            request.query,
            adapter.engine_name,
            drafts,
            drafts.unfinished,
            temperature=self._config.sampling.temperature,
            max_tokens=max_tokens or self._config.max_sample_tokens,
            priority=USER_PRIORITY,
        )
        group = SampledGroup(
            request.query, adapter.version, drafts.prompt_token_ids, drafts.samples
        )
        score = await self.score(request.query.question, group.samples, urgent=True)
        return Uncertainty(group, score)

    def offer(self, request: UserRequest) -> None:
        """Hand an answered request to the cold path, if it may be learned from. Never waits."""
        self._prefixes.count(request)
        reason = request.not_learned
        if reason is None and not self._resumed.is_set():
            reason = "paused"
        if reason is None and hash_share(request.query.query_id) >= self._config.sampling.fraction:
            reason = "not_chosen"
        if reason is not None:
            self._metrics.dropped.labels("offer", reason).inc()
            return
        try:
            self._queue.put_nowait(request.query)
        except asyncio.QueueFull:
            self._metrics.dropped.labels(stage="offer", reason="queue_full").inc()
        self._metrics.background_queue.set(self._queue.qsize())

    # Cold: one query.

    def start(self) -> None:
        for number in range(self._config.sampling.max_concurrent):
            worker = asyncio.create_task(self._work(), name=f"learn-{number}")
            self._workers.append(worker)

    async def stop(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def pause(self, paused: bool) -> None:
        """While paused, new queries are only counted, and those that wait are kept waiting."""
        if paused:
            self._resumed.clear()
        else:
            self._resumed.set()

    @property
    def queue_length(self) -> int:
        return self._queue.qsize()

    async def learn(self, query: Query) -> BandDecision:
        """Sample one query, score its samples, and keep them; admitted ones wait for training.

        Raises EngineError or ScorerError; then nothing is kept.
        """
        group, score = await self._sample(query)
        decision = band.decide(score.semantic_ids, score.answers, self._config.band)
        self._metrics.semantic_entropy_nats.observe(score.semantic_entropy)
        self._metrics.semantic_entropy_norm.observe(score.semantic_entropy_norm)
        self._metrics.band_decisions.labels(decision=decision.value).inc()
        is_heldout = self._heldout(query.question)
        await self._store.put(group, score, decision, is_heldout)
        self.on_scored()
        if decision is BandDecision.ADMITTED:
            if is_heldout:
                self._metrics.dropped.labels(stage="train", reason="heldout").inc()
            else:
                self.on_admitted()
        try:
            await self._canary.compare(group)
        except (AdapterError, EngineError, ScorerError) as e:
            # The group is kept; only the canary is not compared on it.
            self._metrics.dropped.labels(stage="canary", reason="not_compared").inc()
            log.warning("query %s is not compared: %s", query.query_id, e)
        return decision

    async def _work(self) -> None:
        while True:
            await self._resumed.wait()
            query = await self._queue.get()
            self._metrics.background_queue.set(self._queue.qsize())
            if not self._sampler.may_spend(query.principal):
                self._metrics.dropped.labels(stage="sample", reason="budget").inc()
                continue
            with self._metrics.background_inflight.track_inprogress():
                try:
                    await self.learn(query)
                except EngineError as e:
                    self._metrics.samples.labels(outcome="failed").inc()
                    self._metrics.dropped.labels(stage="sample", reason="engine").inc()
                    log.warning("query %s was not sampled: %s", query.query_id, e)
                except ScorerError as e:
                    self._metrics.dropped.labels(stage="score", reason="not_scored").inc()
                    log.warning("query %s was not scored: %s", query.query_id, e)
                except Exception:
                    # One query must not end the worker; the count and the log say what happened.
                    self._metrics.dropped.labels(stage="learn", reason="error").inc()
                    log.exception("query %s was not learned from", query.query_id)

    async def _sample(self, query: Query) -> tuple[SampledGroup, GroupScore]:
        """Draw a group and score it; fewer samples where more could not get it admitted."""
        total = self._config.sampling.num_generations
        first, *later = self._early_stop.rounds if self._config.sampling.early_stop else (total,)
        drafts = await self._sampler.draw(query, first, self._rollout.serving)
        score = await self.score(query.question, drafts.samples)
        for num in later:
            if self._early_stop.is_hopeless(score.semantic_ids, score.answers):
                break
            drafts = await self._sampler.draw(query, num, self._rollout.serving, drafts)
            score = await self.score(query.question, drafts.samples)
        self._metrics.samples_saved.inc(total - len(drafts.samples))
        self._metrics.samples_repeated.inc(drafts.num_repetitions)
        for sample in drafts.samples:
            outcome = "truncated" if sample.is_truncated else "ok"
            self._metrics.samples.labels(outcome=outcome).inc()
        return SampledGroup(query, drafts.version, drafts.prompt_token_ids, drafts.samples), score

    async def score(
        self, question: str, samples: tuple[Sample, ...], urgent: bool = False
    ) -> GroupScore:
        """Answers, clusters and entropy of samples. Raises ScorerError."""
        with self._metrics.score_seconds.time():
            return await self._scorer.score_completions(question, samples, urgent)
