"""Canaries on a running server: who meets one, how it ends, and what a restart does to it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from serving import Served
from test_bad_candidates import import_adapter, write_adapter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SETTINGS = (
    *("engine.kind=fake", "semantics.equivalence=rules", "gate.enabled=false"),
    *("train.enabled=false", "rollout.canary_share=0.5", "rollout.canary_min_requests=20"),
)


def start(tmp_path: Path, *settings: str) -> Served:
    return Served(tmp_path / "data", *SETTINGS, *settings).wait_ready()


def adapter(server: Served, number: int) -> dict[str, Any]:
    return dict(server.get("/admin/v1/adapters", admin=True)[1]["adapters"][number])


def version_of(server: Served, text: str, **fields: Any) -> str:
    """Which version answers a question."""

    body = {"messages": [{"role": "user", "content": text}], **fields}
    request = urllib.request.Request(
        server.url + "/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return str(response.headers["X-Empo-Version"])
    except urllib.error.HTTPError as e:
        with e:
            return str(e.headers["X-Empo-Version"])


def play(server: Served, until: Any, most: int = 400) -> None:
    for number in range(most):
        version_of(server, f"Which word is number {number}?")
        if number % 5 == 0:
            server.wait_sampled()
            if until():
                return
    raise AssertionError(adapter(server, 1))


def test_a_canary_meets_its_share_of_users_and_each_always_the_same_version(
    tmp_path: Path,
) -> None:
    server = start(tmp_path, "sampling.fraction=0")
    try:
        done = import_adapter(server, write_adapter(server, tmp_path / "a1", 1))
        assert done.stdout == "v1 is CANARY\n", done.stderr
        status = server.get("/admin/v1/status", admin=True)[1]
        assert (status["live"], status["canary"]) == ("v0", "v1")
        questions = [f"question {number}" for number in range(40)]
        first = [version_of(server, q) for q in questions]
        assert {"v0", "v1"} == set(first)
        assert 10 <= first.count("v1") <= 30
        assert [version_of(server, q) for q in questions] == first
        # One user is one user, whatever is asked.
        for user in ("ann", "bob", "cid"):
            assert len({version_of(server, q, user=user) for q in questions[:8]}) == 1
        before = adapter(server, 1)["canary"]
        assert server.chat("x", headers={"X-Empo-Version": "v1"})[0] == 200
        assert server.metric("empo_canary_requests_total") == 104
        assert before["outcome"] is None
        # By hand, and at once.
        status, body = server.post("/admin/v1/adapters/v1/rollback", admin=True)
        assert (status, body["version"], body["state"]) == (200, "v0", "LIVE")
        assert {version_of(server, q) for q in questions} == {"v0"}
        ended = server.until(lambda: adapter(server, 1)["canary"]["outcome"])
        assert ended == "ended"
        assert adapter(server, 1)["state"] == "ROLLED_BACK"
    finally:
        assert server.stop() == 0


def test_a_canary_as_good_as_the_live_version_is_promoted_by_itself(tmp_path: Path) -> None:
    server = start(tmp_path)
    try:
        source = write_adapter(server, tmp_path / "a1", 1, shift=0.1)
        assert import_adapter(server, source).stdout == "v1 is CANARY\n"
        play(server, lambda: adapter(server, 1)["state"] == "LIVE")
        canary = server.until(lambda: (c := adapter(server, 1)["canary"])["outcome"] and c)
        assert canary["outcome"] == "promoted"
        assert "within its margin" in canary["reason"]
        assert canary["compared"] > 10
        assert canary["measures"]["entropy"]["mean_live"] is not None
        assert server.get("/admin/v1/status", admin=True)[1]["canary"] is None
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("fake", "named"),
    [({"babble": True}, ("entropy", "agreement")), ({"fail_rate": 1.0}, ("errors",))],
)
def test_a_harmful_canary_is_taken_back_by_itself_and_says_why(
    tmp_path: Path, fake: dict[str, Any], named: tuple[str, ...]
) -> None:
    server = start(tmp_path)
    try:
        source = write_adapter(server, tmp_path / "a1", 1, **fake)
        assert import_adapter(server, source).stdout == "v1 is CANARY\n"
        play(server, lambda: adapter(server, 1)["state"] == "ROLLED_BACK")
        canary = server.until(lambda: (c := adapter(server, 1)["canary"])["outcome"] and c)
        assert canary["outcome"] == "rolled_back"
        assert canary["reason"].startswith(named)
        assert server.get("/admin/v1/status", admin=True)[1]["live"] == "v0"
        assert {version_of(server, f"question {n}") for n in range(10)} == {"v0"}
    finally:
        assert server.stop() == 0


def test_the_budget_of_requests_promotes_what_nothing_speaks_against(tmp_path: Path) -> None:
    server = start(tmp_path, "sampling.fraction=0", "rollout.canary_max_requests=30")
    try:
        source = write_adapter(server, tmp_path / "a1", 1)
        assert import_adapter(server, source).stdout == "v1 is CANARY\n"
        for number in range(30):
            version_of(server, f"question {number}")
        canary = server.until(lambda: (c := adapter(server, 1)["canary"])["outcome"] and c)
        assert canary["outcome"] == "promoted"
        assert "no evidence against it in 30 requests" in canary["reason"]
    finally:
        assert server.stop() == 0


def test_a_restart_goes_on_with_a_canary_or_makes_it_a_candidate_again(tmp_path: Path) -> None:
    server = start(tmp_path, "sampling.fraction=0")
    source = write_adapter(server, tmp_path / "a1", 1)
    assert import_adapter(server, source).stdout == "v1 is CANARY\n"
    for number in range(10):
        version_of(server, f"question {number}")
    assert server.stop() == 0
    again = start(tmp_path, "sampling.fraction=0")
    try:
        assert again.get("/admin/v1/status", admin=True)[1]["canary"] == "v1"
        kept = adapter(again, 1)["canary"]
        assert sum(kept["answered"].values()) == 10
        assert "v1" in {version_of(again, f"question {n}") for n in range(20)}
        # A version that is pinned ends it.
        assert again.post("/admin/v1/adapters/v0/pin", admin=True)[0] == 200
        assert adapter(again, 1)["state"] == "CANDIDATE"
        assert {version_of(again, f"question {n}") for n in range(20)} == {"v0"}
        assert again.post("/admin/v1/adapters/v0/unpin", admin=True)[0] == 200
    finally:
        assert again.stop() == 0
    off = start(tmp_path, "rollout.canary_share=0")
    try:
        assert adapter(off, 1)["state"] == "CANDIDATE"
        assert off.get("/admin/v1/status", admin=True)[1]["canary"] is None
    finally:
        assert off.stop() == 0
