"""Samples that are cut off and go on later are those of an undisturbed engine."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from engines import Engine

from empo_serve.engine.client import EngineClient
from empo_serve.engine.drafts import Drafts
from empo_serve.engine.draw import draw
from empo_serve.engine.sample_tree import SampleTree
from empo_serve.errors import EngineError
from empo_serve.types import Query

QUESTIONS = {
    "chat": {"messages": [{"role": "user", "content": "Name three fruits."}]},
    # As the chat template writes it: there the fake engine knows where an answer begins.
    "completions": {
        "prompt": "<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n"
    },
}


def query(route: str) -> Query:
    return Query("q-1", route, QUESTIONS[route], "", time.time())


async def drawn(
    engine: Engine, route: str, *, num: int = 1, cut_after: int | None = None, max_tokens: int = 12
) -> Drafts:
    """Drafts, greedy if it is one; cut off once, when so many tokens are there."""
    client = EngineClient(engine.url, request_timeout_s=60)
    drafts = Drafts("v0", num)
    try:
        while drafts.unfinished:
            drawing = asyncio.create_task(
                draw(
                    client,
                    query(route),
                    "zero",
                    drafts,
                    drafts.unfinished,
                    temperature=0.0 if num == 1 else 1.0,
                    max_tokens=max_tokens,
                    seed=5,
                )
            )
            while cut_after is not None and not drawing.done():
                await asyncio.sleep(0)
                if len(drafts.drafts[0].token_ids) >= cut_after:
                    drawing.cancel()
                    cut_after = None
            await asyncio.gather(drawing, return_exceptions=True)
            if not drawing.cancelled():
                drawing.result()
                # The fake engine sends all of a short answer at once; vLLM cannot.
                assert cut_after is None or engine.kind == "fake"
    finally:
        await client.close()
    return drafts


@pytest.mark.parametrize("route", ["chat", "completions"])
async def test_a_sample_that_is_cut_off_goes_on_to_the_same_end(engine: Engine, route: str) -> None:
    whole = await drawn(engine, route)
    resumed = await drawn(engine, route, cut_after=2)
    assert resumed.prompt_token_ids == whole.prompt_token_ids
    sample, expected = resumed.samples[0], whole.samples[0]
    assert (sample.text, sample.finish_reason) == (expected.text, expected.finish_reason)
    assert sample.token_ids == expected.token_ids
    # The prompt is computed in other pieces, so the numbers differ by rounding.
    assert sample.logprobs == pytest.approx(expected.logprobs, abs=0.1)


@pytest.mark.parametrize("route", ["chat", "completions"])
async def test_each_sample_has_its_own_tokens_and_an_end(engine: Engine, route: str) -> None:
    drafts = await drawn(engine, route, num=4, max_tokens=6)
    assert len(drafts.samples) == 4
    for sample in drafts.samples:
        assert 0 < len(sample.token_ids) == len(sample.logprobs) <= 6
        assert sample.finish_reason in ("stop", "length")
        assert all(value <= 0 for value in sample.logprobs)
    assert drafts.num_tokens == len(drafts.prompt_token_ids) + sum(
        len(sample.token_ids) for sample in drafts.samples
    )


class Leaves(random.Random):
    """Chance that takes every way out of the tree, and so the first one."""

    def random(self) -> float:
        return 1 - 2**-53


@pytest.mark.parametrize("route", ["chat", "completions"])
async def test_samples_that_leave_the_tree_begin_as_no_known_one_does(
    engine: Engine, route: str
) -> None:
    drafts = await drawn(engine, route, num=4)
    tree = SampleTree(drafts.drafts)
    assert 0 < tree.mass < 1
    known = {draft.token_ids[0]: draft.logprobs[0] for draft in drafts.drafts}
    new = [tree.sample(Leaves()) for _ in range(3)]
    assert all(draft.barred.keys() == known.keys() for draft in new)
    drafts.grow(new)
    await draw_on(engine, route, drafts)
    client = EngineClient(engine.url, request_timeout_s=60)
    try:
        for draft in new:
            assert draft.finish_reason in ("stop", "length")
            assert draft.token_ids[0] not in known
            # As a sample that is drawn without the tree, and whose first token is this one.
            expected = await client.token_logprobs(drafts.prompt_token_ids, draft.token_ids, "zero")
            assert draft.logprobs == pytest.approx(expected, abs=0.1)
            assert "".join(draft.pieces) == draft.text
    finally:
        await client.close()


async def test_a_sample_that_leaves_the_tree_can_be_cut_off_anywhere(engine: Engine) -> None:
    drafts = await drawn(engine, "chat", num=2)
    drafts.grow([SampleTree(drafts.drafts).sample(Leaves())])
    new = drafts.drafts[-1]
    num_cuts = 0
    while drafts.unfinished:
        drawing = asyncio.create_task(draw_on(engine, "chat", drafts))
        num_tokens = len(new.token_ids)
        while not drawing.done():
            await asyncio.sleep(0)
            if len(new.token_ids) > num_tokens:
                num_cuts += drawing.cancel()
                break
        await asyncio.gather(drawing, return_exceptions=True)
        if not drawing.cancelled():
            drawing.result()
    assert num_cuts
    assert new.finish_reason == "stop" or len(new.token_ids) == 12
    assert len(new.token_ids) == len(new.logprobs) == len(new.pieces)


async def test_a_sample_of_one_token_can_leave_the_tree(engine: Engine) -> None:
    drafts = await drawn(engine, "chat", num=2, max_tokens=1)
    drafts.grow([SampleTree(drafts.drafts).sample(Leaves())])
    await draw_on(engine, "chat", drafts, max_tokens=1)
    new = drafts.drafts[-1]
    assert new.finish_reason in ("stop", "length")
    assert len(new.token_ids) == 1
    assert new.token_ids[0] not in {draft.token_ids[0] for draft in drafts.drafts[:2]}


async def test_log_probabilities_are_those_that_samples_are_drawn_by(engine: Engine) -> None:
    client = EngineClient(engine.url, request_timeout_s=60)
    try:
        await client.check_logprobs("zero")
        assert client.has_exact_logprobs
    finally:
        await client.close()


async def draw_on(engine: Engine, route: str, drafts: Drafts, max_tokens: int = 12) -> None:
    client = EngineClient(engine.url, request_timeout_s=60)
    try:
        await draw(
            client,
            query(route),
            "zero",
            drafts,
            drafts.unfinished,
            temperature=1.0,
            max_tokens=max_tokens,
        )
    finally:
        await client.close()


async def test_an_engine_that_refuses_is_an_error(engine: Engine) -> None:
    client = EngineClient(engine.url, request_timeout_s=60)
    drafts = Drafts("v9", 1)
    try:
        with pytest.raises(EngineError, match="does not exist"):
            await draw(
                client,
                query("chat"),
                "no-such",
                drafts,
                drafts.drafts,
                temperature=1.0,
                max_tokens=4,
            )
    finally:
        await client.close()
