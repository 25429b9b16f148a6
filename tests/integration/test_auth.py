"""API keys and their limits, as the `openai` client meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import openai
import pytest
from guarded import KEYS, MAX_INFLIGHT, admin, begin_request
from openai import OpenAI
from serving import Served


def client(served: Served, holder: str, max_retries: int = 0) -> OpenAI:
    key = KEYS.get(holder, holder)
    return OpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=max_retries)


def ask(openai_client: OpenAI, text: str = "What is it?", **fields: Any) -> Any:
    messages: Any = [{"role": "user", "content": text}]
    return openai_client.chat.completions.create(model="fake", messages=messages, **fields)


def rejected(served: Served, reason: str) -> float:
    _, text = served.get("/metrics")
    line = next(x for x in text.splitlines() if f'empo_rejected_total{{reason="{reason}"}}' in x)
    return float(line.rsplit(" ", 1)[1])


def test_a_key_of_the_configuration_and_one_of_the_file_are_let_in(guarded: Served) -> None:
    for holder in ("ann", "private"):
        assert ask(client(guarded, holder)).choices
        assert [model.id for model in client(guarded, holder).models.list()] == ["fake"]


def test_the_client_sees_an_authentication_error(guarded: Served) -> None:
    before = rejected(guarded, "unauthenticated")
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(client(guarded, "sk-empo-wrong"))
    assert caught.value.response.headers["WWW-Authenticate"] == "Bearer"
    assert "sk-empo-wrong" not in str(caught.value)
    assert rejected(guarded, "unauthenticated") == before + 1


def test_the_client_sees_that_a_permission_is_missing(guarded: Served) -> None:
    before = rejected(guarded, "forbidden")
    with pytest.raises(openai.PermissionDeniedError, match="serve"):
        ask(client(guarded, "ops"))
    assert rejected(guarded, "forbidden") == before + 1


def test_the_client_waits_as_long_as_it_is_told(
    guarded: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is not slept through here; that it is honest is tested on the quota itself."""
    ask(client(guarded, "once"))
    waits: list[float] = []
    monkeypatch.setattr(openai._base_client.time, "sleep", waits.append)
    with pytest.raises(openai.RateLimitError, match="requests_per_minute = 1") as caught:
        ask(client(guarded, "once", max_retries=1))
    told = int(caught.value.response.headers["Retry-After"])
    assert 30 <= told <= 60
    assert len(waits) == 1
    assert 30 <= waits[0] <= 60


def test_a_second_request_at_once_waits_until_the_first_has_ended(guarded: Served) -> None:
    first = begin_request(guarded, "single")
    guarded.until(lambda: guarded.metric("empo_requests_inflight") == 1)
    with pytest.raises(openai.RateLimitError, match="max_concurrent = 1") as caught:
        ask(client(guarded, "single"))
    assert caught.value.response.headers["Retry-After"] == "1"
    assert ask(client(guarded, "ann", max_retries=0)).choices  # another key is not concerned
    first.close()
    assert ask(client(guarded, "single", max_retries=5)).choices


@pytest.mark.parametrize(("holder", "stream"), [("few-tokens", False), ("streamer", True)])
def test_an_answer_over_the_token_limit_is_finished_and_the_next_request_waits(
    guarded: Served, holder: str, stream: bool
) -> None:
    # The request alone is below the limit: it is the answer that counts.
    answer = ask(client(guarded, holder), n=8, stream=stream, extra_body={"min_tokens": 30})
    choices = [c for part in answer for c in part.choices] if stream else answer.choices
    assert sum(choice.finish_reason is not None for choice in choices) == 8
    with pytest.raises(openai.RateLimitError, match="tokens_per_minute = 200") as caught:
        ask(client(guarded, holder))
    assert 30 <= int(caught.value.response.headers["Retry-After"]) <= 60


def test_a_full_server_says_so_and_forgets_nothing(guarded: Served) -> None:
    before = rejected(guarded, "max_inflight")
    held = [begin_request(guarded, "ann") for _ in range(MAX_INFLIGHT)]
    guarded.until(lambda: guarded.metric("empo_requests_inflight") == MAX_INFLIGHT)
    with pytest.raises(openai.InternalServerError, match="queue is full") as caught:
        ask(client(guarded, "ann"))
    assert caught.value.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) >= 1
    assert rejected(guarded, "max_inflight") == before + 1
    assert guarded.get("/health/ready")[0] == 200
    for sock in held:
        sock.close()
    guarded.until(lambda: guarded.metric("empo_requests_inflight") == 0)
    assert ask(client(guarded, "ann")).choices


def test_only_a_key_with_the_scope_learn_is_learned_from_and_all_of_it_can_be_deleted(
    guarded: Served,
) -> None:
    decided = guarded.metric("empo_band_decisions_total")
    ask(client(guarded, "private"), "a private question")
    ask(client(guarded, "ann"), "a public question")
    guarded.until(lambda: guarded.metric("empo_band_decisions_total") > decided)
    guarded.until(lambda: admin(guarded, "/admin/v1/status")["queue"] == 0)
    guarded.until(lambda: guarded.metric("empo_background_inflight") == 0)
    rows = admin(guarded, "/admin/v1/queries?limit=1000")["queries"]
    assert {row["principal"] for row in rows} == {"ann"}
    assert "a public question" in {row["question"] for row in rows}
    for file in guarded.data_dir.rglob("*"):
        if file.is_file():
            assert b"a private question" not in file.read_bytes(), file
    assert admin(guarded, "/admin/v1/queries?principal=private", "DELETE") == {"deleted": 0}
    assert admin(guarded, "/admin/v1/queries?principal=ann", "DELETE") == {"deleted": len(rows)}
    assert admin(guarded, "/admin/v1/queries")["queries"] == []


@pytest.mark.parametrize(("holder", "status"), [("ann", 403), ("nobody", 401), (None, 401)])
def test_the_admin_api_is_closed_to_other_keys_but_not_its_health(
    guarded: Served, holder: str | None, status: int
) -> None:
    headers = {"Authorization": f"Bearer {KEYS.get(holder, holder)}"} if holder else {}
    for path in ("/admin/v1/learning/pause", "/admin/v1/adapters/v0/promote"):
        answer = guarded.post(path, admin=True, headers=headers)
        assert answer[0] == status
        assert answer[1]["error"]["code"] == status
    for path in ("/health", "/health/live", "/health/ready", "/metrics"):
        assert guarded.get(path)[0] == guarded.get(path, admin=True)[0] == 200


def test_deleting_asks_for_whom_or_until_when(guarded: Served) -> None:
    for query in ("", "?principal=", "?before=soon", "?before=nan", "?principal=ann&before=x"):
        with pytest.raises(Exception, match="400"):
            admin(guarded, f"/admin/v1/queries{query}", "DELETE")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (KEYS["ops"], None),
        (KEYS["ann"], "EMPO_ADMIN_KEY"),
        ("wrong", "EMPO_ADMIN_KEY"),
        ("", "EMPO_ADMIN_KEY"),
        ("w\nrong", "does not hold an API key"),
    ],
)
def test_the_admin_commands_take_their_key_from_the_environment(
    guarded: Served, key: str, said: str | None
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "empo_serve", "status", "--json"),
            *("--set", f"server.admin_port={guarded.admin_port}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"EMPO_ADMIN_KEY": key},
    )
    if said is None:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["ready"]
    else:
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
