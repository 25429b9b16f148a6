"""`POST /v1/feedback`: who may rate what, what is kept of it, and what deletes it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from guarded import KEYS, admin
from serving import Served


def post(served: Served, path: str, body: Any, holder: str, **headers: str) -> tuple[int, Any, str]:
    """Status, body, and query id of an answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        served.url + path,
        raw,
        {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {KEYS.get(holder, holder)}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return (
                response.status,
                json.load(response),
                response.headers.get("X-Empo-Query-Id", ""),
            )
    except urllib.error.HTTPError as e:
        with e:
            return e.code, json.load(e), ""


def ask(served: Served, holder: str, **headers: str) -> str:
    body = {"messages": [{"role": "user", "content": "What is it?"}]}
    status, answer, query_id = post(served, "/v1/chat/completions", body, holder, **headers)
    assert status == 200, answer
    return query_id


def rate(served: Served, holder: str, **body: Any) -> tuple[int, Any]:
    return post(served, "/v1/feedback", body, holder)[:2]


def ratings(served: Served, rating: str) -> float:
    text = served.get("/metrics")[1]
    line = next(x for x in text.splitlines() if f'empo_feedback_total{{rating="{rating}"}}' in x)
    return float(line.rsplit(" ", 1)[1])


def stored(served: Served, query_id: str) -> Any:
    """A query as the operator sees it, None while it is not there."""
    try:
        return admin(served, f"/admin/v1/queries/{query_id}")
    except urllib.error.HTTPError as e:
        e.close()
        return None


def test_an_answer_can_be_rated_at_once_and_the_last_rating_counts(guarded: Served) -> None:
    query_id, up, down = ask(guarded, "ann"), ratings(guarded, "up"), ratings(guarded, "down")
    assert rate(guarded, "ann", query_id=query_id, rating="up") == (
        200,
        {"query_id": query_id, "score": 1.0},
    )
    assert rate(guarded, "ann", query_id=query_id, score=-0.5, comment="wrong")[0] == 200
    assert (ratings(guarded, "up"), ratings(guarded, "down")) == (up + 1, down + 1)
    kept = guarded.until(lambda: stored(guarded, query_id))["feedback"]
    assert (kept["score"], kept["comment"], kept["principal"]) == (-0.5, "wrong", "ann")
    assert kept["version"] == "v0"


def test_nobody_rates_what_another_asked(guarded: Served) -> None:
    query_id = ask(guarded, "ann")
    status, body = rate(guarded, "streamer", query_id=query_id, rating="down")
    assert status == 404
    assert "no stored query" in body["error"]["message"]
    guarded.until(lambda: stored(guarded, query_id))
    assert rate(guarded, "streamer", query_id=query_id, rating="down")[0] == 404
    assert stored(guarded, query_id)["feedback"] is None


def test_what_opted_out_cannot_be_rated_and_the_answer_says_so(guarded: Served) -> None:
    query_id = ask(guarded, "ann", X_Empo_Learn="no")
    status, body = rate(guarded, "ann", query_id=query_id, rating="up")
    assert status == 404
    assert "X-Empo-Learn: no" in body["error"]["message"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "query_id"),
        ({"query_id": "q"}, "score"),
        ({"query_id": "q", "score": 1, "rating": "up"}, "score"),
        ({"query_id": "q", "score": 2}, "score"),
        ({"query_id": "q", "score": "1"}, "score"),
        ({"query_id": "q", "score": True}, "score"),
        ({"query_id": "q", "rating": "meh"}, "rating"),
        ({"query_id": 7, "rating": "up"}, "query_id"),
        ({"query_id": "q" * 129, "rating": "up"}, "query_id"),
        ({"query_id": "q", "rating": "up", "comment": "x" * 2001}, "comment"),
        ({"query_id": "q", "rating": "up", "principal": "ann"}, "principal"),
    ],
)
def test_a_wrong_body_gets_400_that_names_the_field(
    guarded: Served, body: dict[str, Any], named: str
) -> None:
    status, answer = rate(guarded, "ann", **body)
    assert status == 400
    assert answer["error"]["param"] == named


def test_it_is_guarded_as_every_public_route_is(guarded: Served) -> None:
    body = {"query_id": "q-1", "rating": "up"}
    assert post(guarded, "/v1/feedback", body, "sk-empo-wrong")[0] == 401
    assert post(guarded, "/v1/feedback", body, "ops")[0] == 403
    assert post(guarded, "/v1/feedback", b"{", "ann")[0] == 400
    assert post(guarded, "/v1/feedback", body, "ann", Content_Type="text/plain")[0] == 400
    assert post(guarded, "/v1/feedback", body, "ann", Content_Encoding="gzip")[0] == 415
    large = body | {"comment": "x" * 100_000}
    assert post(guarded, "/v1/feedback", large, "ann")[0] == 413
    assert post(guarded, "/v1/feedback", body, "ann")[0] == 404


def test_with_the_query_its_rating_is_deleted_and_none_can_follow(guarded: Served) -> None:
    query_id, other = ask(guarded, "ann"), ask(guarded, "ann")
    for each in (query_id, other):
        guarded.until(lambda each=each: stored(guarded, each))
        assert rate(guarded, "ann", query_id=each, rating="up")[0] == 200
    assert admin(guarded, f"/admin/v1/queries/{query_id}", "DELETE") == {"deleted": 1}
    assert rate(guarded, "ann", query_id=query_id, rating="up")[0] == 404
    assert rate(guarded, "ann", query_id=other, rating="up")[0] == 200
    assert admin(guarded, "/admin/v1/queries?principal=ann", "DELETE")["deleted"] >= 1
    assert rate(guarded, "ann", query_id=other, rating="up")[0] == 404
