"""Who asks: the API key of a request, and what it may do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from empo_serve.api_keys import SCOPES, ApiKey
from empo_serve.server.errors import BadRequest
from empo_serve.server.keys import METRICS
from empo_serve.server.quotas import Quota
from empo_serve.types import ANONYMOUS

# Probes and Prometheus have no key; nothing of a user is in these.
OPEN_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/metrics", "/openapi.json"})


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a key, or anybody on a server without keys."""

    name: str
    scopes: frozenset[str]
    quota: Quota


PRINCIPAL = web.RequestKey("principal", Principal)
ANYBODY = Principal(ANONYMOUS, frozenset(SCOPES), Quota())


class Keyring:
    """The keys of this server, as digests."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._principals = [
            (
                bytes.fromhex(key.sha256),
                Principal(
                    key.name,
                    frozenset(key.scopes),
                    Quota(key.requests_per_minute, key.max_concurrent, key.tokens_per_minute),
                ),
            )
            for key in keys
        ]

    def __bool__(self) -> bool:
        return bool(self._principals)

    def find(self, key: str) -> Principal | None:
        """The holder of a key. Takes the same time for every key, right or wrong."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, principal in self._principals:
            if hmac.compare_digest(digest, known):
                found = principal
        return found


def authentication(keyring: Keyring, scope: str) -> Middleware:
    """Lets only requests with a key of that scope pass, but for OPEN_PATHS."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN_PATHS:
            return await handler(request)
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        given = key.strip() if scheme.lower() == "bearer" else ""
        principal = keyring.find(given)
        rejected = request.app[METRICS].rejected
        if principal is None:
            rejected.labels(reason="unauthenticated").inc()
            raise BadRequest(
                "Incorrect API key provided."
                if given
                else "You didn't provide an API key: send it as `Authorization: Bearer KEY`.",
                status=401,
                kind="AuthenticationError",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if scope not in principal.scopes:
            rejected.labels(reason="forbidden").inc()
            raise BadRequest(
                f'The API key of {principal.name} lacks the scope "{scope}".',
                status=403,
                kind="PermissionDeniedError",
            )
        request[PRINCIPAL] = principal
        return await handler(request)

    return middleware
