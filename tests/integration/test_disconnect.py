"""A client that leaves takes its work with it: the engine stops at once, whatever was asked for."""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from serving import Served

# An answer of four minutes, which begins after half a second: `until` gives up long before that.
SLOW = '["--tokens-per-s", "4", "--min-tokens", "1000", "--first-token-s", "0.5"]'
HELLO = {"messages": [{"role": "user", "content": "x"}]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(
        tmp_path_factory.mktemp("disconnect") / "data",
        *("engine.kind=fake", f"engine.args={SLOW}", "semantics.equivalence=rules"),
    ).wait_ready()
    yield server
    assert server.stop() == 0, server.log.read_text()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()


def engine_stats(served: Served) -> dict[str, Any]:
    url = served.get("/admin/v1/status", admin=True)[1]["engine"]["urls"][0]
    with urllib.request.urlopen(f"{url}/fake/stats", timeout=10) as response:
        stats: dict[str, Any] = json.load(response)
    return stats


STREAM = {"stream": True}
PROMPT = {"prompt": "x", "max_tokens": 1000}


@pytest.mark.parametrize(
    ("path", "fields", "sequences", "has_begun"),
    [
        ("chat/completions", HELLO | STREAM, 1, False),
        ("chat/completions", HELLO | STREAM, 1, True),
        ("chat/completions", HELLO, 1, False),
        ("chat/completions", HELLO | {"n": 3}, 3, False),
        ("chat/completions", HELLO | {"empo": {"samples": 4}}, 5, False),
        ("completions", PROMPT | STREAM, 1, True),
        ("completions", PROMPT | {"prompt": ["x", "y"]}, 2, False),
    ],
)
def test_a_client_that_leaves_ends_the_generation(
    served: Served, path: str, fields: dict[str, Any], sequences: int, has_begun: bool
) -> None:
    before = engine_stats(served)
    assert (before["running"], before["waiting"]) == (0, 0)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"/v1/{path}", json.dumps(fields), headers)
    served.until(lambda: engine_stats(served)["running"] == sequences)
    if has_begun:
        response = connection.getresponse()
        response.readline()
        response.close()
    connection.close()
    served.until(lambda: engine_stats(served)["running"] == 0)
    requests = 2 if "empo" in fields else 1
    served.until(lambda: engine_stats(served)["aborted"] == before["aborted"] + requests)
    assert engine_stats(served)["waiting"] == 0
    served.until(lambda: served.metric("empo_requests_inflight") == 0)
