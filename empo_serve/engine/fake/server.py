"""The fake engine's server: vLLM's routes, plus knobs for speed and failure."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from empo_serve.engine.fake.adapters import Adapter, Adapters
from empo_serve.engine.fake.body import LoadRequest, UnloadRequest, parse_body
from empo_serve.engine.fake.errors import (
    ApiError,
    BodyNotTextError,
    engine_failed,
    prompt_too_long,
)
from empo_serve.engine.fake.metrics import Metrics
from empo_serve.engine.fake.model import (
    Step,
    answer_tree,
    generate,
    prompt_logprobs,
    split_begun,
)
from empo_serve.engine.fake.protocol import ChatRequest, CompletionRequest
from empo_serve.engine.fake.slots import Slots
from empo_serve.engine.fake.tokenizer import decode
from empo_serve.engine.fake.wire import (
    DONE,
    ChatAnswer,
    Choice,
    CompletionAnswer,
    error_event,
    to_json,
)

VERSION = "0.32.0+fake"
_KEPT_BODIES = 1000


@dataclass(frozen=True, slots=True)
class Knobs:
    """What the command line sets. Times are seconds, rates tokens per second and sequence; 0 is as
    fast as possible. `*_after` count generation requests; None is never."""

    model: str
    max_model_len: int = 8192
    max_num_seqs: int = 256
    max_lora_rank: int = 512
    seed: int = 0
    min_tokens: int = 0
    tokens_per_s: float = 0.0
    first_token_s: float = 0.0
    busy_s: float = 0.0
    fail_rate: float = 0.0
    load_delay_s: float = 0.0
    fail_load: int = 0
    hang_after: int | None = None
    die_after: int | None = None


Sequence = tuple[Choice, Iterator[Step]]


class FakeEngine:
    """One engine. `app()` needs a runner with handler_cancellation=True, else a request whose
    client is gone runs to its end."""

    def __init__(self, knobs: Knobs) -> None:
        self._knobs = knobs
        self._adapters = Adapters(
            knobs.model,
            knobs.max_model_len,
            knobs.max_lora_rank,
            knobs.load_delay_s,
            knobs.fail_load,
        )
        self._slots = Slots(knobs.max_num_seqs)
        self._sampler = random.Random(knobs.seed)
        self._failures = random.Random(knobs.seed)
        self._bodies: deque[dict[str, Any]] = deque(maxlen=_KEPT_BODIES)
        self._loads: set[asyncio.Future[None]] = set()
        self._num_requests = self._num_aborted = 0
        self._metrics = Metrics(knobs.model)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[_errors], client_max_size=0)
        app.router.add_get("/health", self._health, allow_head=False)
        app.router.add_get("/metrics", self._show_metrics, allow_head=False)
        app.router.add_get("/version", self._version, allow_head=False)
        app.router.add_get("/v1/models", self._models, allow_head=False)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completions)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_post("/v1/load_lora_adapter", self._load)
        app.router.add_post("/v1/unload_lora_adapter", self._unload)
        app.router.add_get("/fake/stats", self._stats, allow_head=False)
        return app

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _show_metrics(self, _: web.Request) -> web.Response:
        slots = self._slots
        text = self._metrics.render(slots.num_running, slots.num_waiting, self._knobs.max_num_seqs)
        return web.Response(text=text)

    async def _version(self, _: web.Request) -> web.Response:
        return _json({"version": VERSION})

    async def _models(self, _: web.Request) -> web.Response:
        return _json({"object": "list", "data": self._adapters.cards()})

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(  # in ASCII: bodies may hold lone surrogates
            {
                "requests": self._num_requests,
                "aborted": self._num_aborted,
                "tokens": self._metrics.generation_tokens,
                "running": self._slots.num_running,
                "waiting": self._slots.num_waiting,
                "adapters": self._adapters.names,
                "bodies": list(self._bodies),
            }
        )

    async def _tokenize(self, http: web.Request) -> web.Response:
        _, request = parse_body(await http.read(), _content_type(http), ChatRequest)
        self._adapters.find(request.model)
        tokens = request.prompt_token_ids()
        limit = self._knobs.max_model_len
        return _json(
            {"count": len(tokens), "max_model_len": limit, "tokens": tokens, "token_strs": None}
        )

    async def _load(self, http: web.Request) -> web.Response:
        _, request = parse_body(await http.read(), _content_type(http), LoadRequest)
        # As in vLLM, a load goes on when its client has left.
        load = asyncio.ensure_future(self._adapters.load(request.lora_name, request.lora_path))
        self._loads.add(load)
        load.add_done_callback(self._loads.discard)
        await asyncio.shield(load)
        message = f"Success: LoRA adapter '{request.lora_name}' added successfully."
        return web.Response(text=message)

    async def _unload(self, http: web.Request) -> web.Response:
        _, request = parse_body(await http.read(), _content_type(http), UnloadRequest)
        self._adapters.unload(request.lora_name)
        message = f"Success: LoRA adapter '{request.lora_name}' removed successfully."
        return web.Response(text=message)

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        return await self._generate(http, ChatRequest)

    async def _completions(self, http: web.Request) -> web.StreamResponse:
        return await self._generate(http, CompletionRequest)

    async def _generate(
        self, http: web.Request, kind: type[ChatRequest] | type[CompletionRequest]
    ) -> web.StreamResponse:
        try:
            return await self._answer(http, kind)
        except (asyncio.CancelledError, ConnectionResetError):
            self._num_aborted += 1
            raise

    async def _answer(
        self, http: web.Request, kind: type[ChatRequest] | type[CompletionRequest]
    ) -> web.StreamResponse:
        body, request = parse_body(await http.read(), _content_type(http), kind)
        self._bodies.append({"path": http.path, "headers": dict(http.headers), "body": body})
        await self._misbehave()
        adapter = self._adapters.find(request.model)
        prompts = (
            [request.prompt_token_ids()]
            if isinstance(request, ChatRequest)
            else request.prompts_token_ids()
        )
        if max(self._knobs.fail_rate, adapter.fail_rate) > self._failures.random():
            raise engine_failed("this request was made to fail")
        sequences = [
            sequence for prompt in prompts for sequence in self._sequences(request, adapter, prompt)
        ]
        choices = [choice for choice, _ in sequences]
        for index, choice in enumerate(choices):
            choice.index = index
        answer = (
            ChatAnswer(request, adapter.name, choices)
            if isinstance(request, ChatRequest)
            else CompletionAnswer(request, adapter.name, choices)
        )
        if request.stream:
            return await self._stream(http, request, answer, sequences, adapter)
        request.check_num_top()
        async with aclosing(self._run(sequences, adapter, request.priority)) as steps:
            async for choice, step in steps:
                choice.steps.append(step)
        return _json(answer.whole())

    async def _stream(
        self,
        http: web.Request,
        request: ChatRequest | CompletionRequest,
        answer: ChatAnswer | CompletionAnswer,
        sequences: list[Sequence],
        adapter: Adapter,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(http)
        try:
            request.check_num_top()
        except ApiError as e:
            await response.write(error_event(e.body) + DONE)
            return response
        is_first = True
        async with aclosing(self._run(sequences, adapter, request.priority)) as steps:
            async for choice, step in steps:
                if is_first:
                    for event in answer.first_events():
                        await response.write(event)
                    is_first = False
                await response.write(answer.step_event(choice, step))
        await response.write((answer.usage_event() if request.include_usage else b"") + DONE)
        return response

    async def _misbehave(self) -> None:
        self._num_requests += 1
        if self._knobs.die_after is not None and self._num_requests > self._knobs.die_after:
            os._exit(1)
        if self._knobs.hang_after is not None and self._num_requests > self._knobs.hang_after:
            await asyncio.Event().wait()
        end = time.monotonic() + self._knobs.busy_s
        while time.monotonic() < end:
            pass  # as vLLM does on a CPU: it computes, and meanwhile nobody gets any answer

    def _sequences(
        self, request: ChatRequest | CompletionRequest, adapter: Adapter, prompt: list[int]
    ) -> Iterator[Sequence]:
        limit = self._knobs.max_model_len
        if len(prompt) > limit:
            raise prompt_too_long(len(prompt), limit)
        sampling = request.to_sampling(len(prompt), limit)
        sampling = replace(sampling, min_tokens=max(sampling.min_tokens, self._knobs.min_tokens))
        question, begun = split_begun(prompt)
        tree = answer_tree(self._knobs.seed, adapter, decode(question))
        for i in range(request.num_sequences):
            seed = self._sampler.getrandbits(64) if request.seed is None else request.seed + i
            scored = prompt_logprobs(tree, prompt) if request.scores_prompt else None
            choice = Choice(i, prompt, prompt_logprobs=scored)
            yield choice, generate(tree, sampling, random.Random(seed), begun)

    async def _run(
        self, sequences: list[Sequence], adapter: Adapter, priority: int
    ) -> AsyncGenerator[tuple[Choice, Step], None]:
        """The steps of all sequences, as they come."""
        self._metrics.prompt_tokens += sum(len(choice.prompt_token_ids) for choice, _ in sequences)
        first_s = self._knobs.first_token_s + adapter.slow_s
        gap_s = 1 / self._knobs.tokens_per_s if self._knobs.tokens_per_s else 0.0
        if not first_s and not gap_s:
            for choice, steps in sequences:
                for step in steps:
                    self._metrics.generation_tokens += 1
                    yield choice.add(step), step
            return
        ready: asyncio.Queue[tuple[Choice, Step]] = asyncio.Queue()

        async def run(choice: Choice, steps: Iterator[Step]) -> None:
            async with self._slots.hold(priority):
                await asyncio.sleep(first_s)
                for step in steps:
                    await asyncio.sleep(gap_s)
                    self._metrics.generation_tokens += 1
                    ready.put_nowait((choice, step))

        tasks = [asyncio.create_task(run(*sequence)) for sequence in sequences]
        try:
            unfinished = len(tasks)
            while unfinished:
                choice, step = await ready.get()
                unfinished -= step.finish_reason is not None
                yield choice.add(step), step
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as e:
        return _error(e)
    except UnicodeEncodeError as e:  # a prompt with a lone surrogate
        return _error(ApiError(str(e)))
    except BodyNotTextError:
        return _json({"detail": "There was an error parsing the body"}, 400)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as e:
        return _json({"detail": e.reason}, e.status)


def _error(error: ApiError) -> web.Response:
    try:
        return _json(error.body, error.status)
    except UnicodeEncodeError as e:  # the message repeats a lone surrogate
        return _json(ApiError(str(e)).body, 400)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=to_json(body), status=status, content_type="application/json")


def _content_type(http: web.Request) -> str | None:
    return http.headers.get("Content-Type")
