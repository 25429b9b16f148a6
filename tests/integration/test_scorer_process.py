from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from empo_serve.config import SemanticsSection
from empo_serve.errors import ScorerError, StartupError
from empo_serve.semantics.process import ScorerProcess
from empo_serve.types import Sample

pytestmark = pytest.mark.slow

RULES = SemanticsSection(equivalence="rules", timeout_s=30)
QUESTION = "What is the capital of France?"


def sample(text: str, finish_reason: str = "stop") -> Sample:
    return Sample(text, finish_reason, (1, 2), (-0.5, -1.5))


GROUP = [
    sample("Paris"),
    sample("The capital of France is Paris."),
    sample("Lyon"),
    sample("Paris", finish_reason="length"),
]


@asynccontextmanager
async def running(
    section: SemanticsSection = RULES,
) -> AsyncIterator[tuple[ScorerProcess, list[int]]]:
    restarts: list[int] = []
    scorer = ScorerProcess(section, on_restart=lambda: restarts.append(1))
    scorer.start()
    try:
        yield scorer, restarts
    finally:
        await scorer.close()


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def descendants(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    children = [c for t in threads for c in (t / "children").read_text().split()]
    return [int(c) for c in children] + [d for c in children for d in descendants(int(c))]


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(10):
        while any(is_running(pid) for pid in pids):  # noqa: ASYNC110  (no event: grandchildren)
            await asyncio.sleep(0.02)


async def test_a_group_is_scored_in_the_child() -> None:
    async with running() as (scorer, restarts):
        score = await scorer.score_completions(QUESTION, GROUP)
        assert score.answers == ("Paris", "Paris", "Lyon", "")
        assert score.semantic_ids == (0, 0, 1, 2)
        assert score.rao_semantic_entropy == pytest.approx(score.semantic_entropy)
        assert scorer.pid != os.getpid()
        assert restarts == []


async def test_a_killed_child_costs_only_the_group_it_held() -> None:
    async with running() as (scorer, restarts):
        await scorer.wait_ready()
        first = scorer.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)  # so that it holds the group while it dies
        held = asyncio.create_task(scorer.score_completions(QUESTION, GROUP))
        waiting = asyncio.create_task(scorer.score_completions(QUESTION, GROUP))
        await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(ScorerError, match="died"):
            await held
        assert (await waiting).semantic_ids == (0, 0, 1, 2)
        assert restarts == [1]
        assert scorer.pid != first


async def test_a_hung_child_is_killed_and_replaced() -> None:
    async with running(RULES.model_copy(update={"timeout_s": 1.0})) as (scorer, restarts):
        await scorer.wait_ready()
        hung = scorer.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(ScorerError, match=r"longer than 1 s"):
            await scorer.score_completions(QUESTION, GROUP)
        assert (await scorer.score_completions(QUESTION, GROUP)).num_clusters == 3
        assert restarts == [1]
        assert not is_running(hung)


async def test_groups_beyond_a_bound_are_refused_and_those_that_wait_are_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("empo_serve.semantics.process._MAX_GROUPS", 3)
    async with running() as (scorer, _):
        waiting = [asyncio.create_task(scorer.score_completions(QUESTION, GROUP)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ScorerError, match="3 groups wait"):
            await scorer.score_completions(QUESTION, GROUP)
        assert [(await task).num_clusters for task in waiting] == [3, 3, 3]
        assert (await scorer.score_completions(QUESTION, GROUP)).num_clusters == 3


async def test_a_bad_group_is_an_error_and_the_child_lives_on() -> None:
    async with running() as (scorer, restarts):
        with pytest.raises(ScorerError, match="at least one"):
            await scorer.score_completions(QUESTION, [])
        assert (await scorer.score_completions(QUESTION, GROUP)).num_clusters == 3
        assert restarts == []


async def test_a_cancelled_caller_does_not_shift_the_replies() -> None:
    async with running() as (scorer, _):
        await scorer.wait_ready()
        assert scorer.pid is not None
        os.kill(scorer.pid, signal.SIGSTOP)
        cancelled = asyncio.create_task(scorer.score_completions("other", [sample("x")] * 2))
        await asyncio.sleep(0.05)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        os.kill(scorer.pid, signal.SIGCONT)
        assert (await scorer.score_completions(QUESTION, GROUP)).semantic_ids == (0, 0, 1, 2)


async def test_hostile_mathematics_is_not_scored_and_does_not_hang_the_scorer() -> None:
    async with running(RULES.model_copy(update={"math_timeout_s": 3.0})) as (scorer, restarts):
        for endless in ("9^{9^{9}}", "\\binom{10^{9}}{5\\cdot 10^{8}}"):
            group = [sample(f"\\boxed{{{endless}}}"), sample("\\boxed{8^{8}}")]
            with pytest.raises(ScorerError, match="too"):
                await scorer.score_completions("Compute.", group)
        equations = [sample("\\boxed{x + y = 1}"), sample("\\boxed{y + x = 1}")]
        assert (await scorer.score_completions("Compute.", equations)).num_clusters == 1
        assert restarts == []


async def test_no_process_is_left_after_close_or_after_a_killed_child() -> None:
    async with running() as (scorer, _):
        await scorer.wait_ready()
        assert scorer.pid is not None
        family = [scorer.pid, *descendants(scorer.pid)]
        assert len(family) > 1  # the workers for mathematics
        os.kill(scorer.pid, signal.SIGKILL)
        await gone(family)
        await scorer.score_completions(QUESTION, GROUP)
        assert scorer.pid is not None
        family = [scorer.pid, *descendants(scorer.pid)]
    await gone(family)


async def test_a_child_that_cannot_start_says_why() -> None:
    missing = SemanticsSection(equivalence="embedding", embedding_model="/no/such/model")
    async with running(missing) as (scorer, _):
        with pytest.raises(StartupError, match="/no/such/model"):
            await scorer.wait_ready()
        with pytest.raises(ScorerError, match="cannot start"):
            await scorer.score_completions(QUESTION, GROUP)


async def test_a_closed_scorer_refuses() -> None:
    scorer = ScorerProcess(RULES)
    scorer.start()
    await scorer.close()
    with pytest.raises(ScorerError, match="closed"):
        await scorer.score_completions(QUESTION, GROUP)
