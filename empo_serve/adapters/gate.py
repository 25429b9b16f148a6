"""The first gate: what a candidate must show, through the serving engine, before it answers users.

Its files were checked when it was published. Here it answers recent queries beside its parent:
its output must differ from its parent's (an adapter that matches no module is served as the base
model without a word), it must not end in fewer distinct answers, nor in fewer answers at all.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from empo_serve.config import GateSection
from empo_serve.engine.sampler import Sampler
from empo_serve.metrics import Metrics
from empo_serve.types import AdapterVersion, Query, Sample

Extract = Callable[[str, tuple[Sample, ...]], Awaitable[tuple[str, ...]]]

_CONCURRENT = 8


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a verdict; `passed` is None when there was too little to check it on."""

    name: str
    passed: bool | None
    candidate: float
    parent: float
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    checks: tuple[Check, ...]
    num_queries: int

    @property
    def passed(self) -> bool:
        return all(check.passed is not False for check in self.checks)

    @property
    def reason(self) -> str:
        return "; ".join(check.detail for check in self.checks if check.passed is False)

    def as_dict(self) -> dict[str, Any]:
        checks = [asdict(check) for check in self.checks]
        return {"passed": self.passed, "num_queries": self.num_queries, "checks": checks}


class Gate:
    def __init__(
        self, section: GateSection, sampler: Sampler, extract: Extract, metrics: Metrics
    ) -> None:
        self._section = section
        self._sampler = sampler
        self._extract = extract
        self._metrics = metrics

    async def examine(
        self,
        candidate: AdapterVersion,
        parent: AdapterVersion,
        queries: Sequence[Query],
        max_tokens: int,
    ) -> Verdict:
        """Let both answer the queries and compare. Raises EngineError if the engine cannot."""
        differs = await self._output_differs(candidate, parent, queries)
        new = await self._answers(candidate, queries, max_tokens)
        old = await self._answers(parent, queries, max_tokens)
        verdict = Verdict(
            (differs, self._not_collapsed(new, old), self._still_answers(new, old)), len(queries)
        )
        for check in verdict.checks:
            outcome = {True: "passed", False: "failed", None: "skipped"}[check.passed]
            self._metrics.gate_checks.labels(check=check.name, outcome=outcome).inc()
        return verdict

    async def _output_differs(
        self, candidate: AdapterVersion, parent: AdapterVersion, queries: Sequence[Query]
    ) -> Check:
        """Compare first-token probabilities, against what the engine's own noise makes."""
        difference = noise = 0.0
        for query in queries[:_CONCURRENT]:
            old = await self._sampler.first_token_logprobs(query, parent)
            again = await self._sampler.first_token_logprobs(query, parent)
            new = await self._sampler.first_token_logprobs(query, candidate)
            noise = max(noise, _distance(old, again))
            difference = max(difference, _distance(old, new))
        # Exactly equal: the adapter is not applied. Within the noise: the step was small, and
        # under load the engine's own batching hides it; that is no reason to refuse it.
        passed = None if not queries or 0 < difference <= noise else difference > 0
        detail = (
            f"served first-token probabilities differ from {parent.version} by {difference:.2g} "
            f"(the same version twice: {noise:.2g})"
        )
        return Check("output_differs", passed, difference, noise, detail)

    async def _answers(
        self, adapter: AdapterVersion, queries: Sequence[Query], max_tokens: int
    ) -> list[str]:
        slots = asyncio.Semaphore(_CONCURRENT)

        async def answer(query: Query) -> str:
            async with slots:
                sample = await self._sampler.greedy(query, adapter, max_tokens)
            return (await self._extract(query.question, (sample,)))[0]

        return list(await asyncio.gather(*(answer(query) for query in queries)))

    def _not_collapsed(self, new: Sequence[str], old: Sequence[str]) -> Check:
        distinct_new = len({a.casefold() for a in new if a})
        distinct_old = len({a.casefold() for a in old if a})
        needed = math.ceil(self._section.min_distinct_ratio * distinct_old)
        # Two or three distinct answers say nothing of collapse.
        passed = distinct_new >= needed if distinct_old >= 4 else None
        detail = f"{distinct_new} distinct answers to {len(new)} queries, parent {distinct_old}"
        return Check("answers_not_collapsed", passed, distinct_new, distinct_old, detail)

    def _still_answers(self, new: Sequence[str], old: Sequence[str]) -> Check:
        if not new:
            return Check("still_answers", None, 0.0, 0.0, "no queries to answer")
        missing_new = sum(not a for a in new) / len(new)
        missing_old = sum(not a for a in old) / len(old)
        passed = missing_new <= missing_old + self._section.max_no_answer_increase
        detail = f"{missing_new:.0%} of the queries end without an answer, parent {missing_old:.0%}"
        return Check("still_answers", passed, missing_new, missing_old, detail)


def _distance(a: dict[str, float], b: dict[str, float]) -> float:
    """Largest difference of probabilities over the tokens that either list names."""
    tokens = a.keys() | b.keys()
    return max(
        (abs(math.exp(a.get(t, -math.inf)) - math.exp(b.get(t, -math.inf))) for t in tokens),
        default=0.0,
    )
