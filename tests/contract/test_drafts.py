"""Samples that are cut off and go on later are those of an undisturbed engine."""

from __future__ import annotations

import asyncio
import time

import pytest
from engines import Engine

from empo_serve.engine.client import EngineClient
from empo_serve.engine.drafts import Drafts
from empo_serve.engine.draw import draw
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
