"""Streams pass through as they come: at once, and byte for byte.

The engine is driven by hand: it sends an event only when the client has the one before. A gateway
that held an event back would stop the exchange for good, so no clock is needed to see it.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest
from hand_engine import WAIT_S, Call, HandEngine, attached_gateway
from serving import Served

Gateway = tuple[HandEngine, Served]
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with attached_gateway(
        tmp_path_factory.mktemp("streaming"), "engine.request_timeout_s=1"
    ) as both:
        yield both


class Reader:
    """A client that reads a stream event by event."""

    def __init__(self, server: Served) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
        body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)

    def begin(self) -> http.client.HTTPResponse:
        self._response = self._connection.getresponse()
        return self._response

    def event(self) -> bytes:
        """The next event with the empty line that ends it."""
        lines = [self._response.readline()]
        while lines[-1].strip(b"\r\n"):
            lines.append(self._response.readline())
        return b"".join(lines)

    def rest(self) -> bytes:
        raw = self._response.read()
        self._connection.close()
        return raw


def start(gateway: Gateway) -> tuple[Call, Reader]:
    engine, server = gateway
    reader = Reader(server)
    return engine.next_call(), reader


def event(model: str, text: str, end: str = "\n\n") -> bytes:
    body = {"id": "chatcmpl-1", "model": model, "choices": [{"delta": {"content": text}}]}
    return f"data: {json.dumps(body, separators=(',', ':'), ensure_ascii=False)}{end}".encode()


def test_an_event_leaves_before_the_next_one_is_there(gateway: Gateway) -> None:
    call, reader = start(gateway)
    call.begin_stream()
    response = reader.begin()  # the head, too, leaves before there is an event
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    for number in range(200):
        call.send_chunk(event(call.model, f"token {number}"))
        assert reader.event() == event("fake", f"token {number}")
    call.send_chunk(DONE)
    call.end_stream()
    assert reader.rest() == DONE


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"], ids=["lf", "crlf"])
def test_an_event_that_comes_in_two_pieces_is_whole_wherever_it_is_cut(
    gateway: Gateway, end: str
) -> None:
    """The cut goes through names, numbers, characters of several bytes and the empty line."""
    call, reader = start(gateway)
    call.begin_stream()
    reader.begin()
    raw, expected = event(call.model, "é 漢 🎉", end), event("fake", "é 漢 🎉", end)
    call.send_chunk(raw + raw[:1])
    for cut in range(1, len(raw)):
        # When the client has an event, the gateway has read all that was sent with it.
        assert reader.event() == expected
        call.send_chunk(raw[cut:] + raw[: cut + 1])
    assert reader.event() == expected
    assert reader.event() == expected
    call.send_chunk(DONE)
    call.end_stream()
    assert reader.rest() == DONE


def test_comments_and_other_fields_of_a_stream_pass_unchanged(gateway: Gateway) -> None:
    stream = b": keep-alive\n\nevent: x\nid: 7\nretry: 10\ndata: {}\n\ndata:\n\n" + DONE
    call, reader = start(gateway)
    call.begin_stream()
    call.send_chunk(stream)
    call.end_stream()
    reader.begin()
    assert reader.rest() == stream


def test_the_adapters_name_in_generated_text_is_left_alone(gateway: Gateway) -> None:
    call, reader = start(gateway)
    text = f'"model":"{call.model}" and {call.model}'
    call.begin_stream()
    call.send_chunk(event(call.model, text))
    call.end_stream()
    reader.begin()
    assert reader.rest() == event("fake", text)


@pytest.mark.parametrize(
    ("cut", "sent"),
    [(cut, sent) for cut in ("end", "reset") for sent in (None, 0, 30)] + [("garble", 30)],
    ids=lambda value: {None: "at once", 0: "between two", 30: "in an event"}.get(value, value),
)
def test_a_stream_that_breaks_off_ends_with_whole_events_and_an_error(
    gateway: Gateway, cut: str, sent: int | None
) -> None:
    call, reader = start(gateway)
    one = event(call.model, "first")
    call.begin_stream()
    reader.begin()
    if sent is not None:
        call.send_chunk(one + one[:sent])
        assert reader.event() == event("fake", "first")
    getattr(call, cut)()
    blocks = reader.rest().split(b"\n\n")
    assert blocks.pop() == b""
    assert len(blocks) == 1
    error = json.loads(blocks[0].removeprefix(b"data: "))["error"]
    assert (error["code"], error["type"]) == (503, "ServiceUnavailableError")
