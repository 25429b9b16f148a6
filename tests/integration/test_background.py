"""Background samples run in the room that users leave, and never in their way."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from serving import Served

from empo_serve.engine.fake.tokenizer import END, decode

BACKGROUND = 10  # the priority of background requests
SLOW = 'engine.args=["--tokens-per-s=25", "--min-tokens=10"]'


def serve(path: Path, *settings: str) -> Served:
    return Served(
        path / "data",
        *("engine.kind=fake", "engine.max_num_seqs=4", "sampling.max_seqs=3"),
        *("sampling.num_generations=4", "sampling.max_tokens=40", "semantics.equivalence=rules"),
        *("train.enabled=false", "sampling.early_stop=false", "sampling.reuse_known=false"),
        *settings,
    ).wait_ready()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = serve(tmp_path_factory.mktemp("background"), SLOW)
    yield server
    assert server.stop() == 0


@pytest.fixture
def served(shared: Served) -> Served:
    shared.wait_sampled()
    return shared


def engine_stats(served: Served) -> Any:
    url = served.get("/admin/v1/status", admin=True)[1]["engine"]["urls"][0]
    with urllib.request.urlopen(url + "/fake/stats", timeout=10) as response:
        return json.loads(response.read())


def background_bodies(served: Served) -> list[Any]:
    """Of samples; the engine is also asked once, by a biased token, what it reports."""
    bodies = [entry["body"] for entry in engine_stats(served)["bodies"]]
    return [b for b in bodies if b.get("priority") == BACKGROUND and "logit_bias" not in b]


def test_a_burst_of_users_cuts_samples_off_and_they_go_on_where_they_were(served: Served) -> None:
    decided = served.metric("empo_band_decisions_total")
    assert served.chat("What is learned from?")[0] == 200
    # Until its samples have some tokens each: the user's own answer came before.
    served.until(lambda: engine_stats(served)["running"] == 3)
    tokens = engine_stats(served)["tokens"]
    served.until(lambda: engine_stats(served)["tokens"] >= tokens + 6)
    users = ThreadPoolExecutor(4)
    answers = list(
        users.map(lambda i: served.chat(f"user {i}", headers={"X-Empo-Learn": "no"}), range(4))
    )
    assert [status for status, _ in answers] == [200] * 4
    assert served.metric("empo_background_preempted_total") >= 1
    assert engine_stats(served)["aborted"] >= 1

    served.until(lambda: served.metric("empo_band_decisions_total") > decided)
    _, page = served.get("/admin/v1/queries", admin=True)
    _, row = served.get(f"/admin/v1/queries/{page['queries'][0]['query_id']}", admin=True)
    assert len(row["samples"]) == 4
    for sample in row["samples"]:
        assert len(sample["token_ids"]) == len(sample["logprobs"])
        assert sample["text"] == decode([t for t in sample["token_ids"] if t != END])
    # Those that were cut off came back as tokens: the question's, and some of the answer's.
    prompt = row["prompt_token_ids"]
    begun = [body["prompt"] for body in background_bodies(served) if "prompt" in body]
    assert begun
    assert all(tokens[: len(prompt)] == prompt for tokens in begun)
    assert any(len(tokens) > len(prompt) for tokens in begun)


def test_background_sequences_stay_below_their_cap(served: Served) -> None:
    decided = served.metric("empo_band_decisions_total")
    for number in range(3):
        served.chat(f"question {number}")
    seen = set()

    def all_sampled() -> bool:
        seen.add(engine_stats(served)["running"])
        return served.metric("empo_band_decisions_total") == decided + 3

    served.until(all_sampled)
    assert max(seen) == 3  # of four sequences; the fourth is for users


def test_a_client_that_hangs_up_gives_its_room_back(served: Served) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True}).encode()
    request = urllib.request.Request(
        served.url + "/v1/chat/completions",
        data=body,
        headers={"Content-Type": "application/json", "X-Empo-Learn": "no"},
    )
    streams = [urllib.request.urlopen(request, timeout=10) for _ in range(4)]
    for stream in streams:
        stream.close()
    decided = served.metric("empo_band_decisions_total")
    served.chat("and then?")
    served.until(lambda: served.metric("empo_band_decisions_total") > decided, timeout_s=20)


def test_on_an_idle_only_engine_no_sample_starts_while_a_user_is_answered(tmp_path: Path) -> None:
    served = serve(tmp_path, SLOW, "sampling.when=idle")
    try:
        with ThreadPoolExecutor(1) as user:
            assert served.chat("What is learned from?")[0] == 200
            long = user.submit(
                served.chat, "long", headers={"X-Empo-Learn": "no"}, min_tokens=40, max_tokens=50
            )
            before = len(background_bodies(served))
            assert long.result()[0] == 200
            during = len(background_bodies(served)) - before
        served.until(lambda: served.metric("empo_band_decisions_total") == 1)
        assert during == 0
    finally:
        served.stop()


def test_queries_beyond_the_token_budget_are_counted_and_not_sampled(tmp_path: Path) -> None:
    served = serve(tmp_path, "sampling.max_tokens_per_minute=20", "sampling.max_concurrent=1")
    try:
        for number in range(4):
            assert served.chat(f"question {number}")[0] == 200
        served.wait_sampled()
        assert served.metric("empo_band_decisions_total") == 1
        assert served.metric("empo_background_tokens_total") > 20
        metrics = served.get("/metrics")[1]
        assert 'empo_dropped_total{reason="budget",stage="sample"} 3.0' in metrics
    finally:
        served.stop()


def test_one_key_cannot_spend_the_budget_of_another(tmp_path: Path) -> None:
    tables = [
        f'[[keys]]\nname = "{name}"\nsha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\n'
        for name in ("ann", "bob")
    ]
    keys = tmp_path / "keys.toml"
    keys.write_text("".join(tables))
    served = serve(
        tmp_path,
        f"auth.keys_file={keys}",
        "sampling.max_tokens_per_minute_per_key=20",
        "sampling.max_concurrent=1",
    )
    try:
        for name in ("ann", "ann", "ann", "bob"):
            headers = {"Authorization": f"Bearer {name}"}
            assert served.chat(f"question of {name}", headers=headers)[0] == 200
        served.wait_sampled()
        assert served.metric("empo_band_decisions_total") == 2  # one of ann's, and bob's
    finally:
        served.stop()


def test_samples_ask_for_no_more_than_the_engine_allows(tmp_path: Path) -> None:
    served = serve(tmp_path, "sampling.max_tokens=500", "engine.max_model_len=128")
    try:
        assert served.chat("What is learned from?")[0] == 200
        served.until(lambda: served.metric("empo_band_decisions_total") == 1)
        assert {body["max_tokens"] for body in background_bodies(served)} == {128}
    finally:
        served.stop()
