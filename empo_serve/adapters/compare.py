"""Lets two versions answer the same queries, side by side, and collects what the checks need."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from empo_serve.adapters.checks import Answered, Compared
from empo_serve.engine.sampler import Sampler
from empo_serve.errors import EngineError, ScorerError
from empo_serve.types import AdapterVersion, GroupScore, Query, Sample

Score = Callable[[str, tuple[Sample, ...]], Awaitable[GroupScore]]
# Normalised entropy of samples in clusters of these sizes.
EntropyNorm = Callable[[Sequence[int]], float]

# Queries at once: what a check costs must not be a burst.
CONCURRENT = 4


@dataclass(frozen=True, slots=True)
class _Written:
    """The likeliest completion and some samples of one version."""

    greedy: Sample
    samples: tuple[Sample, ...]
    prompt_token_ids: tuple[int, ...]

    @property
    def all(self) -> tuple[Sample, ...]:
        return (self.greedy, *self.samples)


class Comparison:
    def __init__(
        self, sampler: Sampler, score: Score, entropy_norm: EntropyNorm, num_samples: int
    ) -> None:
        self._sampler = sampler
        self._score = score
        self._entropy_norm = entropy_norm
        self._num_samples = num_samples

    async def run(
        self,
        queries: Sequence[Query],
        candidate: AdapterVersion,
        parent: AdapterVersion,
        base: AdapterVersion | None,
        max_tokens: int,
    ) -> list[Compared]:
        """Both versions on each query, in order. Without `base` no KL. Raises EngineError."""
        slots = asyncio.Semaphore(CONCURRENT)

        async def one(query: Query) -> Compared:
            async with slots:
                return await self._compare(query, candidate, parent, base, max_tokens)

        return list(await asyncio.gather(*(one(query) for query in queries)))

    async def _compare(
        self,
        query: Query,
        candidate: AdapterVersion,
        parent: AdapterVersion,
        base: AdapterVersion | None,
        max_tokens: int,
    ) -> Compared:
        new = await self._write(query, candidate, max_tokens)
        old = await self._write(query, parent, max_tokens)
        # Scored as one group, so that an answer of one version can be found among the other's.
        try:
            score = await self._score(query.question, (*new.all, *old.all))
        except ScorerError as e:
            raise EngineError(f"two versions could not be compared: {e}") from e
        middle = len(new.all)
        old_ids, old_answers = score.semantic_ids[middle:], score.answers[middle:]
        consensus = majority(old_ids[1:], old_answers[1:])
        return Compared(
            self._answered(new, score.semantic_ids[:middle], score.answers[0], consensus),
            self._answered(old, old_ids, old_answers[0], consensus),
            None if base is None else await self._kl(new, candidate, base),
        )

    async def _write(self, query: Query, adapter: AdapterVersion, max_tokens: int) -> _Written:
        greedy = await self._sampler.greedy(query, adapter, max_tokens)
        drafts = await self._sampler.samples(query, adapter, self._num_samples, max_tokens)
        return _Written(greedy, drafts.samples, drafts.prompt_token_ids)

    def _answered(
        self, written: _Written, ids: Sequence[int], answer: str, consensus: int | None
    ) -> Answered:
        return Answered(
            answer=answer,
            agrees=None if consensus is None else ids[0] == consensus,
            entropy_norm=self._entropy_norm(list(Counter(ids[1:]).values())),
            num_tokens=statistics.fmean(len(s.token_ids) for s in written.all),
            # The token that ends an answer is no part of it.
            one_token=statistics.fmean(
                len(s.token_ids) - (s.finish_reason == "stop") <= 1 for s in written.all
            ),
            truncated=statistics.fmean(s.is_truncated for s in written.all),
        )

    async def _kl(
        self, new: _Written, candidate: AdapterVersion, base: AdapterVersion
    ) -> float | None:
        """KL(candidate || base) per token on one sample, by the estimator k3 (never negative).

        Both are asked at temperature 1, the sample was drawn at `sampling.temperature`.
        """
        sample = next((s for s in new.samples if s.token_ids), None)
        if sample is None:
            return None
        ours, theirs = [
            await self._sampler.token_logprobs(new.prompt_token_ids, sample.token_ids, adapter)
            for adapter in (candidate, base)
        ]
        logs = [b - a for a, b in zip(ours, theirs, strict=True)]
        if not all(math.isfinite(log) for log in logs):
            raise EngineError("the engine gave a log-probability that is no number")
        return statistics.fmean(math.exp(min(log, 50.0)) - 1 - log for log in logs)


def majority(semantic_ids: Sequence[int], answers: Sequence[str]) -> int | None:
    """The cluster with an answer that holds at least half of the samples and is alone the largest;
    None if there is none."""
    answered = Counter(i for i, answer in zip(semantic_ids, answers, strict=True) if answer)
    if not answered:
        return None
    (semantic_id, count), *others = answered.most_common(2)
    is_alone = not others or others[0][1] < count
    return semantic_id if is_alone and 2 * count >= len(semantic_ids) else None
