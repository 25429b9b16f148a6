"""What a request may ask for: the operator's limits, and those of JSON itself."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest

from empo_serve.api_keys import ApiKey
from empo_serve.config import load_config
from empo_serve.server.auth import ANYBODY, Keyring
from empo_serve.server.errors import BadRequest
from empo_serve.server.requests import parse_request
from empo_serve.types import UserRequest

CONFIG = load_config(None, [], {})
HELLO = [{"role": "user", "content": "hi"}]


def parse(body: Any) -> UserRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_request("chat", raw, "application/json", {}, CONFIG, "q-1")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"temperature": NaN}',
        b'{"temperature": 1, "x": [-Infinity]}',
        b'{"temperature": 1e999}',
        b'{"seed": ' + b"9" * 5000 + b"}",
        b'{"x": ' * 300 + b"1" + b"}" * 300,
    ],
)
def test_what_no_engine_can_read_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(raw)
    assert (caught.value.status, caught.value.param) == (400, "body")


def test_text_beyond_the_basic_plane_and_deep_but_sane_nesting_pass() -> None:
    assert parse(rb'{"messages": [], "x": "\ud83d\ude00"}').body["x"] == "\U0001f600"
    deep = b'{"messages": [], "x": ' + b"[" * 250 + b"]" * 250 + b"}"
    json.dumps(parse(deep).body)


def test_ten_thousand_levels_are_refused_at_once() -> None:
    started = time.perf_counter()
    for opening in (b"[", b'{"a":'):
        with pytest.raises(BadRequest):
            parse(opening * 10_000)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("settings", "route", "body", "param"),
    [
        ("limits.max_n=4", "chat", {"messages": HELLO, "n": 5}, "n"),
        ("limits.max_n=4", "chat", {"messages": HELLO, "n": 5.0}, "n"),
        ("limits.max_n=4", "chat", {"messages": HELLO, "n": "5"}, "n"),
        ("limits.max_n=4", "chat", {"messages": HELLO, "n": " 5_0 "}, "n"),
        ("limits.max_n=4", "chat", {"messages": HELLO, "n": 10**400}, "n"),
        ("limits.max_n=4", "chat", {"messages": HELLO, "seed": -(10**30)}, "seed"),
        ("limits.max_tokens=9", "chat", {"messages": HELLO, "max_tokens": 10}, "max_tokens"),
        (
            "limits.max_tokens=9",
            "completions",
            {"prompt": "x", "max_completion_tokens": "10"},
            "max_completion_tokens",
        ),
        ("limits.max_messages=2", "chat", {"messages": HELLO * 3}, "messages"),
        ("limits.max_messages=2", "completions", {"prompt": ["x"] * 3}, "prompt"),
        ("limits.max_messages=2", "completions", {"prompt": [[1], [2]], "n": 2}, "prompt"),
        ("limits.max_n=4", "chat", {"messages": HELLO, "stop": ["x"] * 1025}, "stop"),
        (
            "limits.max_n=4",
            "chat",
            {"messages": HELLO, "logit_bias": {str(i): 1 for i in range(1025)}},
            "logit_bias",
        ),
    ],
)
def test_a_field_over_a_limit_names_itself(
    settings: str, route: str, body: dict[str, Any], param: str
) -> None:
    config = load_config(None, [settings], {})
    with pytest.raises(BadRequest) as caught:
        parse_request(route, json.dumps(body).encode(), "application/json", {}, config, "q-1")
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("chat", {"messages": HELLO * 2, "n": 4, "max_tokens": 9}),
        ("chat", {"messages": HELLO, "n": True, "max_tokens": "nine"}),
        ("chat", {"messages": HELLO, "n": None, "stop": "x" * 2000}),
        ("completions", {"prompt": list(range(100)), "n": 4}),
        ("completions", {"prompt": ["x"], "n": 2}),
    ],
)
def test_what_is_within_the_limits_or_no_number_is_left_to_the_engine(
    route: str, body: dict[str, Any]
) -> None:
    config = load_config(
        None, ["limits.max_n=4", "limits.max_messages=2", "limits.max_tokens=9"], {}
    )
    raw = json.dumps(body).encode()
    request = parse_request(route, raw, "application/json", {}, config, "q-1")
    assert request.body == {"max_tokens": 9} | body


def test_a_key_without_the_scope_is_never_learned_from_and_names_the_query() -> None:
    ring = Keyring([ApiKey(name="p", sha256=hashlib.sha256(b"k").hexdigest(), scopes=("serve",))])
    raw = json.dumps({"messages": HELLO, "user": "someone else"}).encode()
    request = parse_request(
        "chat", raw, "application/json", {}, CONFIG, "q-1", ring.find("k") or ANYBODY
    )
    assert (request.not_learned, request.query.principal) == ("key", "p")
    assert parse({"messages": HELLO}).query.principal == "anonymous"
