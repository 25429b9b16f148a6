"""What a client must not say to the engine, it cannot say: in the body, or in a header."""

from __future__ import annotations

import http.client
import json
import uuid
from typing import Any

from guarded import admin, bearer, engine_stats
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reserved import RESERVED
from serving import Served

# Headers by which vLLM would be steered, and those that are the client's secrets.
HEADERS = (
    "X-Request-Id",
    "X-Vllm-Priority",
    "X-data-parallel-rank",
    "X-Session-ID",
    "traceparent",
    "tracestate",
    "Cookie",
    "X-Empo-Learn",
    "X-Forwarded-For",
)
OURS = {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent"}

reserved = st.sampled_from(RESERVED)
spelled = reserved | reserved.map(str.upper) | reserved.map(str.title)
harmless = st.text(max_size=6).map(lambda text: f"x-{text}").filter(lambda k: "lora" not in k)
scalar = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5)
value = st.recursive(
    scalar,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(spelled | harmless, inner, max_size=2)
    ),
    max_leaves=4,
)
# `empo` has a meaning of its own: it is sent as a client would, or not at all.
fields = st.lists(st.tuples(spelled.filter(lambda k: k != "empo") | harmless, value), max_size=6)


def test_no_reserved_field_or_header_reaches_the_engine(guarded: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=60)
    sent: dict[str, dict[str, Any]] = {}
    key = bearer("private")

    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(fields, st.booleans(), st.dictionaries(st.sampled_from(HEADERS), st.just("5")))
    def send(extra: list[tuple[str, Any]], uncertain: bool, headers: dict[str, str]) -> None:
        marker = uuid.uuid4().hex
        pairs = [("messages", [{"role": "user", "content": "x"}]), ("user", marker), *extra]
        if uncertain:
            pairs.append(("empo", {"samples": 2}))
        # By hand, so that a field can be there twice.
        raw = ",".join(f"{json.dumps(name)}:{json.dumps(item)}" for name, item in pairs)
        connection.request(
            "POST",
            "/v1/chat/completions",
            f"{{{raw}}}".encode(),
            {"Content-Type": "application/json", **key, **headers},
        )
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        sent[marker] = {
            name: item
            for name, item in dict(pairs).items()
            if name.lower() not in RESERVED and "lora" not in name.lower()
        }

    send()
    connection.close()
    engine_name = admin(guarded, "/admin/v1/adapters")["adapters"][0]["engine_name"]
    seen = {
        request["body"]["user"]: request
        for request in engine_stats(guarded)["bodies"]
        if "user" in request["body"]
    }
    assert len(sent) >= 100
    for marker, body in sent.items():
        ours = {"model": engine_name, "max_tokens": 100}
        assert seen[marker]["body"] == body | ours
        names = {name.lower() for name in seen[marker]["headers"]}
        assert names <= OURS
    assert key["Authorization"] not in json.dumps(engine_stats(guarded))
