"""The OpenAI error object, in vLLM's spelling, and the one place where errors become statuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict

from aiohttp import web

from empo_serve.errors import AdapterError, EmpoError, EngineError, EngineUnavailable
from empo_serve.server.bodies import ErrorBody, ErrorObject
from empo_serve.server.keys import CONTROL, MAX_BODY_BYTES

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadRequest(Exception):
    """A request that is answered with an OpenAI error object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "BadRequestError",
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.param = param
        self.headers = headers


def error_body(message: str, kind: str, status: int, param: str | None = None) -> bytes:
    body = ErrorBody(ErrorObject(message, kind, param, status))
    return json.dumps(asdict(body), separators=(",", ":")).encode()


def error_response(
    message: str,
    kind: str,
    status: int,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    if status == 503:
        headers = {"Retry-After": "5", **(headers or {})}
    return web.Response(
        body=error_body(message, kind, status, param),
        status=status,
        content_type="application/json",
        headers=headers,
    )


@web.middleware
async def errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a handler raises into an OpenAI error object."""
    try:
        return await handler(request)
    except BadRequest as e:
        return error_response(str(e), e.kind, e.status, e.param, e.headers)
    except web.HTTPRequestEntityTooLarge:
        limit = request.app[MAX_BODY_BYTES]
        return error_response(
            f"The request body is larger than {limit} bytes.", "BadRequestError", 413
        )
    except web.HTTPException as e:
        response = error_response(
            e.reason, "NotFoundError" if e.status == 404 else "BadRequestError", e.status
        )
        if isinstance(e, web.HTTPMethodNotAllowed):
            response.headers["Allow"] = e.headers["Allow"]
        return response
    except EngineUnavailable as e:
        response = error_response(str(e), "ServiceUnavailableError", 503)
        if request.app[CONTROL].drain.is_closed:
            response.force_close()  # the retry shall find a server that stays
        return response
    except AdapterError as e:
        return error_response(str(e), "NotFoundError", 404, "version")
    except EngineError as e:
        return error_response(str(e), "InternalServerError", 502)
    except EmpoError as e:
        return error_response(str(e), "InternalServerError", 500)
    except ConnectionResetError:
        raise  # the client has left; aiohttp closes the connection
    except Exception:
        # Nothing else may leave as a stack trace; the log has it.
        log.exception("a request failed: %s %s", request.method, request.path)
        return error_response("Internal error; see the server log.", "InternalServerError", 500)
