"""Plain HTTP to an OpenAI-shaped server, and what its answers look like."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str | None
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def events(self) -> list[Any]:
        """The JSON of each server-sent event; the closing [DONE] as that string."""
        blocks = self.raw.decode().split("\n\n")
        assert blocks.pop() == "", "an event is not ended"
        assert all(block.startswith("data: ") for block in blocks)
        texts = [block.removeprefix("data: ") for block in blocks]
        return [text if text == "[DONE]" else json.loads(text) for text in texts]


def post(
    url: str, path: str, raw: bytes | None, content_type: str | None = JSON, method: str = "POST"
) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    try:
        headers = {"Content-Type": content_type} if content_type else {}
        connection.request(method, path, raw, headers)
        response = connection.getresponse()
        return Answer(response.status, response.getheader("Content-Type"), response.read())
    finally:
        connection.close()


def post_json(url: str, path: str, body: Any, method: str = "POST") -> Answer:
    return post(url, path, json.dumps(body).encode() if body is not None else None, method=method)


def shape(value: Any) -> Any:
    """Keys in their order and the types of the values; a list by its elements, which must agree."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        shapes = [shape(item) for item in value]
        assert all(one == shapes[0] for one in shapes), shapes
        return shapes[:1]
    return None if value is None else type(value)
