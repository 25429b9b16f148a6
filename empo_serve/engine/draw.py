"""Lets an engine write samples, token by token, so that they can be cut off and gone on with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from empo_serve.engine.client import BACKGROUND_PRIORITY, EngineClient, error_message
from empo_serve.engine.drafts import Draft, Drafts
from empo_serve.errors import EngineError, EngineUnavailable
from empo_serve.types import Query


async def draw(
    client: EngineClient,
    query: Query,
    engine_name: str,
    drafts: Drafts,
    wanted: Sequence[Draft],
    *,
    temperature: float,
    max_tokens: int,
    priority: int = BACKGROUND_PRIORITY,
    seed: int | None = None,
) -> None:
    """Let one adapter write the `wanted` drafts of a query to their end.

    Cancelled or broken off, the drafts keep what came until then, and another call goes on
    from there: from the same token ids, so the samples are those that an undisturbed engine
    would have drawn. Plain sampling (top_p 1, top_k off, no penalties), so that the
    log-probabilities are those of the distribution that the trainer differentiates.
    Raises EngineError.
    """
    common = {
        "model": engine_name,
        "temperature": temperature,
        "top_p": 1.0,
        "return_token_ids": True,
        "priority": priority,
        "stream": True,
    }
    if seed is not None:
        common["seed"] = seed
    if not drafts.prompt_token_ids:
        logprobs = (
            {"logprobs": True, "top_logprobs": 0} if query.route == "chat" else {"logprobs": 0}
        )
        body = query.prompt | common | logprobs | {"n": len(wanted), "max_tokens": max_tokens}
        await _write(client, query.route, body, drafts, wanted)
        return
    leaving = [draft for draft in wanted if draft.barred]
    await _go_on(
        client,
        drafts,
        leaving,
        lambda draft: common | {"max_tokens": 1, "logit_bias": dict.fromkeys(draft.barred, -100)},
    )
    for draft in wanted:
        if draft.finish_reason is None and len(draft.token_ids) >= max_tokens:
            draft.finish_reason = "length"
    await _go_on(
        client,
        drafts,
        [draft for draft in wanted if draft.finish_reason is None],
        lambda draft: common | {"max_tokens": max_tokens - len(draft.token_ids)},
    )


async def _go_on(
    client: EngineClient,
    drafts: Drafts,
    wanted: Sequence[Draft],
    body_of: Callable[[Draft], dict[str, Any]],
) -> None:
    """Ask for what comes after the tokens of each draft; once for those that have the same."""
    groups: dict[tuple[tuple[int, ...], ...], list[Draft]] = {}
    for draft in wanted:
        groups.setdefault((tuple(draft.token_ids), tuple(draft.barred)), []).append(draft)
    try:
        async with asyncio.TaskGroup() as tasks:
            for same in groups.values():
                body = body_of(same[0]) | {
                    "prompt": [*drafts.prompt_token_ids, *same[0].token_ids],
                    "logprobs": 0,
                    "n": len(same),
                }
                tasks.create_task(_write(client, "completions", body, drafts, same))
    except ExceptionGroup as group:
        raise group.exceptions[0] from group


async def _write(
    client: EngineClient,
    route: str,
    body: dict[str, Any],
    drafts: Drafts,
    wanted: Sequence[Draft],
) -> None:
    """Send one streaming request and add what comes to the drafts, by choice index."""
    client.inflight += 1
    num_ended = 0
    try:
        async with await client.post(route, json.dumps(body).encode()) as response:
            if response.status != 200:
                raise EngineError(
                    f"the engine answered {response.status}: "
                    f"{error_message(await response.read())}",
                    response.status,
                )
            pending = b""
            async for chunk in response.content.iter_any():
                # Not by readline: the line of the prompt may exceed its limit.
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    if line.startswith(b"data: {"):
                        num_ended += drafts.add(route, json.loads(line[6:]), wanted)
    except (aiohttp.ClientError, TimeoutError, ValueError) as e:
        raise EngineUnavailable(f"the engine at {client.url} broke off: {e!r}") from e
    except (KeyError, IndexError, TypeError, AttributeError) as e:
        raise EngineError(f"the engine sent an event that is no sample: {e!r}") from e
    finally:
        client.inflight -= 1
    if num_ended < len(wanted):
        raise EngineUnavailable(f"the engine at {client.url} broke off in a sample")
