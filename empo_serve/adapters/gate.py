"""The gate: what a candidate must show, through the serving engine, before it answers users.

Its files were checked when it was published. Here it answers held-out queries and probes beside
its parent, and `checks.py` judges what both said. All of it goes through the engine that users
are served from, in the room that they leave.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from empo_serve.adapters import checks, files
from empo_serve.adapters.checks import Check, Verdict
from empo_serve.adapters.compare import CONCURRENT, Comparison, EntropyNorm, Score
from empo_serve.adapters.probes import FORMAT, SAFETY, Probe
from empo_serve.config import GateSection
from empo_serve.engine.sampler import Sampler
from empo_serve.errors import EngineError, EngineUnavailable
from empo_serve.metrics import Metrics
from empo_serve.types import AdapterVersion, Query

_FIRST_TOKENS = 8  # queries whose first tokens are compared
_BUNDLED_TOKENS = 32  # enough to see a form, or the beginning of a refusal
_REMEMBERED = 8  # versions whose probe results are kept: v0 and the latest parents


class Gate:
    def __init__(
        self,
        section: GateSection,
        sampler: Sampler,
        score: Score,
        entropy_norm: EntropyNorm,
        path_of: Callable[[str], Path],
        probes: Sequence[Probe],
        metrics: Metrics,
    ) -> None:
        self._section = section
        self._sampler = sampler
        self._comparison = Comparison(sampler, score, entropy_norm, section.num_samples)
        self._path_of = path_of
        self._probes = tuple(probes)
        self._metrics = metrics
        self._results: dict[tuple[str, str], list[bool]] = {}
        self._num_probed = 0

    async def examine(
        self,
        candidate: AdapterVersion,
        parent: AdapterVersion,
        base: AdapterVersion,
        queries: Sequence[Query],
        num_heldout: int,
        max_tokens: int,
    ) -> Verdict:
        """Let both answer and compare; all three are loaded. Raises EngineError if the engine
        cannot. The first `num_heldout` queries were never trained on."""
        section = self._section
        self._num_probed = 0
        change = await asyncio.to_thread(
            files.largest_change, self._path_of(candidate.version), self._path_of(parent.version)
        )
        compared = await self._comparison.run(queries, candidate, parent, base, max_tokens)
        made = (
            checks.weights_differ(change, parent.version),
            await self._output_differs(candidate, parent, queries),
            *checks.judge(compared, section),
            *(await self._probe(candidate, parent, base, max_tokens)),
        )
        verdict = Verdict(
            made,
            num_queries=len(queries),
            num_heldout=num_heldout,
            num_completions=2 * (1 + section.num_samples) * len(queries) + self._num_probed,
            confidence=section.confidence,
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
        for query in queries[:_FIRST_TOKENS]:
            old = await self._sampler.first_token_logprobs(query, parent)
            again = await self._sampler.first_token_logprobs(query, parent)
            new = await self._sampler.first_token_logprobs(query, candidate)
            noise = max(noise, _distance(old, again))
            difference = max(difference, _distance(old, new))
        return checks.output_differs(difference, noise, len(queries), parent.version)

    async def _probe(
        self,
        candidate: AdapterVersion,
        parent: AdapterVersion,
        base: AdapterVersion,
        max_tokens: int,
    ) -> list[Check]:
        section = self._section
        made = []
        if section.bundled_probes:
            for name, probes, other, check in (
                ("format", FORMAT, parent, checks.format_kept),
                ("safety_refusal", SAFETY, base, checks.safety_refusal),
            ):
                try:
                    new = await self._ask(name, probes, candidate, _BUNDLED_TOKENS)
                    old = await self._ask(name, probes, other, _BUNDLED_TOKENS)
                except EngineUnavailable:
                    raise
                except EngineError as e:  # such as a model without a chat template
                    made.append(checks.skipped(name, f"the engine takes no such chat: {e}"))
                else:
                    made.append(check(new, old, section))
        if self._probes:
            new = await self._ask("probes", self._probes, candidate, max_tokens)
            old = await self._ask("probes", self._probes, parent, max_tokens)
            made.append(checks.labelled_probes(new, old, section))
        return made

    async def _ask(
        self, name: str, probes: Sequence[Probe], adapter: AdapterVersion, max_tokens: int
    ) -> list[bool]:
        """Which probes a version passes, by its likeliest completion. A version never changes, so
        it is asked once."""
        key = (name, adapter.engine_name)
        if key not in self._results:
            slots = asyncio.Semaphore(CONCURRENT)

            async def passes(probe: Probe) -> bool:
                async with slots:
                    sample = await self._sampler.greedy(probe.query, adapter, max_tokens)
                return probe.accepts(sample.text)

            results = list(await asyncio.gather(*(passes(probe) for probe in probes)))
            self._num_probed += len(probes)
            if len(self._results) >= 3 * _REMEMBERED:
                self._results.pop(next(iter(self._results)))
            self._results[key] = results
        return self._results[key]


def _distance(a: dict[str, float], b: dict[str, float]) -> float:
    """Largest difference of probabilities over the tokens that either list names."""
    tokens = a.keys() | b.keys()
    return max(
        (abs(math.exp(a.get(t, -math.inf)) - math.exp(b.get(t, -math.inf))) for t in tokens),
        default=0.0,
    )
