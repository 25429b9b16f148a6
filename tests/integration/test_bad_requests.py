"""Every way a request can be wrong, and exactly what is answered.

Each row: a name, the request, the status, and of the error object its type, its param and a piece
of its message. `code` is always the status. The engine is the fake one, which words its refusals
as vLLM does.
"""

from __future__ import annotations

import gzip
import http.client
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from guarded import KEYS, bearer, connect
from serving import Served

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
BAD, INVALID, GONE = "BadRequestError", "Bad Request", "NotFoundError"
HELLO = [{"role": "user", "content": "x"}]


@dataclass(frozen=True)
class Row:
    name: str
    status: int
    kind: str
    param: str | None
    message: str
    fields: Any = field(default_factory=dict)  # of the body; bytes are the whole body
    path: str = CHAT
    method: str = "POST"
    headers: dict[str, str | None] = field(default_factory=dict)  # None leaves one out


def refused(name: str, param: str | None, message: str, **fields: Any) -> Row:
    """A chat with a field that the engine, or a limit, refuses."""
    return Row(name, 400, BAD, param, message, fields)


def invalid(name: str, param: str, message: str, **fields: Any) -> Row:
    """A chat with a field of a wrong type."""
    return Row(name, 400, INVALID, f"body.{param}", message, fields)


def no_json(name: str, param: str, message: str, raw: bytes) -> Row:
    """A body that is no JSON object."""
    return Row(name, 400, INVALID, param, message, raw)


def unread(name: str, message: str, raw: bytes) -> Row:
    """A body that some JSON readers take, and no engine can use."""
    return Row(name, 400, INVALID, "body", f"not valid JSON: {message}", raw)


def completion(name: str, kind: str, param: str | None, message: str, **fields: Any) -> Row:
    return Row(name, 400, kind, param, message, fields, COMPLETIONS)


BODIES = [
    no_json("no body", "body", "Field required", b""),
    no_json("half an object", "body.1", "JSON decode error", b"{"),
    no_json("single quotes", "body.1", "JSON decode error", b"{'a': 1}"),
    no_json("a comma too many", "body.8", "JSON decode error", b'{"a": 1,}'),
    no_json("more after the object", "body.2", "Extra data", b"{}x"),
    no_json("a NUL", "body.0", "JSON decode error", b"\0"),
    no_json("a list", "body", "valid dictionary", b"[1]"),
    no_json("a number", "body", "valid dictionary", b"3"),
    no_json("null", "body", "Field required", b"null"),
    unread("bytes that are no text", "'utf-8' codec can't decode", b'{"a": "\xff\xfe"}'),
    unread("NaN", "NaN is no JSON number", b'{"temperature": NaN}'),
    unread("Infinity", "-Infinity is no JSON number", b'{"temperature": -Infinity}'),
    unread("a float without end", "a number is too large", b'{"temperature": 1e999}'),
    unread("5,000 digits", "Exceeds the limit", b'{"n": ' + b"9" * 5000 + b"}"),
    unread("10,000 levels", "maximum recursion", b"[" * 10_000),
    no_json("300 levels", "body", "256 levels", b'{"a":' * 300 + b"1" + b"}" * 300),
    no_json("a lone surrogate", "body", "half of a surrogate pair", b'{"messages": "\\ud800"}'),
    Row("too large", 413, BAD, None, "larger than 100000 bytes", b"x" * 100_001),
    Row("no JSON type", 400, INVALID, None, "Unsupported Media", headers={"Content-Type": None}),
    Row(
        "another type", 400, INVALID, None, "Unsupported Media", headers={"Content-Type": "text/x"}
    ),
    Row(
        "compressed",
        415,
        "UnsupportedMediaTypeError",
        None,
        "without Content-Encoding",
        gzip.compress(b'{"messages": []}'),
        headers={"Content-Encoding": "gzip"},
    ),
    Row(
        "a key twice: the last one counts",
        400,
        BAD,
        "n",
        "at most 8, got 99",
        b'{"n": 1, "messages": [], "n": 99}',
    ),
]

MODELS = [
    Row("another model", 404, GONE, "model", "`other` does not exist", {"model": "other"}),
    Row("an adapter's name", 404, GONE, "model", "does not exist", {"model": "v0"}),
    invalid("a number as model", "model", "valid string", model=3),
    Row("no such version", 404, GONE, "version", "not loaded", headers={"X-Empo-Version": "v99"}),
    Row(
        "no version at all",
        400,
        BAD,
        "X-Empo-Version",
        "must look like v3",
        headers={"X-Empo-Version": "../v0"},
    ),
]

FIELDS = [
    refused("no messages", None, "NoneType", messages=None),
    refused("empty messages", None, "at least one message", messages=[]),
    invalid("messages as text", "messages", "valid list", messages="hi"),
    invalid("n as a list", "n", "valid integer", n=[]),
    invalid("n and a half", "n", "fractional", n=1.5),
    refused("n = 0", None, "at least 1, got 0", n=0),
    refused("n = -1", None, "at least 1, got -1", n=-1),
    refused("n = 10**400", "n", "64 bits", n=10**400),
    refused("a giant seed", "seed", "64 bits", seed=10**30),
    invalid("seed as text", "seed", "valid integer", seed="x"),
    refused("max_tokens = 0", "max_tokens", "at least 1", max_tokens=0),
    refused("negative max_tokens", "max_tokens", "at least 1", max_tokens=-5),
    refused("negative temperature", "temperature", "non-negative", temperature=-1),
    refused("temperature = 3", "temperature", "[0, 2]", temperature=3),
    invalid("temperature as text", "temperature", "valid number", temperature="hot"),
    refused("top_p = 0", "top_p", "(0, 1]", top_p=0),
    refused("top_p = 2", "top_p", "(0, 1]", top_p=2),
    refused("top_k = -7", None, "top_k", top_k=-7),
    refused("presence_penalty = 9", None, "[-2, 2]", presence_penalty=9),
    refused("frequency_penalty = -9", None, "[-2, 2]", frequency_penalty=-9),
    invalid("stop as a number", "stop", "valid string", stop=3),
    refused("an empty stop", None, "empty string", stop=[""]),
    invalid("logprobs as a number", "logprobs", "valid boolean", logprobs=3),
    refused("top_logprobs alone", "top_logprobs", "must be set to true", top_logprobs=3),
    refused("1000 logprobs", "logprobs", "max allowed", logprobs=True, top_logprobs=1000),
    invalid("stream = maybe", "stream", "valid boolean", stream="maybe"),
    refused(
        "stream_options alone",
        "stream_options",
        "stream=True",
        stream_options={"include_usage": True},
    ),
    invalid("bad stream_options", "stream_options", "dictionary", stream=True, stream_options=7),
    invalid("tools as a number", "tools", "valid list", tools=3),
    invalid("bad response_format", "response_format", "dictionary", response_format=3),
    refused("empo as a number", "empo", "must be an object", empo=3),
    refused("an unknown empo field", "empo", "must be an object", empo={"sample": 1}),
    refused("empo of no samples", "empo.samples", "1 to 16", empo={"samples": 0}),
    refused("empo of 17 samples", "empo.samples", "1 to 16", empo={"samples": 17}),
    refused("empo of True samples", "empo.samples", "1 to 16", empo={"samples": True}),
    refused("an unknown empo answer", "empo.answer", "consensus", empo={"answer": "best"}),
    refused("empo in a stream", "stream", "does not go with", empo={}, stream=True),
    refused("a consensus of two", "n", "n must be 1", empo={"answer": "consensus"}, n=2),
    completion("no prompt", BAD, "prompt", "must be provided"),
    completion("an empty prompt", BAD, "prompt", "must be provided", prompt=""),
    completion("an empty list of prompts", BAD, None, "at least one prompt", prompt=[]),
    completion("a prompt as an object", INVALID, "body.prompt", "valid list", prompt={"a": 1}),
    completion("a negative token", INVALID, "body.prompt.0", "greater than", prompt=[-1]),
    completion("no such token", BAD, None, "out of vocabulary", prompt=[10**9]),
    completion("text among tokens", INVALID, "body.prompt.1", "valid integer", prompt=[1, "a"]),
    completion("echo = maybe", INVALID, "body.echo", "valid boolean", prompt="x", echo="maybe"),
    completion("suffix as number", INVALID, "body.suffix", "valid string", prompt="x", suffix=3),
]

LIMITS = [
    refused("n over its limit", "n", "at most 8, got 9", n=9),
    refused("n as a float", "n", "at most 8, got 9.0", n=9.0),
    refused("n as text", "n", "at most 8, got 9", n="9"),
    refused("too many tokens", "max_tokens", "at most 100, got 101", max_tokens=101),
    refused(
        "too many completion tokens",
        "max_completion_tokens",
        "at most 100",
        max_completion_tokens="101",
    ),
    refused("too many messages", "messages", "at most 20 messages, got 21", messages=HELLO * 21),
    refused("too many stops", "stop", "at most 1024", stop=["x"] * 1025),
    refused("too many stop tokens", "stop_token_ids", "at most 1024", stop_token_ids=[1] * 1025),
    refused("too many bad words", "bad_words", "at most 1024", bad_words=["x"] * 1025),
    refused(
        "too many biases", "logit_bias", "at most 1024", logit_bias=dict.fromkeys(range(1025), 1)
    ),
    completion("too many prompts", BAD, "prompt", "at most 20 completions", prompt=["x"] * 21),
    completion("prompts times n", BAD, "prompt", "prompts times n", prompt=["x"] * 6, n=4),
    completion("n of a completion", BAD, "n", "at most 8", prompt="x", n=9),
]

AUTH = [
    Row(
        "no key",
        401,
        "AuthenticationError",
        None,
        "didn't provide",
        headers={"Authorization": None},
    ),
    Row(
        "an empty key",
        401,
        "AuthenticationError",
        None,
        "didn't provide",
        headers={"Authorization": "Bearer "},
    ),
    Row(
        "another scheme",
        401,
        "AuthenticationError",
        None,
        "didn't provide",
        headers={"Authorization": "Basic " + KEYS["ann"]},
    ),
    Row(
        "a wrong key",
        401,
        "AuthenticationError",
        None,
        "Incorrect API key",
        headers={"Authorization": f"Bearer {KEYS['ann']}x"},
    ),
    Row(
        "a key that is no text",
        401,
        "AuthenticationError",
        None,
        "Incorrect API key",
        headers={"Authorization": "Bearer \xe9\xff"},
    ),
    Row(
        "a key without serve",
        403,
        "PermissionDeniedError",
        None,
        'ops lacks the scope "serve"',
        headers=dict(bearer("ops")),
    ),
    Row(
        "no key for the models",
        401,
        "AuthenticationError",
        None,
        "didn't provide",
        path="/v1/models",
        method="GET",
        headers={"Authorization": None},
    ),
    Row(
        "no key for nothing",
        401,
        "AuthenticationError",
        None,
        "didn't provide",
        path="/nothing",
        method="GET",
        headers={"Authorization": None},
    ),
]

PATHS = [
    *(
        Row(f"{method} {path}", 405, BAD, None, "Not Allowed", b"{}", path, method)
        for method, path in (
            ("GET", CHAT),
            ("PUT", COMPLETIONS),
            ("DELETE", "/v1/models"),
            ("POST", "/v1/models"),
            ("PATCH", CHAT),
        )
    ),
    *(
        Row(f"{method} {path}", 404, GONE, None, "Not Found", b"{}", path, method)
        for method, path in (
            ("POST", "/tokenize"),
            ("POST", "/v1/load_lora_adapter"),
            ("POST", "/v1/unload_lora_adapter"),
            ("POST", "/v1/embeddings"),
            ("POST", CHAT + "/"),
            ("GET", "/v1/../admin/v1/status"),
            ("GET", "/admin/v1/status"),
            ("GET", "/fake/stats"),
            ("GET", "/"),
        )
    ),
    Row("an unknown model's card", 404, GONE, "model", "not exist", b"", "/v1/models/x", "GET"),
]

ROWS = BODIES + MODELS + FIELDS + LIMITS + AUTH + PATHS


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_bad_request_gets_its_status_and_error_object(guarded: Served, row: Row) -> None:
    raw = row.fields
    if not isinstance(raw, bytes):
        prompt = {"messages": HELLO} if row.path == CHAT else {}
        raw = json.dumps(prompt | row.fields).encode()
    headers = {"Content-Type": "application/json", **bearer("private")} | row.headers
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=30)
    try:
        given = {name: value for name, value in headers.items() if value is not None}
        connection.request(row.method, row.path, raw, given)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    assert response.status == row.status, body
    assert response.headers.get_content_type() == "application/json"
    assert json.loads(body).keys() == {"error"}
    error = json.loads(body)["error"]
    assert error == {
        "message": error["message"],
        "type": row.kind,
        "param": row.param,
        "code": row.status,
    }
    assert row.message in error["message"]
    assert "empo-" not in error["message"].replace("empo-serve", "")
    assert (response.headers["WWW-Authenticate"] == "Bearer") == (row.status == 401)


GET = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n"
POST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer " + KEYS["private"].encode() + b"\r\n"
)
# What is no HTTP never comes to us: the answers are aiohttp's, in plain text.
TRANSPORT = [
    ("no HTTP at all", b"\x16\x03\x01\x02\x00\r\n\r\n", 400, b"HTTPS"),
    ("an unknown method", b"FOO /v1/models HTTP/1.1\r\n\r\n", 400, b"method"),
    ("an unknown version", b"GET /v1/models HTTP/9.9\r\n\r\n", 400, b"version"),
    ("no host", b"GET /v1/models HTTP/1.1\r\n\r\n", 400, b"Host"),
    ("a control character in the path", b"GET /\x01 HTTP/1.1\r\n\r\n", 400, b"url"),
    ("a long URL", b"GET /" + b"a" * 1100 + b" HTTP/1.1\r\n\r\n", 400, b"1000 bytes"),
    ("a long header", GET + b"X: " + b"a" * 2100 + b"\r\n\r\n", 400, b"2000 bytes"),
    ("many headers", GET + b"X: a\r\n" * 200 + b"\r\n", 400, b"Too many headers"),
    ("a space in a header's name", GET + b"A b: c\r\n\r\n", 400, b"header"),
    (
        "a NUL in a key",
        GET + b"Authorization: Bearer " + KEYS["ann"].encode() + b"\0\r\n\r\n",
        400,
        b"header",
    ),
    ("two lengths", POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, b"Length"),
    ("a negative length", POST + b"Content-Length: -2\r\n\r\n{}", 400, b"Content-Length"),
    (
        "a length and chunks",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        400,
        b"Transfer-Encoding",
    ),
    ("a chunk that is none", POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, b"chunk"),
    ("an unknown expectation", POST + b"Expect: x\r\nContent-Length: 2\r\n\r\n{}", 417, b"Expect"),
    (
        "chunks that are too large together",
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 8,
        413,
        b"larger than 100000 bytes",
    ),
]


@pytest.mark.parametrize(
    ("raw", "status", "message"),
    [row[1:] for row in TRANSPORT],
    ids=[row[0] for row in TRANSPORT],
)
def test_bytes_that_are_no_request_get_a_4xx_and_nothing_is_logged(
    guarded: Served, raw: bytes, status: int, message: bytes
) -> None:
    logged = guarded.log.read_text()
    with connect(guarded) as sock:
        sock.sendall(raw)
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert response.status == status
        assert message in response.read()
    assert guarded.log.read_text() == logged


def test_after_all_of_them_the_server_answers(guarded: Served) -> None:
    assert guarded.get("/health/ready")[0] == 200
    assert guarded.chat("x", headers=bearer("private"))[0] == 200
    assert len(ROWS) + len(TRANSPORT) >= 60
