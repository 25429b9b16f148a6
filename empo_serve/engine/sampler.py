"""Background sampling: draws samples in the room that users leave, and goes on where it was cut."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from empo_serve.config import Config
from empo_serve.engine.admission import Admission
from empo_serve.engine.drafts import Draft, Drafts
from empo_serve.engine.draw import draw
from empo_serve.engine.pool import EnginePool
from empo_serve.engine.sample_tree import next_drafts
from empo_serve.metrics import Metrics
from empo_serve.minute import Minute
from empo_serve.types import AdapterVersion, Query, Sample

# Holds an adapter version for one request: the live one.
Serving = Callable[[], AbstractContextManager[AdapterVersion]]

# So many say whether it pays to draw the others by what is known.
FIRST_SAMPLES = 2


class Sampler:
    def __init__(
        self, config: Config, engines: EnginePool, admission: Admission, metrics: Metrics
    ) -> None:
        self._section = section = config.sampling
        self._max_tokens = config.max_sample_tokens
        self._engines = engines
        self._admission = admission
        self._metrics = metrics
        self._spent = Minute(section.max_tokens_per_minute)
        self._spent_by: dict[str, Minute] = {}
        self._rng = random.Random()

    def may_spend(self, principal: str) -> bool:
        """Is there anything left of the token budgets that this principal's queries draw on?

        What was begun may overdraw them: how long a sample becomes is known at its end.
        """
        now = time.monotonic()
        return all(
            not spent.limit or spent.wait_s(now) == 0
            for spent in (self._spent, self._spent_of(principal))
        )

    async def draw(
        self, query: Query, num: int, serving: Serving, drafts: Drafts | None = None
    ) -> Drafts:
        """`num` samples of a query, all from the version that is live; more of `drafts` if it is.

        Cut off for users, it goes on from the same tokens when there is room again; when another
        version has gone live meanwhile, it starts over with that one. Raises EngineError.
        """
        while drafts is None or len(drafts.samples) < num:
            if drafts is not None and not drafts.unfinished:
                drafts.grow(self._next_round(drafts, num))
                continue
            missing = len(drafts.unfinished) if drafts else num
            async with self._admission.background(missing) as lease:
                with serving() as adapter:
                    if drafts is None or drafts.version != adapter.version:
                        drafts = Drafts(adapter.version, self._first_round(num))
                    with self._charged(query.principal, drafts):
                        wanted = drafts.unfinished[: lease.num_seqs]
                        await lease.run(self._draw(query, adapter, drafts, wanted))
        return drafts

    async def _draw(
        self, query: Query, adapter: AdapterVersion, drafts: Drafts, wanted: Sequence[Draft]
    ) -> None:
        await self._engines.check_logprobs(adapter.engine_name)
        await draw(
            self._engines.pick(),
            query,
            adapter.engine_name,
            drafts,
            wanted,
            temperature=self._section.temperature,
            max_tokens=self._max_tokens,
        )

    @property
    def _may_reuse(self) -> bool:
        return self._section.reuse_known and self._engines.have_exact_logprobs

    def _first_round(self, num: int) -> int:
        return min(num, FIRST_SAMPLES) if self._may_reuse else num

    def _next_round(self, drafts: Drafts, num: int) -> list[Draft]:
        """More drafts, on the way to `num`."""
        missing = num - len(drafts.drafts)
        if self._may_reuse:
            return next_drafts(drafts.drafts, missing, self._rng)
        return [Draft() for _ in range(missing)]

    async def greedy(self, query: Query, adapter: AdapterVersion, max_tokens: int) -> Sample:
        """The likeliest answer of one version. Raises EngineError."""
        return (await self._draw_soon(query, adapter, 1, 0.0, max_tokens)).samples[0]

    async def samples(
        self, query: Query, adapter: AdapterVersion, num: int, max_tokens: int
    ) -> Drafts:
        """`num` samples of one version. Raises EngineError."""
        return await self._draw_soon(query, adapter, num, self._section.temperature, max_tokens)

    async def _draw_soon(
        self, query: Query, adapter: AdapterVersion, num: int, temperature: float, max_tokens: int
    ) -> Drafts:
        drafts = Drafts(adapter.version, num)
        await self._admission.run_soon(
            lambda: draw(
                self._engines.pick(),
                query,
                adapter.engine_name,
                drafts,
                drafts.unfinished,
                temperature=temperature,
                max_tokens=max_tokens,
            ),
            num,
        )
        return drafts

    async def token_logprobs(
        self, prompt_token_ids: Sequence[int], token_ids: Sequence[int], adapter: AdapterVersion
    ) -> list[float]:
        """What one version thinks of an answer that is given. Raises EngineError."""
        result: list[float] = []

        async def ask() -> None:
            result.extend(
                await self._engines.pick().token_logprobs(
                    prompt_token_ids, token_ids, adapter.engine_name
                )
            )

        await self._admission.run_soon(ask)
        return result

    async def first_token_logprobs(self, query: Query, adapter: AdapterVersion) -> dict[str, float]:
        """The likeliest first tokens of one version, with log-probabilities. Raises EngineError."""
        result: dict[str, float] = {}

        async def ask() -> None:
            result.update(
                await self._engines.pick().first_token_logprobs(query, adapter.engine_name)
            )

        await self._admission.run_soon(ask)
        return result

    @contextmanager
    def _charged(self, principal: str, drafts: Drafts) -> Iterator[None]:
        """Charge what is drawn to the budgets, finished or not."""
        before = drafts.num_tokens
        try:
            yield
        finally:
            tokens = drafts.num_tokens - before
            self._metrics.background_tokens.inc(tokens)
            now = time.monotonic()
            for spent in (self._spent, self._spent_of(principal)):
                if spent.limit:
                    spent.add(tokens, now)

    def _spent_of(self, principal: str) -> Minute:
        # Principals are names of configured keys, so there are few.
        if principal not in self._spent_by:
            self._spent_by[principal] = Minute(self._section.max_tokens_per_minute_per_key)
        return self._spent_by[principal]
