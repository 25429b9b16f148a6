"""The OpenAPI documents and the code say the same."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import pytest
from aiohttp import web

from empo_serve.api_keys import ApiKey
from empo_serve.config import load_config
from empo_serve.metrics import Metrics
from empo_serve.server.app import admin_app, public_app
from empo_serve.server.auth import OPEN_PATHS, Keyring, authentication
from empo_serve.server.document import document
from empo_serve.server.keys import USER_ROUTES
from empo_serve.server.limits import limiting
from empo_serve.server.operations import KEY_ERRORS, OPERATIONS
from empo_serve.server.requests import RESERVED

Make = Callable[..., web.Application]
BOTH = pytest.mark.parametrize("make", [public_app, admin_app])


KEY = ApiKey(name="a", sha256="0" * 64)


def made(make: Make, *keys: ApiKey) -> web.Application:
    config = load_config(None, ["model.name=public"], {})
    return make(config, Metrics(), cast(Any, None), cast(Any, None), Keyring(keys))


def handlers(app: web.Application) -> dict[tuple[str, str], FunctionType]:
    return {
        (route.method, route.resource.canonical): cast(FunctionType, route.handler)
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }


@BOTH
def test_every_route_is_in_its_document_and_nothing_else(make: Make) -> None:
    app = made(make)
    shown = document(app)["paths"]
    operations = {(method.upper(), path) for path, item in shown.items() for method in item}
    assert operations == handlers(app).keys()


def test_every_operation_is_a_route() -> None:
    assert OPERATIONS.keys() == handlers(made(public_app)).keys() | handlers(made(admin_app)).keys()


@BOTH
def test_with_keys_every_other_operation_asks_for_one(make: Make) -> None:
    for path, item in document(made(make, KEY))["paths"].items():
        for operation in item.values():
            has_statuses = operation["responses"].keys() >= {"401", "403"}
            assert has_statuses is ("security" in operation) is (path not in OPEN_PATHS)
    assert "security" not in str(document(made(make)))


def test_what_the_middlewares_give_is_documented() -> None:
    assert statuses(authentication) == set(KEY_ERRORS)
    for (_, path), operation in OPERATIONS.items():
        if path in USER_ROUTES:
            assert set(operation.errors) >= statuses(limiting) == {429, 503}


@BOTH
def test_every_status_that_a_handler_gives_is_documented(make: Make) -> None:
    app = made(make)
    for (method, path), handler in handlers(app).items():
        documented = document(app)["paths"][path][method.lower()]["responses"]
        assert statuses(handler) <= {int(status) for status in documented}, (method, path)


def test_the_statuses_of_a_handler_are_found() -> None:
    """The test above would pass if they were not."""
    found = handlers(made(public_app)) | handlers(made(admin_app))
    assert statuses(found["POST", "/v1/chat/completions"]) >= {400, 404, 408, 415}
    assert statuses(found["POST", "/admin/v1/adapters"]) == {201, 400, 413}
    assert statuses(found["POST", "/admin/v1/adapters/{version}/{action}"]) == {409}
    assert statuses(found["GET", "/health"]) == {200, 503}


@BOTH
def test_operations_have_names_of_their_own_and_links_lead_to_them(make: Make) -> None:
    items = [op for item in document(made(make))["paths"].values() for op in item.values()]
    names = [operation["operationId"] for operation in items]
    assert len(set(names)) == len(names)
    parameters = {
        operation["operationId"]: {p["name"] for p in operation.get("parameters", [])}
        for operation in items
    }
    for operation in items:
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                assert link["parameters"].keys() <= parameters[link["operationId"]]


@BOTH
def test_parameters_in_a_path_are_documented(make: Make) -> None:
    for path, item in document(made(make))["paths"].items():
        for operation in item.values():
            named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_a_reserved_field_is_not_offered_to_clients() -> None:
    schemas = document(made(public_app))["components"]["schemas"]
    for name in ("ChatRequest", "CompletionRequest"):
        assert schemas[name]["properties"].keys() & RESERVED == {"empo"}
        assert schemas[name]["additionalProperties"] is True
    assert schemas["EmpoField"]["additionalProperties"] is False


def statuses(handler: FunctionType) -> set[int]:
    """The statuses that stand in a handler, and in the functions of server/ that it calls."""
    found: set[int] = set()
    seen: set[FunctionType] = set()
    waiting = [handler]
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
            if isinstance(node, ast.Call):
                found |= _given(node)
            if isinstance(node, ast.Name):
                called = function.__globals__.get(node.id)
                if inspect.isfunction(called) and called.__module__.startswith("empo_serve.server"):
                    waiting.append(called)
    return found


def _given(call: ast.Call) -> set[int]:
    values = [keyword.value for keyword in call.keywords if keyword.arg == "status"]
    if not values and getattr(call.func, "id", None) == "BadRequest":
        return {400}
    constants = [node for value in values for node in ast.walk(value)]
    return {n.value for n in constants if isinstance(n, ast.Constant) and type(n.value) is int}
