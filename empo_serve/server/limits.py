"""How many requests for answers are let in, of one key and of all clients together."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from empo_serve.config import LimitsSection
from empo_serve.server.auth import ANYBODY, PRINCIPAL
from empo_serve.server.errors import BadRequest
from empo_serve.server.keys import METRICS, USER_ROUTES
from empo_serve.server.quotas import OverLimit, Quota, TokenCount, hold

TOKENS = web.RequestKey("tokens", TokenCount)


def limiting(limits: LimitsSection) -> Middleware:
    """Refuses requests for answers that are over a limit, before their body is read."""
    everybody = Quota(limits.requests_per_minute, 0, limits.tokens_per_minute)
    inflight = 0

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal inflight
        if request.path not in USER_ROUTES:
            return await handler(request)
        rejected = request.app[METRICS].rejected
        if inflight >= limits.max_inflight:
            rejected.labels(reason="max_inflight").inc()
            raise BadRequest(
                f"The queue is full: {limits.max_inflight} requests are being answered.",
                status=503,
                kind="ServiceUnavailableError",
            )
        principal = request.get(PRINCIPAL, ANYBODY)
        inflight += 1
        try:
            with hold(principal.quota, everybody) as tokens:
                if tokens is not None:
                    request[TOKENS] = tokens
                return await handler(request)
        except OverLimit as e:
            rejected.labels(reason=e.limit).inc()
            raise BadRequest(
                f"Over the limit {e.limit} = {e.allowed}: try again in {e.retry_after} s.",
                status=429,
                kind="RateLimitError",
                headers={"Retry-After": str(e.retry_after)},
            ) from e
        finally:
            inflight -= 1

    return middleware
