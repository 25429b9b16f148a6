"""What the gateway does to a request body before the engine sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reserved import RESERVED

from empo_serve.config import load_config
from empo_serve.server.errors import BadRequest
from empo_serve.server.openai import public_name
from empo_serve.server.requests import parse_request
from empo_serve.types import UserRequest

CONFIG = load_config(None, ["model.name=public"], {})
HELLO = [{"role": "user", "content": "hi"}]


def parse(body: Any, route: str = "chat", headers: dict[str, str] | None = None) -> UserRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_request(route, raw, "application/json", headers or {}, CONFIG, "q-1")


@pytest.mark.parametrize("field", RESERVED)
def test_a_reserved_field_never_reaches_the_engine(field: str) -> None:
    value = {"samples": 2} if field == "empo" else 1
    assert field not in parse({"messages": HELLO, field: value}).body


def test_the_clients_own_fields_reach_the_engine_unchanged() -> None:
    body = {"messages": HELLO, "temperature": 0.3, "tools": [{"a": 1}], "unknown": [None, 1.5]}
    assert parse(body).body == body


def test_an_unknown_model_is_404_with_its_parameter() -> None:
    with pytest.raises(BadRequest) as caught:
        parse({"model": "other", "messages": HELLO})
    assert (caught.value.status, caught.value.kind, caught.value.param) == (
        404,
        "NotFoundError",
        "model",
    )


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"3", b"\xff", b"[" * 100_000, b'"x"'])
def test_a_body_that_is_no_json_object_is_400(raw: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(raw)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("empo", "param"),
    [
        (3, "empo"),
        ({"sample": 3}, "empo"),
        ({"samples": 0}, "empo.samples"),
        ({"samples": 17}, "empo.samples"),
        ({"samples": True}, "empo.samples"),
        ({"samples": "8"}, "empo.samples"),
        ({"answer": "best"}, "empo.answer"),
    ],
)
def test_a_bad_empo_field_names_itself(empo: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse({"messages": HELLO, "empo": empo})
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("change", "headers", "reason"),
    [
        ({}, {}, None),
        ({"temperature": 0, "stop": ["x"], "n": 3}, {}, None),
        ({}, {"X-Empo-Learn": "no"}, "opted_out"),
        ({}, {"X-Empo-Learn": " NO "}, "opted_out"),
        ({}, {"X-Empo-Version": "v1"}, "pinned"),
        ({"tools": [{}]}, {}, "steered"),
        ({"logit_bias": {"1": 2}}, {}, "steered"),
        ({"response_format": {"type": "json_object"}}, {}, "steered"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "The"}]}, {}, "steered"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "a"}, *HELLO]}, {}, "multi_turn"),
        ({"messages": [{"role": "system", "content": "be brief"}, *HELLO]}, {}, None),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, {}, None),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url"}, {"type": "text", "text": "x"}],
                    }
                ]
            },
            {},
            "not_text",
        ),
        ({"messages": []}, {}, "no_question"),
        ({"messages": "hi"}, {}, "no_question"),
        ({"messages": [3, None]}, {}, "no_question"),
        ({"messages": [{"role": "user", "content": " "}]}, {}, "no_question"),
    ],
)
def test_only_plain_questions_are_learned_from(
    change: dict[str, Any], headers: dict[str, str], reason: str | None
) -> None:
    assert parse({"messages": HELLO} | change, headers=headers).not_learned == reason


def test_the_sampled_prompt_holds_none_of_the_clients_sampling_hints() -> None:
    request = parse({"messages": HELLO, "temperature": 9, "stop": "x", "logit_bias": {}, "n": 2})
    assert request.query.prompt == {"messages": HELLO}


@pytest.mark.parametrize("role", [None, 3, ["user"], {}])
def test_a_role_that_is_no_text_is_left_to_the_engine(role: Any) -> None:
    messages = [{"role": role, "content": "x"}, *HELLO]
    assert parse({"messages": messages}).body["messages"] == messages


@pytest.mark.parametrize(
    ("prompt", "is_fine"),
    [("a", True), ([1, 2], True), (["a"], True), (["a", "b"], False), ([[1], [2]], False)],
)
def test_the_empo_field_goes_with_one_prompt(prompt: Any, is_fine: bool) -> None:
    body = {"prompt": prompt, "empo": {"samples": 2}}
    if is_fine:
        assert parse(body, "completions").uncertainty
    else:
        with pytest.raises(BadRequest) as caught:
            parse(body, "completions")
        assert caught.value.param == "prompt"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"prompt": "a", "stop": ["\\uDFFF\\ud800"]}',
        b'{"\\udc00": 1}',
        b'{"prompt": "\xed\xa0\x80"}',
    ],
)
def test_half_of_a_surrogate_pair_is_refused(raw: bytes) -> None:
    """The engine answers 500 to some of them, and none is text."""
    with pytest.raises(BadRequest) as caught:
        parse(raw, "completions")
    assert (caught.value.status, caught.value.param) == (400, "body")


def test_a_whole_surrogate_pair_and_one_that_is_only_spelt_out_are_text() -> None:
    raw = b'{"prompt": "\\ud83d\\ude42 \\\\ud800"}'
    assert parse(raw, "completions").query.question == "\U0001f642 \\ud800"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["messages", "prompt", "model", "n", "empo", "stream", "tools", "x"]),
        json_values,
    ),
    st.sampled_from(["chat", "completions"]),
)
def test_any_json_object_is_parsed_or_refused(body: dict[str, Any], route: str) -> None:
    try:
        request = parse(body, route)
    except BadRequest as e:
        status = e.status
    else:
        status = 200
        assert "empo" not in request.body
    assert status in (200, 400, 404)


def test_only_the_engines_own_model_field_is_renamed() -> None:
    text = 'say "model":"empo-1-v2"'
    raw = json.dumps({"id": 1, "model": "empo-1-v2", "text": text}, separators=(",", ":")).encode()
    assert json.loads(public_name(raw, "empo-1-v2", "public")) == {
        "id": 1,
        "model": "public",
        "text": text,
    }
