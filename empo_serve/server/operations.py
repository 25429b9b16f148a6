"""What each route takes and answers, for the OpenAPI documents. A route that is not here fails a
test, and so does an operation without a route."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table

from empo_serve.db.schema import groups, updates
from empo_serve.server import admin_bodies, bodies
from empo_serve.types import BandDecision

JSON = "application/json"
TEXT = "text/plain"
EVENTS = "text/event-stream"
MULTIPART = "multipart/form-data"

ADAPTER_ACTIONS = ("promote", "rollback", "pin", "unpin")
LEARNING_ACTIONS = ("pause", "resume")

ERRORS = {
    400: "The request is wrong; `message` says what, `param` where.",
    401: "There is no such API key.",
    403: "The API key lacks the scope.",
    404: "There is no such thing.",
    408: "The body came too slowly.",
    409: "That cannot be done now.",
    413: "The request is too large.",
    415: "The body is compressed.",
    422: "The engine cannot work with this request.",
    429: "Over a limit of the API key or of the server.",
    500: "Internal error; the server log has it.",
    501: "The engine does not do that.",
    502: "The engine failed.",
    503: "No engine can answer, the queue is full, or the server is about to stop.",
}
ERROR_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
KEY_ERRORS = (401, 403)
# 422, 500 and 501 are the engine's.
_GENERATION_ERRORS = (400, 404, 408, 413, 415, 422, 429, 500, 501, 502, 503)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table as an answer: `name` is the list's key; None is one row by itself.

    `without` are columns that are left out.
    """

    table: Table
    name: str | None = None
    without: tuple[str, ...] = ()
    with_cursor: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """`content` maps media types to a body: a type of `bodies.py`, Rows, dict or str."""

    description: str
    content: dict[str, Any]
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` is a media type and a type; `links` go from this operation's
    answer to another operation's path parameter: {operation: {parameter: expression}}."""

    name: str
    summary: str
    answers: dict[int, Answer]
    errors: tuple[int, ...] = (500,)
    parameters: tuple[dict[str, Any], ...] = ()
    body: tuple[str, Any] | None = None
    links: dict[str, dict[str, str]] = field(default_factory=dict)


def _parameter(
    where: str, name: str, description: str, schema: dict[str, Any], required: bool = False
) -> dict[str, Any]:
    return {
        "in": where,
        "name": name,
        "description": description,
        "required": required or where == "path",
        "schema": schema,
    }


def _answer(description: str, body: Any) -> Answer:
    return Answer(description, {JSON: body})


_STRING = {"type": "string"}
_VERSION = _parameter("path", "version", "An adapter version, such as v3.", _STRING)
_QUERY_ID = _parameter("path", "id", "The query's id, from X-Empo-Query-Id.", _STRING)
_LIMIT = _parameter(
    "query",
    "limit",
    "How many at most.",
    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
)
_USER_HEADERS = (
    _parameter(
        "header",
        "X-Empo-Version",
        "Answer with this loaded version instead of the live one.",
        {"type": "string", "pattern": "^v[0-9]{1,9}$"},
    ),
    _parameter("header", "X-Empo-Learn", '"no": do not learn from this query.', _STRING),
    _parameter("header", "X-Request-Id", "Comes back in the answer.", _STRING),
)
_ANSWER_HEADERS = ("X-Empo-Version", "X-Empo-Query-Id", "X-Request-Id")

HEADERS = {
    "X-Empo-Version": "The adapter version that answered.",
    "X-Empo-Query-Id": "The query's id, for the admin API.",
    "X-Request-Id": "The client's own, or the query's id.",
    "Retry-After": "Seconds to wait before another try.",
    "WWW-Authenticate": "Bearer.",
}

_HEALTH = {
    200: _answer("Requests can be answered.", bodies.Ready),
    503: _answer("Requests cannot be answered now.", bodies.NotReady),
}


def _generation(name: str, summary: str, request: type, answer: type) -> Operation:
    whole = "The answer, or with `stream` its events: `data: {...}`, at the end `data: [DONE]`."
    return Operation(
        name,
        summary,
        {200: Answer(whole, {JSON: answer, EVENTS: bodies.Event}, _ANSWER_HEADERS)},
        _GENERATION_ERRORS,
        _USER_HEADERS,
        (JSON, request),
    )


_FIRST_QUERY = {"id": "$response.body#/queries/0/query_id"}
_FIRST_ADAPTER = {"version": "$response.body#/adapters/0/version"}
_THIS_ADAPTER = {"version": "$response.body#/version"}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/openapi.json"): Operation(
        "openapi", "This document", {200: _answer("OpenAPI 3.1.", dict)}
    ),
    ("GET", "/health"): Operation("health", "Can requests be answered?", _HEALTH),
    ("GET", "/health/ready"): Operation("healthReady", "Can requests be answered?", _HEALTH),
    ("GET", "/health/live"): Operation(
        "healthLive", "Does the process answer?", {200: _answer("It does.", bodies.Live)}
    ),
    ("GET", "/metrics"): Operation(
        "metrics", "Metrics", {200: Answer("Prometheus's text format.", {TEXT: str})}
    ),
    # Public.
    ("POST", "/v1/chat/completions"): _generation(
        "chat", "Answer a chat", bodies.ChatRequest, bodies.Chat
    ),
    ("POST", "/v1/completions"): _generation(
        "complete", "Complete a prompt", bodies.CompletionRequest, bodies.Completion
    ),
    ("POST", "/v1/feedback"): Operation(
        "rate",
        "Rate an answer",
        {200: _answer("The rating is kept.", bodies.Rated)},
        (400, 404, 408, 413, 415, 500),
        body=(JSON, bodies.RatingRequest),
    ),
    ("GET", "/v1/models"): Operation(
        "listModels",
        "The one public model",
        {200: _answer("A list of one.", bodies.ModelList)},
        links={"getModel": {"model": "$response.body#/data/0/id"}},
    ),
    ("GET", "/v1/models/{model}"): Operation(
        "getModel",
        "The one public model, by name",
        {200: _answer("The model.", bodies.ModelCard)},
        (404, 500),
        (_parameter("path", "model", "The public model name.", _STRING),),
    ),
    # Admin.
    ("GET", "/admin/v1/status"): Operation(
        "status", "Everything at a glance", {200: _answer("The status.", admin_bodies.Status)}
    ),
    ("GET", "/admin/v1/queries"): Operation(
        "listQueries",
        "Stored queries, newest first, without texts",
        {
            200: _answer(
                "Queries, and the cursor of the next page.",
                Rows(
                    groups,
                    "queries",
                    without=("prompt", "prompt_token_ids", "samples"),
                    with_cursor=True,
                ),
            )
        },
        (400, 500),
        (
            _LIMIT,
            _parameter(
                "query",
                "cursor",
                "Only queries after it: `cursor` of the page before.",
                {"type": "integer", "minimum": 1, "maximum": 2**62},
            ),
            _parameter(
                "query",
                "band",
                "Only queries with this decision.",
                {"type": "string", "enum": [decision.value for decision in BandDecision]},
            ),
            _parameter("query", "version", "Only queries that this version sampled.", _STRING),
        ),
        links={"getQuery": _FIRST_QUERY, "deleteQuery": _FIRST_QUERY},
    ),
    ("DELETE", "/admin/v1/queries"): Operation(
        "deleteQueries",
        "Delete what one principal asked, what arrived before a time, or both together",
        {200: _answer("They are gone.", admin_bodies.Deleted)},
        (400, 500),
        (
            _parameter("query", "before", "Unix seconds.", {"type": "number"}),
            _parameter(
                "query", "principal", "The name of an API key.", {**_STRING, "minLength": 1}
            ),
        ),
    ),
    ("GET", "/admin/v1/queries/{id}"): Operation(
        "getQuery",
        "One stored query with its samples",
        {200: _answer("The query.", Rows(groups))},
        (404, 500),
        (_QUERY_ID,),
    ),
    ("DELETE", "/admin/v1/queries/{id}"): Operation(
        "deleteQuery",
        "Delete one stored query; no error if there is none",
        {200: _answer("It is gone.", admin_bodies.Deleted)},
        (500,),
        (_QUERY_ID,),
    ),
    ("GET", "/admin/v1/adapters"): Operation(
        "listAdapters",
        "All adapter versions, oldest first",
        {200: _answer("The versions.", admin_bodies.AdapterList)},
        links={"getAdapter": _FIRST_ADAPTER, "changeAdapter": _FIRST_ADAPTER},
    ),
    ("POST", "/admin/v1/adapters"): Operation(
        "importAdapter",
        "Publish an adapter that was trained elsewhere",
        {201: _answer("Published, and live if it passed the gate.", admin_bodies.ShownAdapter)},
        (400, 413, 500, 502, 503),
        body=(MULTIPART, admin_bodies.AdapterUpload),
        links={"getAdapter": _THIS_ADAPTER, "changeAdapter": _THIS_ADAPTER},
    ),
    ("GET", "/admin/v1/adapters/{version}"): Operation(
        "getAdapter",
        "One adapter version",
        {200: _answer("The version.", admin_bodies.ShownAdapter)},
        (404, 500),
        (_VERSION,),
    ),
    ("POST", "/admin/v1/adapters/{version}/{action}"): Operation(
        "changeAdapter",
        "Make a version answer, take it back, keep it or let it go",
        {
            200: _answer(
                "Done; the version that was named, or that is live now.", admin_bodies.ShownAdapter
            )
        },
        (404, 409, 500, 502, 503),
        (
            _VERSION,
            _parameter(
                "path",
                "action",
                "What to do.",
                {"type": "string", "enum": ADAPTER_ACTIONS},
            ),
        ),
    ),
    ("GET", "/admin/v1/updates"): Operation(
        "listUpdates",
        "Training updates, newest first",
        {200: _answer("The updates.", Rows(updates, "updates"))},
        (400, 500),
        (_LIMIT,),
    ),
    ("POST", "/admin/v1/updates"): Operation(
        "trainNow",
        "Start an update on whatever is pending",
        {202: _answer("It starts.", admin_bodies.Pending)},
        (409, 500),
    ),
    ("POST", "/admin/v1/learning/{action}"): Operation(
        "changeLearning",
        "Pause or resume learning",
        {200: _answer("Done.", admin_bodies.Paused)},
        (404, 500),
        (
            _parameter(
                "path", "action", "What to do.", {"type": "string", "enum": LEARNING_ACTIONS}
            ),
        ),
    ),
}
