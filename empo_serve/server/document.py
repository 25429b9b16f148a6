"""The OpenAPI 3.1 document of an application, made from its routes when somebody asks for it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

from aiohttp import web
from pydantic import TypeAdapter
from sqlalchemy import JSON as ANY
from sqlalchemy import Column, Float, Integer

from empo_serve import __version__
from empo_serve.server import bodies
from empo_serve.server.auth import OPEN_PATHS
from empo_serve.server.keys import HAS_KEYS, TITLE
from empo_serve.server.operations import (
    ERROR_HEADERS,
    ERRORS,
    HEADERS,
    JSON,
    KEY_ERRORS,
    OPERATIONS,
    Answer,
    Operation,
    Rows,
)

_KEY = "apiKey"
_REF = "#/components/schemas/{model}"


@cache
def document_json(app: web.Application) -> bytes:
    """Made when it is first asked for; the routes of a running application do not change."""
    return json.dumps(document(app)).encode()


def document(app: web.Application) -> dict[str, Any]:
    """Raises KeyError for a route that `operations.py` does not know."""
    components = _Components()
    paths: dict[str, dict[str, Any]] = {}
    for route in app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        if route.method != "HEAD":
            needs_key = app[HAS_KEYS] and path not in OPEN_PATHS
            shown = _operation(OPERATIONS[route.method, path], components, needs_key)
            paths.setdefault(path, {})[route.method.lower()] = shown
    parts: dict[str, Any] = {"schemas": components.schemas()}
    if app[HAS_KEYS]:
        parts["securitySchemes"] = {_KEY: {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": app[TITLE], "version": __version__},
        "paths": paths,
        "components": parts,
    }


def _operation(operation: Operation, components: _Components, needs_key: bool) -> dict[str, Any]:
    errors = sorted(operation.errors + (KEY_ERRORS if needs_key else ()))
    shown: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            str(status): _answer(answer, components) for status, answer in operation.answers.items()
        }
        | {str(status): _error(status, components) for status in errors},
    }
    if needs_key:
        shown["security"] = [{_KEY: []}]
    if operation.parameters:
        shown["parameters"] = list(operation.parameters)
    if operation.body is not None:
        media_type, kind = operation.body
        content = {media_type: {"schema": components.schema(kind)}}
        shown["requestBody"] = {"required": True, "content": content}
    if operation.links:
        first = next(iter(shown["responses"].values()))
        first["links"] = {
            name: {"operationId": name, "parameters": parameters}
            for name, parameters in operation.links.items()
        }
    return shown


def _answer(answer: Answer, components: _Components) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "description": answer.description,
        "content": {
            media_type: {"schema": components.schema(kind)}
            for media_type, kind in answer.content.items()
        },
    }
    if answer.headers:
        shown["headers"] = {name: _header(name) for name in answer.headers}
    return shown


def _error(status: int, components: _Components) -> dict[str, Any]:
    content = {JSON: {"schema": components.schema(bodies.ErrorBody)}}
    shown = {"description": ERRORS[status], "content": content}
    if status in ERROR_HEADERS:
        name = ERROR_HEADERS[status]
        shown["headers"] = {name: _header(name)}
    return shown


def _header(name: str) -> dict[str, Any]:
    return {"description": HEADERS[name], "required": True, "schema": {"type": "string"}}


class _Components:
    """The types that a document refers to."""

    def __init__(self) -> None:
        self._types: dict[str, type] = {}

    def schema(self, kind: Any) -> dict[str, Any]:
        if kind is str:
            return {"type": "string"}
        if kind is dict:
            return {"type": "object"}
        if isinstance(kind, Rows):
            return _rows(kind)
        self._types[kind.__name__] = kind
        return {"$ref": _REF.format(model=kind.__name__)}

    def schemas(self) -> dict[str, Any]:
        adapters: list[tuple[str, Literal["serialization"], TypeAdapter[Any]]] = [
            (name, "serialization", TypeAdapter(kind)) for name, kind in self._types.items()
        ]
        _, schemas = TypeAdapter.json_schemas(adapters, ref_template=_REF)
        definitions: dict[str, Any] = schemas["$defs"]
        return definitions


def _rows(rows: Rows) -> dict[str, Any]:
    """The JSON of a table's rows, from its columns."""
    columns = {c.name: _column(c) for c in rows.table.columns if c.name not in rows.without}
    row = {"type": "object", "properties": columns, "required": list(columns)}
    if rows.name is None:
        return row
    properties: dict[str, Any] = {rows.name: {"type": "array", "items": row}}
    if rows.with_cursor:
        properties["cursor"] = {"type": ["integer", "null"]}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _column(column: Column[Any]) -> dict[str, Any]:
    if isinstance(column.type, ANY):
        return {}
    name = (
        "integer"
        if isinstance(column.type, Integer)
        else "number"
        if isinstance(column.type, Float)
        else "string"
    )
    return {"type": [name, "null"] if column.nullable else name}
