"""The two HTTP applications: the public API and the admin API."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from empo_serve.config import Config
from empo_serve.metrics import Metrics
from empo_serve.pipeline.main_path import Pipeline
from empo_serve.server import admin, feedback, openai
from empo_serve.server.auth import Keyring, authentication
from empo_serve.server.document import document_json
from empo_serve.server.errors import errors_middleware
from empo_serve.server.keys import (
    CONFIG,
    CONTROL,
    HAS_KEYS,
    MAX_BODY_BYTES,
    METRICS,
    PIPELINE,
    STARTED_AT,
    TITLE,
    USER_ROUTES,
    Control,
)
from empo_serve.server.limits import limiting

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def public_app(
    config: Config, metrics: Metrics, pipeline: Pipeline, control: Control, keyring: Keyring
) -> web.Application:
    """What users reach. Nothing else of the engine is behind it."""
    app = web.Application(
        middlewares=[
            _measure,
            errors_middleware,
            *([authentication(keyring, "serve")] if keyring else []),
            limiting(config.limits),
        ],
        client_max_size=config.limits.max_body_bytes,
    )
    _common(app, config, metrics, pipeline, control)
    app[TITLE], app[HAS_KEYS] = "empo_serve", bool(keyring)
    app.router.add_post("/v1/chat/completions", openai.chat_completions)
    app.router.add_post("/v1/completions", openai.completions)
    app.router.add_post("/v1/feedback", feedback.rate)
    app.router.add_get("/v1/models", openai.models)
    app.router.add_get("/v1/models/{model}", openai.model)
    return app


def admin_app(
    config: Config, metrics: Metrics, pipeline: Pipeline, control: Control, keyring: Keyring
) -> web.Application:
    """What operators reach. It listens on an address of its own, private by default."""
    app = web.Application(
        middlewares=[
            errors_middleware,
            *([authentication(keyring, "admin")] if keyring else []),
        ],
        client_max_size=config.limits.max_adapter_bytes,
    )
    _common(app, config, metrics, pipeline, control)
    app[TITLE], app[HAS_KEYS] = "empo_serve admin", bool(keyring)
    admin.add_routes(app)
    return app


def _common(
    app: web.Application, config: Config, metrics: Metrics, pipeline: Pipeline, control: Control
) -> None:
    app[CONFIG], app[METRICS], app[PIPELINE], app[CONTROL] = config, metrics, pipeline, control
    app[STARTED_AT] = int(time.time())
    app[MAX_BODY_BYTES] = config.limits.max_body_bytes
    app.router.add_get("/health/live", _live)
    app.router.add_get("/health/ready", _ready)
    app.router.add_get("/health", _ready)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/openapi.json", _openapi)


async def _live(request: web.Request) -> web.Response:
    """The process answers; nothing else is asked, so that no dependency gets it restarted."""
    return web.json_response({"status": "live"})


async def _ready(request: web.Request) -> web.Response:
    """An engine is up with the live version loaded, and we are not shutting down."""
    problem = request.app[CONTROL].not_ready()
    body = {"status": "ready"} if problem is None else {"status": "not ready", "reason": problem}
    return web.json_response(body, status=200 if problem is None else 503)


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(
        body=request.app[METRICS].render(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


async def _openapi(request: web.Request) -> web.Response:
    return web.Response(body=document_json(request.app), content_type="application/json")


@web.middleware
async def _measure(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and time the user routes, by route and status."""
    route = USER_ROUTES.get(request.path)
    if route is None:
        return await handler(request)
    metrics = request.app[METRICS]
    started = time.perf_counter()
    code = "499"  # the client left before there was a status
    metrics.requests_inflight.inc()
    try:
        response = await handler(request)
        code = str(response.status)
        return response
    finally:
        metrics.requests_inflight.dec()
        metrics.requests.labels(route, code).inc()
        metrics.request_seconds.labels(route).observe(time.perf_counter() - started)
