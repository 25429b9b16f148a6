"""An engine that answers nonsense: users get a clear error or the engine's own bytes, and soon."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import aiohttp
import pytest
from hand_engine import SSE, Call, HandEngine, attached_gateway
from openai_http import Answer, post_json
from serving import Served

from empo_serve.engine.client import EngineClient

Gateway = tuple[HandEngine, Served]
HELLO = {"messages": [{"role": "user", "content": "x"}]}
OK = "HTTP/1.1 200 OK\r\n"
IS_JSON = "Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with attached_gateway(tmp_path_factory.mktemp("broken"), "engine.request_timeout_s=1") as both:
        yield both


def ask(gateway: Gateway, **fields: object) -> tuple[Call, Future[Answer]]:
    """A user's request: what the engine has of it, and what the user will get."""
    engine, server = gateway
    pool = ThreadPoolExecutor(1)
    answer = pool.submit(post_json, server.url, "/v1/chat/completions", HELLO | fields)
    pool.shutdown(wait=False)
    return engine.next_call(), answer


def assert_error(answer: Answer, status: int) -> None:
    assert (answer.status, answer.content_type) == (status, "application/json"), answer
    assert list(answer.body) == ["error"]
    assert answer.body["error"]["code"] == status
    assert "127.0.0.1" not in answer.body["error"]["message"]


NO_ANSWERS: dict[str, tuple[str, int]] = {
    "nothing": ("", 503),
    "not http": ("SSH-2.0-OpenSSH_9.6\r\n", 503),
    "half a head": (OK + "Content-Ty", 503),
    "a bad status": ("HTTP/1.1 abc OK\r\n\r\n", 503),
    "a huge header": (OK + f"X: {'x' * 100_000}\r\n\r\n", 503),
    "two lengths": (OK + IS_JSON + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 503),
    "a short body": (OK + IS_JSON + 'Content-Length: 100\r\n\r\n{"id":', 503),
    "a bad chunk": (OK + IS_JSON + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 503),
    "an open chunk": (OK + IS_JSON + 'Transfer-Encoding: chunked\r\n\r\n9\r\n{"id"', 503),
    "a redirect": ("HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9/\r\n\r\n", 502),
    "a see other": ("HTTP/1.1 303 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 502),
    "not modified": ("HTTP/1.1 304 X\r\n\r\n", 502),
    "other protocols": ("HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("raw", "status"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_what_is_no_answer_becomes_an_error_object(
    gateway: Gateway, raw: str, status: int, stream: bool
) -> None:
    call, answer = ask(gateway, stream=stream)
    call.send(raw.encode())
    call.end()
    assert_error(answer.result(), status)


@pytest.mark.parametrize("sent", [b"", (OK + IS_JSON).encode() + b'Content-Length: 9\r\n\r\n{"id'])
def test_a_reset_connection_becomes_an_error_object(gateway: Gateway, sent: bytes) -> None:
    call, answer = ask(gateway)
    if sent:
        call.send(sent)
    call.reset()
    assert_error(answer.result(), 503)


@pytest.mark.parametrize("sent", ["", OK + IS_JSON + 'Content-Length: 9\r\n\r\n{"id'])
def test_an_engine_that_falls_silent_becomes_an_error_object(gateway: Gateway, sent: str) -> None:
    call, answer = ask(gateway)
    call.send(sent.encode())
    assert_error(answer.result(), 503)
    call.wait_until_client_is_gone()
    call.end()


def test_a_stream_that_falls_silent_ends_with_an_error(gateway: Gateway) -> None:
    call, answer = ask(gateway, stream=True)
    call.begin_stream()
    call.send_chunk(b'data: {"choices":[]}\n\ndata: {"cho')
    first, error = answer.result().events
    assert first == {"choices": []}
    assert error["error"]["code"] == 503
    call.wait_until_client_is_gone()
    call.end()


OWN_BYTES = {
    "no json": (200, "application/json", b"{oops"),
    "nothing": (200, "application/json", b""),
    "null": (200, "application/json", b"null"),
    "no text": (200, "application/json", b"\xff\x00\xfe"),
    "a page": (200, "text/html; charset=latin-1", b"<h1>\xe9</h1>"),
    "a server error": (500, "text/plain; charset=utf-8", b"Internal Server Error"),
    "a proxy's error": (504, "text/html", b"<h1>Gateway Timeout</h1>"),
    "too many": (429, "application/json", b'{"error":{"message":"slow down"}}'),
    "a teapot": (418, "application/json", b"{}"),
    "a failed stream": (500, "text/event-stream", b"data: {}\n\n"),
    "a stream of no events": (200, "text/event-stream; charset=utf-8", b"hello"),
    "a stream of nothing": (200, "text/event-stream; charset=utf-8", b""),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("status", "content_type", "raw"), OWN_BYTES.values(), ids=OWN_BYTES.keys()
)
def test_whole_answers_of_any_kind_are_the_engines_own(
    gateway: Gateway, status: int, content_type: str, raw: bytes, stream: bool
) -> None:
    call, answer = ask(gateway, stream=stream)
    call.answer(raw, content_type, status)
    assert answer.result() == Answer(status, content_type, raw)


def test_a_compressed_answer_is_read(gateway: Gateway) -> None:
    """It is not asked for; but who attaches a proxy may not be able to switch it off."""
    call, answer = ask(gateway)
    raw = gzip.compress(f'{{"model":"{call.model}"}}'.encode())
    head = f"{OK}{IS_JSON}Content-Encoding: gzip\r\nContent-Length: {len(raw)}\r\n\r\n"
    call.send(head.encode() + raw)
    call.end()
    assert answer.result() == Answer(200, "application/json", b'{"model":"fake"}')


@pytest.mark.parametrize("raw", [b"{oops", b"", b"null", b"[]", b'{"choices":[]}', b'{"x":1}'])
def test_an_answer_that_is_none_has_no_uncertainty(gateway: Gateway, raw: bytes) -> None:
    engine, _ = gateway
    call, answer = ask(gateway, empo={"samples": 2})
    other = engine.next_call()
    for one in (call, other):
        one.answer(raw)
    assert_error(answer.result(), 502)


@pytest.mark.parametrize(
    "event",
    [b"{oops", b"{}", b'{"choices":[{}]}', b'{"choices":[null]}', b'{"choices":[{"index":9}]}'],
)
def test_samples_that_are_none_leave_the_answer_without_uncertainty(
    gateway: Gateway, event: bytes
) -> None:
    engine, _ = gateway
    call, answer = ask(gateway, empo={"samples": 2})
    own, sampling = sorted((call, engine.next_call()), key=lambda one: "n" in one.body)
    body = {"choices": [{"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}]}
    own.answer(json.dumps(body).encode())
    sampling.answer(b"data: " + event + b"\n\n", SSE)
    result = answer.result().body
    assert result["choices"] == body["choices"]
    assert result["empo"]["error"] == "The samples could not be drawn or scored."


async def test_cutting_an_engine_ends_an_answer_that_is_being_read() -> None:
    engine = HandEngine()
    client = EngineClient(engine.url, request_timeout_s=60)
    posting = asyncio.create_task(client.post("chat", b"{}"))
    call = await asyncio.to_thread(engine.next_call)
    call.begin_stream()
    response = await posting
    reading = asyncio.create_task(response.read())
    await asyncio.sleep(0)
    await client.cut()
    with pytest.raises(aiohttp.ClientError):
        await asyncio.wait_for(reading, 10)
    await client.close()
    call.end()
    engine.close()
