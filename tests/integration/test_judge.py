"""Asking the judge: over HTTP, from the scorer process, through the served model's engine."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_endpoint import JudgeEndpoint, Rule, evasive, honest, judge_endpoint, yes_to_all
from rollout_world import World

from empo_serve.config import Config, SemanticsSection
from empo_serve.db.database import Database
from empo_serve.engine.admission import Admission
from empo_serve.engine.endpoint import Endpoint
from empo_serve.errors import EngineError, EngineUnavailable, ScorerError, StartupError
from empo_serve.metrics import Metrics
from empo_serve.pipeline.judging import Judging, ServedModel
from empo_serve.semantics.judging import Judge
from empo_serve.semantics.process import ScorerProcess
from empo_serve.types import Sample

pytestmark = pytest.mark.slow

QUESTION = "Why was the bridge closed?"
LORRY = "A lorry had damaged one of the pillars"
FLOOD = "The river had risen above the road"
PAIR = (LORRY, f"{LORRY} (in the night)")


@pytest.fixture
def endpoint() -> Iterator[JudgeEndpoint]:
    with judge_endpoint(honest) as running:
        yield running


def section(endpoint: JudgeEndpoint, equivalence: str = "auto", **more: Any) -> SemanticsSection:
    settings = {"judge_url": endpoint.url, "judge_model": "m", "equivalence": equivalence}
    return SemanticsSection.model_validate(settings | more)


@contextlib.asynccontextmanager
async def asking(settings: SemanticsSection) -> AsyncIterator[Judge]:
    model = Endpoint(settings.judge_url, settings.judge_model, settings.judge_api_key_env)
    try:
        yield Judge(settings, model, Metrics())
    finally:
        await model.close()


async def until(question: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not question():  # noqa: ASYNC110  (no event: other threads and processes)
            await asyncio.sleep(0.01)


# Over HTTP.


async def test_both_orders_are_asked_and_each_pair_once(endpoint: JudgeEndpoint) -> None:
    async with asking(section(endpoint)) as judge:
        first = await judge.ask(QUESTION, [PAIR, (LORRY, FLOOD)])
        assert await judge.ask(QUESTION, [(FLOOD, LORRY), PAIR]) == first[::-1]
    assert sorted(endpoint.asked) == sorted(
        (QUESTION, *sides) for sides in (PAIR, PAIR[::-1], (LORRY, FLOOD), (FLOOD, LORRY))
    )
    assert first[0] is not None
    assert first[0] > 0.9
    assert first[1] == pytest.approx(0.03)
    assert all(body["model"] == "m" and body["max_tokens"] == 1 for body in endpoint.bodies)


async def test_a_judge_who_prefers_what_comes_first_is_averaged_out(
    endpoint: JudgeEndpoint,
) -> None:
    endpoint.rule = lambda question, a, b: {"Yes": 0.98, "No": 0.02} if a < b else {"No": 1.0}
    async with asking(section(endpoint)) as judge:
        assert await judge.ask(QUESTION, [PAIR]) == [pytest.approx(0.49)]


async def test_no_usable_answer_is_unknown_and_is_asked_again(endpoint: JudgeEndpoint) -> None:
    endpoint.rule = evasive
    async with asking(section(endpoint)) as judge:
        assert await judge.ask(QUESTION, [PAIR]) == [None]
        endpoint.rule = honest
        assert await judge.ask(QUESTION, [PAIR]) != [None]


async def test_where_only_the_judge_decides_no_usable_answer_is_an_error(
    endpoint: JudgeEndpoint,
) -> None:
    endpoint.rule = evasive
    async with asking(section(endpoint, "judge")) as judge:
        with pytest.raises(ScorerError, match="neither yes nor no"):
            await judge.ask(QUESTION, [PAIR])


async def test_a_chat_that_the_endpoint_does_not_take_has_no_usable_answer(
    endpoint: JudgeEndpoint,
) -> None:
    endpoint.rule = lambda question, a, b: 400
    async with asking(section(endpoint)) as judge:
        assert await judge.ask(QUESTION, [PAIR]) == [None]


@pytest.mark.parametrize("status", [302, 401, 429, 500])
async def test_an_endpoint_that_fails_is_an_error(endpoint: JudgeEndpoint, status: int) -> None:
    endpoint.rule = lambda question, a, b: status
    async with asking(section(endpoint)) as judge:
        with pytest.raises(ScorerError, match=f"does not answer: .* answered {status}"):
            await judge.ask(QUESTION, [PAIR])


async def test_an_endpoint_that_is_not_there_is_an_error() -> None:
    settings = SemanticsSection(judge_url="http://127.0.0.1:9/v1", judge_model="m")
    async with asking(settings) as judge:
        with pytest.raises(ScorerError, match=r"127\.0\.0\.1:9"):
            await judge.ask(QUESTION, [PAIR])


async def test_the_key_comes_from_the_environment(
    endpoint: JudgeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = section(endpoint, judge_api_key_env="JUDGE_KEY")
    with pytest.raises(StartupError, match="JUDGE_KEY is not set"):
        async with asking(settings):
            pass
    monkeypatch.setenv("JUDGE_KEY", "secret")
    async with asking(settings) as judge:
        await judge.ask(QUESTION, [PAIR])
    assert {headers["Authorization"] for headers in endpoint.headers} == {"Bearer secret"}


# Can it judge?


@pytest.mark.parametrize(
    ("rule", "passed", "numbers"),
    [
        (honest, True, "precision 1.00 (needs 0.95), recall 1.00"),
        (yes_to_all, False, "precision 0.50 (needs 0.95), recall 1.00"),
        (lambda question, a, b: {"No": 1.0}, False, "precision none (needs 0.95), recall 0.00"),
        (evasive, False, "on 40 pairs, 40 without a yes or no"),
    ],
)
async def test_a_judge_takes_part_only_when_it_has_shown_that_it_can(
    endpoint: JudgeEndpoint, rule: Rule, passed: bool, numbers: str
) -> None:
    endpoint.rule = rule
    async with asking(section(endpoint)) as judge:
        assert not judge.takes_part
        judge.accept(await judge.check())
        assert judge.takes_part is passed
        assert numbers in str(judge.checked)


async def test_the_judge_that_alone_decides_takes_part_whatever_the_check_says(
    endpoint: JudgeEndpoint,
) -> None:
    endpoint.rule = yes_to_all
    async with asking(section(endpoint, "judge")) as judge:
        assert judge.takes_part
        judge.accept(await judge.check())
        assert judge.takes_part


async def test_a_judge_is_checked_once_in_its_life(endpoint: JudgeEndpoint, tmp_path: Path) -> None:
    database = Database(tmp_path / "empo.db")
    await database.open()

    async def check(settings: SemanticsSection) -> int:
        """How often the endpoint was asked."""
        endpoint.asked.clear()
        async with asking(settings) as judge:
            judging = Judging(judge, database)
            judging.start()
            try:
                await until(lambda: judge.checked)
            finally:
                await judging.stop()
            assert judging.status()["takes_part"] is True
        return len(endpoint.asked)

    try:
        assert await check(section(endpoint)) == 80
        assert await check(section(endpoint)) == 0
        assert await check(section(endpoint, judge_model="other")) == 80
        assert await check(section(endpoint, judge_model="other", judge_threshold=0.8)) == 80
    finally:
        await database.close()


# From the scorer process.


def group(*texts: str) -> list[Sample]:
    return [Sample(text, "stop", (1,), (-0.5,)) for text in texts]


@contextlib.asynccontextmanager
async def scoring(settings: SemanticsSection) -> AsyncIterator[tuple[ScorerProcess, Judge]]:
    async with asking(settings) as judge:
        scorer = ScorerProcess(settings, judge=judge)
        scorer.start()
        try:
            await scorer.wait_ready()
            yield scorer, judge
        finally:
            await scorer.close()


@pytest.mark.slow
async def test_the_judge_decides_where_nothing_else_can(endpoint: JudgeEndpoint) -> None:
    async with scoring(section(endpoint, "judge")) as (scorer, _):
        texts = (LORRY, FLOOD, f"{LORRY} (at night)", f"{FLOOD} (by noon)", LORRY, "")
        score = await scorer.score_completions(QUESTION, group(*texts))
        assert score.semantic_ids == (0, 1, 0, 1, 0, 2)
        num_asked = len(endpoint.asked)
        again = await scorer.score_completions(QUESTION, group(*reversed(texts)))
        assert again.semantic_ids == (0, 1, 2, 1, 2, 1)
        assert len(endpoint.asked) == num_asked


@pytest.mark.slow
async def test_while_the_judge_thinks_others_have_their_turn_and_nothing_times_out(
    endpoint: JudgeEndpoint,
) -> None:
    may_answer = threading.Event()

    def slow(question: str, a: str, b: str) -> dict[str, float] | int:
        may_answer.wait(30)
        return honest(question, a, b)

    endpoint.rule = slow
    async with scoring(section(endpoint, "judge", timeout_s=2.0)) as (scorer, _):
        pid = scorer.pid
        judged = asyncio.create_task(scorer.score_completions(QUESTION, group(*PAIR)))
        await until(lambda: endpoint.asked)
        score = await scorer.score_completions("Which?", group("Paris", "paris"))
        assert score.num_clusters == 1
        await asyncio.sleep(2.5)  # longer than semantics.timeout_s
        assert not judged.done()
        may_answer.set()
        assert (await judged).semantic_ids == (0, 0)
        assert scorer.pid == pid


@pytest.mark.slow
async def test_a_group_without_the_judges_answer_is_not_scored(endpoint: JudgeEndpoint) -> None:
    async with scoring(section(endpoint, "judge")) as (scorer, _):
        pid = scorer.pid
        endpoint.rule = lambda question, a, b: 503
        with pytest.raises(ScorerError, match="the judge does not answer"):
            await scorer.score_completions(QUESTION, group(*PAIR))
        endpoint.rule = evasive
        with pytest.raises(ScorerError, match="neither yes nor no"):
            await scorer.score_completions(QUESTION, group(*PAIR))
        endpoint.rule = honest
        assert (await scorer.score_completions(QUESTION, group(*PAIR))).num_clusters == 1
        assert scorer.pid == pid


@pytest.mark.slow
async def test_in_auto_it_joins_when_it_has_passed(endpoint: JudgeEndpoint) -> None:
    async with scoring(section(endpoint)) as (scorer, judge):
        texts = ("One of its pillars had been damaged.", "People feared that it might collapse.")
        before = await scorer.score_completions(QUESTION, group(*texts))
        assert before.num_clusters == 2
        assert endpoint.asked == []
        judge.accept(await judge.check())
        assert judge.takes_part
        endpoint.rule = lambda question, a, b: {"Yes": 0.99, "No": 0.01}
        assert (await scorer.score_completions(QUESTION, group(*texts))).num_clusters == 1
        endpoint.asked.clear()
        numbers = await scorer.score_completions("How long?", group("5 km", "5000 m", "6 km"))
        assert numbers.semantic_ids == (0, 0, 1)
        assert endpoint.asked == []  # rules are cheaper and more certain


# Through the engine that serves.


@contextlib.asynccontextmanager
async def served(
    directory: Path, when: str = "capacity"
) -> AsyncIterator[tuple[World, Admission, ServedModel]]:
    world = World(directory, num_engines=1, keep=["v0"])
    await world.start()
    try:
        config = Config.model_validate({"engine": {"kind": "fake"}, "sampling": {"when": when}})
        admission = Admission(config, lambda: world.engines.num_up, Metrics())
        yield world, admission, ServedModel(world.engines, admission, world.rollout)
    finally:
        await world.stop()


CHATS = [[{"role": "user", "content": f"Same? {i}"}] for i in range(20)]


def first_words(found: list[dict[str, float]]) -> set[str]:
    return {max(tokens, key=lambda token: tokens[token]) for tokens in found}


async def test_it_is_always_the_first_version_that_judges(tmp_path: Path) -> None:
    async with served(tmp_path) as (world, _, model):
        assert first_words(await model.first_tokens(CHATS)) == {"alpha"}  # the word of v0
        for _ in range(5):
            await world.rollout.promote(await world.publish())
        await world.rollout.settle()
        assert world.rollout.live.version == "v5"
        assert await world.known_to(0) == {"v0", "v3", "v4", "v5"}
        assert first_words(await model.first_tokens(CHATS)) == {"alpha"}
        # Nobody answers as v0 any more, so a restart would not load it either.
        await world.rollout.settle()
        world.rollout = world.new_rollout()
        await world.rollout.start(keep=["v0"])
        await world.restart(0)
        await world.bring_up(world.engines.clients[0])
        assert "v0" in await world.known_to(0)


async def test_it_waits_for_users_but_not_where_a_user_waits_for_it(tmp_path: Path) -> None:
    async with served(tmp_path, when="idle") as (_, admission, model):
        with admission.user(1, stream=False):
            waiting = asyncio.create_task(model.first_tokens(CHATS[:3]))
            assert len(await model.first_tokens(CHATS[:3], urgent=True)) == 3
            await asyncio.sleep(0.3)
            assert not waiting.done()
        assert len(await asyncio.wait_for(waiting, 10)) == 3


async def test_cut_off_for_users_it_asks_only_what_is_missing(tmp_path: Path) -> None:
    async with served(tmp_path, when="idle") as (world, admission, model):
        client = world.engines.clients[0]
        ask, asked = client.first_token_logprobs, list[int]()

        async def counting(query: Any, *more: Any) -> dict[str, float]:
            number = CHATS.index(query.prompt["messages"])
            found = await ask(query, *more)
            asked.append(number)
            if len(asked) == 3:
                users.enter_context(admission.user(1, stream=False))
            return found

        client.first_token_logprobs = counting  # type: ignore[method-assign, assignment]
        with contextlib.ExitStack() as users:
            task = asyncio.create_task(model.first_tokens(CHATS))
            await until(lambda: len(asked) >= 3)
            await asyncio.sleep(0.1)
            assert not task.done()
            assert len(asked) < len(CHATS)
        assert all(await asyncio.wait_for(task, 10))
        assert sorted(asked) == list(range(len(CHATS)))


async def test_an_engine_that_is_down_is_an_error(tmp_path: Path) -> None:
    async with served(tmp_path) as (world, _, model):
        await world.servers[0].stop()
        with pytest.raises(EngineUnavailable):
            await model.first_tokens(CHATS[:1])
        world.engines.clients[0].is_up = False
        with pytest.raises(EngineError):
            await model.first_tokens(CHATS[:1], urgent=True)


async def test_a_chat_that_is_too_long_has_no_tokens(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, _, model):
        long = [{"role": "user", "content": "x " * 100_000}]
        found = await model.first_tokens([long, *CHATS[:2]])
        assert [bool(tokens) for tokens in found] == [False, True, True]
