"""The public API: what an OpenAI client sees."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import aiohttp
from aiohttp import web

from empo_serve.errors import EngineError, EngineUnavailable, ScorerError
from empo_serve.pipeline.main_path import Answer, Pipeline
from empo_serve.server.auth import ANYBODY, PRINCIPAL
from empo_serve.server.bodies import ModelCard, ModelList
from empo_serve.server.errors import BadRequest, error_body
from empo_serve.server.keys import CONFIG, CONTROL, METRICS, PIPELINE, STARTED_AT
from empo_serve.server.limits import TOKENS
from empo_serve.server.quotas import TokenCount
from empo_serve.server.requests import parse_request
from empo_serve.server.slow_clients import read_body
from empo_serve.types import UserRequest

log = logging.getLogger(__name__)

_BROKEN_OFF = "The inference engine stopped in the middle of this answer."
_EMPTY_LINES = (b"\n\n", b"\r\n\r\n")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_VERSION = re.compile(r"v[0-9]{1,9}")


async def chat_completions(request: web.Request) -> web.StreamResponse:
    with request.app[CONTROL].drain.request():
        return await _answer(request, "chat")


async def completions(request: web.Request) -> web.StreamResponse:
    with request.app[CONTROL].drain.request():
        return await _answer(request, "completions")


async def models(request: web.Request) -> web.Response:
    """One model: the public name. Adapter versions are the admin API's business."""
    return web.json_response(asdict(ModelList([_card(request)])))


async def model(request: web.Request) -> web.Response:
    """One model by name, as `client.models.retrieve` asks for it."""
    name = request.match_info["model"]
    if name != request.app[CONFIG].model.public_name:
        raise BadRequest(
            f"The model `{name}` does not exist.", status=404, kind="NotFoundError", param="model"
        )
    return web.json_response(asdict(_card(request)))


def _card(request: web.Request) -> ModelCard:
    config = request.app[CONFIG]
    name = config.model.public_name
    return ModelCard(name, request.app[STARTED_AT], name, config.engine.max_model_len)


async def _answer(request: web.Request, route: str) -> web.StreamResponse:
    config, pipeline = request.app[CONFIG], request.app[PIPELINE]
    started = time.perf_counter()
    query_id = f"q-{secrets.token_hex(16)}"
    raw_request = await read_body(request, config.limits.client_timeout_s)
    principal = request.get(PRINCIPAL, ANYBODY)
    user_request = parse_request(
        route,
        raw_request,
        request.content_type,
        request.headers,
        config,
        query_id,
        principal,
    )
    tokens = request.get(TOKENS)  # None where no tokens are limited
    if tokens is not None:
        tokens.request_body(len(raw_request))
    pin = request.headers.get("X-Empo-Version")
    if pin is not None and not _VERSION.fullmatch(pin):
        raise BadRequest(f"X-Empo-Version must look like v3, got {pin!r}.", param="X-Empo-Version")
    request_id = request.headers.get("X-Request-Id", "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = query_id

    async with pipeline.answer(user_request, pin) as answer:
        adapter, status = answer.adapter, answer.response.status
        headers = {
            "X-Empo-Version": adapter.version,
            "X-Empo-Query-Id": query_id,
            "X-Request-Id": request_id,
        }
        content_type = answer.response.headers.get("Content-Type", "application/octet-stream")
        if content_type.startswith("text/event-stream"):
            return await _stream(request, user_request, pipeline, answer, headers, started)
        reading = time.perf_counter()
        raw = await _read(answer.response, config.engine.request_timeout_s)
        waited = answer.engine_seconds + time.perf_counter() - reading
        raw = public_body(raw, adapter.engine_name, config.model.public_name, status)
        if tokens is not None:
            tokens.answer(raw)
        if answer.uncertainty is not None and status == 200:
            raw = await _with_uncertainty(raw, answer, user_request, tokens)
    if status == 200:
        pipeline.offer(user_request)
        request.app[CONTROL].feedback.answered(user_request, adapter.version)
    if user_request.uncertainty is None:
        overhead = time.perf_counter() - started - waited
        request.app[METRICS].gateway_overhead_seconds.observe(max(0.0, overhead))
    return web.Response(body=raw, status=status, headers=headers | {"Content-Type": content_type})


async def _read(response: aiohttp.ClientResponse, silence_s: float) -> bytes:
    try:
        if response.content.is_eof():
            return await response.read()  # all of it came with the headers: no clock is needed
        async with asyncio.timeout(silence_s):
            return await response.read()
    except (aiohttp.ClientError, TimeoutError) as e:
        raise EngineUnavailable(_BROKEN_OFF) from e


async def _chunks(response: aiohttp.ClientResponse, silence_s: float) -> AsyncIterator[bytes]:
    """The engine's bytes as they arrive.

    Raises EngineUnavailable when they break off, or when none come for `silence_s` seconds. The
    HTTP client has such a limit, too, but forgets it after a chunk that is not HTTP.
    """
    try:
        while True:
            async with asyncio.timeout(silence_s):
                chunk = await response.content.readany()
            if not chunk:
                return
            yield chunk
    except (aiohttp.ClientError, TimeoutError) as e:
        raise EngineUnavailable(_BROKEN_OFF) from e


async def _stream(
    request: web.Request,
    user_request: UserRequest,
    pipeline: Pipeline,
    answer: Answer,
    headers: Mapping[str, str],
    started: float,
) -> web.StreamResponse:
    """Pass each event on when it arrives, under the public model name."""
    metrics, public = request.app[METRICS], request.app[CONFIG].model.public_name
    engine_name, engine_response = answer.adapter.engine_name, answer.response
    tokens = request.get(TOKENS)
    silence_s = request.app[CONFIG].engine.request_timeout_s
    response = web.StreamResponse(
        status=engine_response.status, headers={**headers, "Cache-Control": "no-cache"}
    )
    response.headers["Content-Type"] = engine_response.headers["Content-Type"]
    await response.prepare(request)
    is_first = True
    pending = b""
    try:
        with request.app[CONTROL].drain.cut_is_an_error():
            async for chunk in _chunks(engine_response, silence_s):
                events, pending = whole_events(pending + chunk)
                if events:
                    if tokens is not None:
                        tokens.answer(events)
                    await response.write(public_name(events, engine_name, public))
                    if is_first:
                        answer.on_first_token()
                        metrics.time_to_first_token_seconds.observe(time.perf_counter() - started)
                        is_first = False
        if pending:
            await response.write(public_name(pending, engine_name, public))
        if engine_response.status == 200:
            pipeline.offer(user_request)
            request.app[CONTROL].feedback.answered(user_request, answer.adapter.version)
    except EngineUnavailable as e:
        answer.is_broken = True
        # The status line is long gone: say it in the stream, and send no [DONE].
        error = error_body(str(e), "ServiceUnavailableError", 503)
        await response.write(b"data: " + error + b"\n\n")
    await response.write_eof()
    return response


def whole_events(raw: bytes) -> tuple[bytes, bytes]:
    """Events that are complete, and the beginning of the next one, which must not leave yet.

    Else an engine that dies would leave half an event in front of the one with the error. vLLM
    ends an event with an empty line of "\\n"; a proxy before it may well use "\\r\\n".
    """
    if raw.endswith(b"\n\n"):
        return raw, b""
    end = max(raw.rfind(line) + len(line) if line in raw else 0 for line in _EMPTY_LINES)
    return raw[:end], raw[end:]


def public_body(raw: bytes, engine_name: str, public: str, status: int) -> bytes:
    """The engine's body as the client may see it."""
    if status >= 400:
        return raw.replace(
            engine_name.encode(), json.dumps(public, ensure_ascii=False)[1:-1].encode()
        )
    return public_name(raw, engine_name, public)


def public_name(raw: bytes, engine_name: str, public: str) -> bytes:
    """Put the public model name where the engine wrote the adapter's.

    Every other byte stays as it was. Generated text cannot be hit: inside a JSON string the
    quotes of this pattern would be escaped.
    """
    return raw.replace(_model_field(engine_name), _model_field(public))


@lru_cache(maxsize=32)  # for every event of every stream
def _model_field(name: str) -> bytes:
    return b'"model":' + json.dumps(name, ensure_ascii=False).encode()


async def _with_uncertainty(
    raw: bytes, answer: Answer, request: UserRequest, tokens: TokenCount | None
) -> bytes:
    """The engine's body with the `empo` object, and with the consensus where it was asked for."""
    assert answer.uncertainty is not None
    assert request.uncertainty is not None
    try:
        body: dict[str, Any] = json.loads(raw)
        choice = body["choices"][0]
    except (ValueError, TypeError, KeyError, IndexError) as e:
        raise EngineError("The inference engine answered with something that is no answer.") from e
    try:
        uncertainty = await answer.uncertainty
    except (EngineError, ScorerError) as e:
        # The answer is there; only what was asked beside it failed.
        log.warning("query %s has no uncertainty: %s", request.query.query_id, e)
        body["empo"] = {
            "query_id": request.query.query_id,
            "version": answer.adapter.version,
            "error": "The samples could not be drawn or scored.",  # the log says why
        }
    else:
        if tokens is not None:
            tokens.add(sum(len(sample.token_ids) for sample in uncertainty.group.samples))
        body["empo"] = uncertainty.as_dict()
        sample = uncertainty.consensus_sample
        if request.uncertainty.consensus and sample is not None:
            if request.route == "chat":
                choice["message"]["content"] = sample.text
            else:
                choice["text"] = sample.text
            # They belong to the answer that was replaced.
            choice |= {"finish_reason": sample.finish_reason, "logprobs": None, "stop_reason": None}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
