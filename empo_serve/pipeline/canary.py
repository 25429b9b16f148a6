"""The canary: a version that passed the gate answers a share of the users before it answers all.

Who meets it is decided by a hash, so that one user always meets the same version: of the API key
and the body's `user` field; without both, of the question. With few keys and no `user` field the
share is coarse, down to nobody. What decides does not depend on it: during a canary every sampled
query is answered by both versions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from empo_serve.adapters.canary import Evidence, agreements
from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.config import RolloutSection
from empo_serve.engine.sampler import Sampler
from empo_serve.errors import AdapterError, EngineError
from empo_serve.hash_share import hash_share
from empo_serve.metrics import Metrics
from empo_serve.pipeline.take_back import TakeBack
from empo_serve.types import (
    ANONYMOUS,
    AdapterState,
    AdapterVersion,
    GroupScore,
    Sample,
    SampledGroup,
    UserRequest,
)

log = logging.getLogger(__name__)

Score = Callable[[str, tuple[Sample, ...]], Awaitable[GroupScore]]

_LOOK_S = 1.0
_SAVE_S = 5.0


class Canary:
    """Runs one canary at a time, from its first request to its promotion or rollback.

    `on_ended` is called then: training waits while a canary is out.
    """

    def __init__(
        self,
        section: RolloutSection,
        registry: Registry,
        rollout: Rollout,
        take_back: TakeBack,
        sampler: Sampler,
        score: Score,
        entropy_norm: Callable[[Sequence[int]], float],
        metrics: Metrics,
    ) -> None:
        self._section = section
        self._registry = registry
        self._rollout = rollout
        self._take_back = take_back
        self._sampler = sampler
        self._score = score
        self._entropy_norm = entropy_norm
        self._metrics = metrics
        self._version: str | None = None
        self._evidence: Evidence | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.on_ended: Callable[[], None] = lambda: None

    # Life.

    async def start(self) -> None:
        """Go on with the canary that a former process left, if the rollout could keep it."""
        adapter = self._rollout.canary
        if adapter is not None:
            evidence = (
                Evidence.from_dict(adapter.canary)
                if adapter.canary
                else Evidence.new(self._section, time.time())
            )
            log.info("version %s goes on as a canary", adapter.version)
            self._follow(adapter.version, evidence)

    async def begin(self, candidate: AdapterVersion) -> None:
        """CANDIDATE -> CANARY. Raises AdapterError when that cannot be now, or EngineError."""
        await self._rollout.start_canary(candidate.version)
        self._follow(candidate.version, Evidence.new(self._section, time.time()))
        await self._save()

    async def stop(self) -> None:
        """The process ends; the canary goes on with the next one."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._save()

    @property
    def is_wanted(self) -> bool:
        return self._section.canary_share > 0

    # What users do.

    def route(self, request: UserRequest) -> str | None:
        """The canary, if it is out and this request is one of its share."""
        if self._version is None or self._rollout.canary is None:
            return None
        # With the version in it, it is not always the same users who try.
        if hash_share(self._version, _unit(request)) < self._section.canary_share:
            return self._version
        return None

    def answered(self, version: str, failed: bool) -> None:
        """A request that was not pinned has ended."""
        if (is_canary := self._is_canary(version)) is not None and self._evidence is not None:
            arm = "canary" if is_canary else "live"
            self._metrics.canary_requests.labels(arm=arm).inc()
            self._evidence.request(is_canary, failed)
            self._changed.set()

    def rated(self, version: str, score: float) -> None:
        if (is_canary := self._is_canary(version)) is not None and self._evidence is not None:
            self._evidence.rating(is_canary, score)
            self._changed.set()

    async def compare(self, group: SampledGroup) -> None:
        """Let the canary answer a query that the live version was just sampled on.

        Raises EngineError or ScorerError; then the query does not count.
        """
        version, num = self._version, min(self._section.canary_samples, len(group.samples))
        if version is None or self._is_canary(group.version) is not False or num < 2:
            return
        drafts = await self._sampler.draw(group.query, num, lambda: self._rollout.serving(version))
        new, old = drafts.samples[:num], group.samples[:num]
        score = await self._score(group.query.question, (*new, *old))
        if self._version != version or self._evidence is None:
            return
        ids = score.semantic_ids
        self._evidence.compare(
            (self._entropy(ids[:num]), self._entropy(ids[num:])),
            agreements(ids[:num], ids[num:]),
            (_mean_tokens(new), _mean_tokens(old)),
        )
        self._changed.set()

    # Inside.

    def _follow(self, version: str, evidence: Evidence) -> None:
        self._version, self._evidence = version, evidence
        self._task = asyncio.create_task(self._watch(version, evidence), name="canary")

    async def _watch(self, version: str, evidence: Evidence) -> None:
        saved = time.monotonic()
        while True:
            try:
                if await self._conclude(version, evidence):
                    break
                if time.monotonic() - saved > _SAVE_S:
                    await self._save()
                    saved = time.monotonic()
            except Exception:
                # A disk that is full now may not be in a second; users notice nothing of it.
                log.exception("the canary %s could not be looked after", version)
                await asyncio.sleep(_LOOK_S)
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK_S)
        self._version = self._evidence = None
        self.on_ended()

    async def _conclude(self, version: str, evidence: Evidence) -> bool:
        """Promote it, take it back, or see that somebody else did. False while it is out."""
        canary = self._rollout.canary
        if canary is None or canary.version != version:
            adapter = await self._registry.get(version)
            if adapter.state is AdapterState.ROLLED_BACK:
                await self._take_back.quarantine(adapter)
            reason = f"by an operator; it is {adapter.state} now"
            await self._end(version, evidence, "ended", reason)
            return True
        try:
            if (harm := evidence.harm) is not None:
                await self._take_back.roll_back(version)
                await self._end(version, evidence, "rolled_back", harm)
                return True
            if (why := self._why_promote(evidence)) is not None:
                await self._rollout.promote(version)
                await self._end(version, evidence, "promoted", why)
                return True
        except (AdapterError, EngineError) as e:
            log.warning("the canary %s stays for now: %s", version, e)
            await asyncio.sleep(_LOOK_S)
        return False

    def _why_promote(self, evidence: Evidence) -> str | None:
        section, answered = self._section, sum(evidence.answered.values())
        if answered < section.canary_min_requests:
            return None
        if evidence.is_safe:
            return f"every measure is within its margin after {answered} requests"
        seconds = time.time() - evidence.started_at
        if answered >= section.canary_max_requests or seconds >= section.canary_max_s:
            return f"no evidence against it in {answered} requests and {seconds:.0f} s"
        return None

    async def _end(self, version: str, evidence: Evidence, outcome: str, reason: str) -> None:
        evidence.outcome, evidence.reason = outcome, reason
        self._metrics.canaries.labels(outcome=outcome).inc()
        log.log(
            logging.WARNING if outcome == "rolled_back" else logging.INFO,
            "the canary %s is %s: %s",
            version,
            outcome.replace("_", " "),
            reason,
        )
        await self._registry.set_canary(version, evidence.as_dict())

    async def _save(self) -> None:
        if self._version is not None and self._evidence is not None:
            await self._registry.set_canary(self._version, self._evidence.as_dict())

    def _is_canary(self, version: str) -> bool | None:
        """Which arm a version is; None for neither, or without a canary."""
        if self._version is None or self._rollout.canary is None:
            return None
        if version == self._version:
            return True
        return False if version == self._rollout.live.version else None

    def _entropy(self, semantic_ids: Sequence[int]) -> float:
        return self._entropy_norm(list(Counter(semantic_ids).values()))


def _unit(request: UserRequest) -> str:
    """Who asks, as far as that can be told; else what is asked."""
    user = request.body.get("user")
    end_user = user if isinstance(user, str) else ""
    if request.query.principal == ANONYMOUS and not end_user:
        return f"question\0{request.query.question}"
    return f"{request.query.principal}\0{end_user}"


def _mean_tokens(samples: Sequence[Sample]) -> float:
    return statistics.fmean(len(sample.token_ids) for sample in samples)
