"""`empo-serve serve` on the fake engine, from outside: serving, learning path, admin, failures."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from openai import APIError, OpenAI
from safetensors.numpy import load_file, save_file
from serving import Served, free_port

FAKE = ("engine.kind=fake", "semantics.equivalence=rules", "gate.num_queries=4")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("serve") / "data", *FAKE).wait_ready()
    yield server
    assert server.stop() == 0, server.log.read_text()


@pytest.fixture(scope="module")
def client(served: Served) -> OpenAI:
    return OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)


# Serving.


def test_the_openai_client_chats_under_the_public_name(served: Served, client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="fake", messages=[{"role": "user", "content": "What is the word?"}]
    )
    answer = raw.parse()
    assert answer.model == "fake"
    assert answer.choices[0].message.content
    assert raw.headers["X-Empo-Version"] == "v0"
    assert raw.headers["X-Empo-Query-Id"].startswith("q-")


def test_the_openai_client_streams_under_the_public_name(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="fake",
            messages=[{"role": "user", "content": "What is the word?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert {chunk.model for chunk in chunks} == {"fake"}
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage is not None


def test_the_openai_client_completes_and_lists_models(client: OpenAI) -> None:
    assert client.completions.create(model="fake", prompt="Say", max_tokens=4).model == "fake"
    assert [model.id for model in client.models.list()] == ["fake"]
    assert client.models.retrieve("fake").id == "fake"


def test_without_the_empo_field_the_body_is_the_engines_own(served: Served) -> None:
    """Byte for byte but for the model's name, the id and the time."""
    body = {"messages": [{"role": "user", "content": "x"}], "temperature": 0}
    status = served.get("/admin/v1/status", admin=True)[1]
    engine = status["engine"]["urls"][0]
    _, adapters = served.get("/admin/v1/adapters", admin=True)
    name = adapters["adapters"][0]["engine_name"]
    _, ours = served.post("/v1/chat/completions", body)
    direct = _direct(engine, body | {"model": name})
    for answer in (ours, direct):
        answer.pop("id"), answer.pop("created"), answer.pop("model")
    assert json.dumps(ours) == json.dumps(direct)


def _direct(engine: str, body: dict[str, Any]) -> Any:
    import urllib.request

    request = urllib.request.Request(
        engine + "/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def test_a_request_id_is_echoed_and_a_bad_one_replaced(served: Served, client: OpenAI) -> None:
    for given, echoed in (("my-id-1", "my-id-1"), ("a b", None)):
        raw = client.chat.completions.with_raw_response.create(
            model="fake",
            messages=[{"role": "user", "content": "x"}],
            extra_headers={"X-Request-Id": given},
        )
        assert raw.headers["X-Request-Id"] == (echoed or raw.headers["X-Empo-Query-Id"])


def test_uncertainty_comes_with_the_answer_when_asked_for(served: Served) -> None:
    status, body = served.chat("What is it?", empo={"samples": 8})
    empo = body["empo"]
    assert status == 200
    assert empo["samples"] == sum(c["count"] for c in empo["clusters"]) == 8
    assert empo["num_clusters"] == len(empo["clusters"])
    assert 0 <= empo["semantic_entropy_norm"] <= 1
    assert empo["version"] == "v0"
    counts = [cluster["count"] for cluster in empo["clusters"]]
    assert counts == sorted(counts, reverse=True)


def test_consensus_answers_with_the_largest_cluster(served: Served) -> None:
    for number in range(6):
        _, body = served.chat(f"Which one is it, {number}?", empo={"answer": "consensus"})
        text = body["choices"][0]["message"]["content"].casefold()
        assert body["empo"]["clusters"][0]["answer"].casefold() in text


BAD = [
    (b"{", {}, 400),
    (b"[1]", {}, 400),
    ({"messages": []}, {}, 400),
    ({"messages": "hi"}, {}, 400),
    ({}, {}, 400),
    ({"messages": [{"role": "user", "content": "x"}], "model": "other"}, {}, 404),
    ({"messages": [{"role": "user", "content": "x"}], "model": 3}, {}, 400),
    ({"messages": [{"role": "user", "content": "x"}], "temperature": "hot"}, {}, 400),
    ({"messages": [{"role": "user", "content": "x"}], "temperature": -1}, {}, 400),
    ({"messages": [{"role": "user", "content": "x"}], "n": 0}, {}, 400),
    ({"messages": [{"role": "user", "content": "x"}], "n": 10**6}, {}, 400),
    ({"messages": [{"role": "user", "content": "x"}], "max_tokens": 0}, {}, 400),
    ({"messages": [{"role": "user", "content": "x"}], "empo": {"samples": 99}}, {}, 400),
    ({"messages": [{"role": "user", "content": "x"}], "empo": {}, "stream": True}, {}, 400),
    ({"messages": [{"role": "user", "content": "x" * 9 * 2**20}]}, {}, 413),
    ({"messages": [{"role": "user", "content": "x"}]}, {"X-Empo-Version": "../v0"}, 400),
    ({"messages": [{"role": "user", "content": "x"}]}, {"X-Empo-Version": "v99"}, 404),
    ({"messages": [{"role": "user", "content": "x"}]}, {"Content-Type": "text/plain"}, 400),
]


@pytest.mark.parametrize(("body", "headers", "expected"), BAD)
def test_bad_input_gets_an_openai_error_object_and_nothing_is_stored(
    served: Served, body: Any, headers: dict[str, str], expected: int
) -> None:
    served.wait_sampled()
    offered = served.metric("empo_samples_total")
    status, answer = served.post("/v1/chat/completions", body, headers=headers)
    assert status == expected, answer
    assert answer["error"].keys() == {"message", "type", "param", "code"}
    assert answer["error"]["code"] == expected
    assert "empo-" not in answer["error"]["message"].replace("empo-serve", "")
    served.wait_sampled()
    assert served.metric("empo_samples_total") == offered


def test_nothing_else_of_the_engine_is_reachable(served: Served) -> None:
    for path in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/tokenize", "/fake/stats"):
        assert served.post(path, {})[0] == 404
        assert served.get(path)[0] == 404
    assert served.get("/admin/v1/status")[0] == 404
    assert served.get("/v1/chat/completions")[0] == 405


# Learning path.


def test_a_query_is_sampled_scored_and_stored_with_its_exact_tokens(served: Served) -> None:
    before = served.metric("empo_band_decisions_total")
    _, _answer = served.chat("Where does it go?")
    served.until(lambda: served.metric("empo_band_decisions_total") > before)
    _, page = served.get("/admin/v1/queries?limit=1", admin=True)
    _, row = served.get(f"/admin/v1/queries/{page['queries'][0]['query_id']}", admin=True)
    assert row["question"] == "Where does it go?"
    assert row["version"] == "v0"
    assert row["prompt_token_ids"]
    assert len(row["samples"]) == len(row["semantic_ids"])
    for sample in row["samples"]:
        assert len(sample["token_ids"]) == len(sample["logprobs"]) > 0
        assert all(value <= 0 for value in sample["logprobs"])


@pytest.mark.parametrize("headers", [{"X-Empo-Learn": "no"}, {"X-Empo-Version": "v0"}])
def test_a_query_that_opts_out_is_never_stored(served: Served, headers: dict[str, str]) -> None:
    secret = f"sentinel {headers}"
    served.wait_sampled()
    samples = served.metric("empo_samples_total")
    assert served.chat(secret, headers=headers)[0] == 200
    # Another query, sampled after it: whatever the first one started has been seen by then.
    before = served.metric("empo_band_decisions_total")
    served.chat("a later question")
    served.until(lambda: served.metric("empo_band_decisions_total") > before)
    assert served.metric("empo_samples_total") - samples <= 8
    for file in served.data_dir.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


def test_a_stored_query_can_be_deleted(served: Served) -> None:
    before = served.metric("empo_band_decisions_total")
    served.chat("forget me")
    served.until(lambda: served.metric("empo_band_decisions_total") > before)
    _, page = served.get("/admin/v1/queries?limit=1", admin=True)
    query_id = page["queries"][0]["query_id"]
    assert served.delete(f"/admin/v1/queries/{query_id}") == (200, {"deleted": 1})
    assert served.get(f"/admin/v1/queries/{query_id}", admin=True)[0] == 404


def test_paused_learning_samples_nothing_and_serving_goes_on(served: Served) -> None:
    assert served.post("/admin/v1/learning/pause", admin=True)[1] == {"paused": True}
    served.until(lambda: served.metric("empo_background_inflight") == 0)
    before = served.metric("empo_samples_total")
    assert served.chat("while paused")[0] == 200
    assert served.metric("empo_samples_total") == before
    assert served.post("/admin/v1/learning/resume", admin=True)[1] == {"paused": False}


# Adapters.


def make_adapter(served: Served, directory: Path, seed: int, **config: Any) -> Path:
    """An adapter that fits the served model, with random weights."""
    v0 = served.data_dir / "adapters" / "v0"
    random = np.random.default_rng(seed)
    tensors = {
        name: random.normal(0, 0.5, values.shape).astype(np.float32)
        for name, values in sorted(load_file(v0 / "adapter_model.safetensors").items())
    }
    directory.mkdir()
    save_file(tensors, directory / "adapter_model.safetensors")
    described = json.loads((v0 / "adapter_config.json").read_text()) | config
    (directory / "adapter_config.json").write_text(json.dumps(described))
    return directory


def command(served: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "empo_serve", *arguments),
            *("--set", f"server.admin_port={served.admin_port}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_an_adapter_is_imported_promoted_pinned_and_rolled_back(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = Served(tmp_path / "data", *FAKE).wait_ready()
    try:
        for number in range(6):
            before = server.metric("empo_band_decisions_total")
            server.chat(f"question {number}")
            server.until(lambda b=before: server.metric("empo_band_decisions_total") > b)
        for seed in (1, 2):
            done = command(
                server, "adapters", "import", str(make_adapter(server, tmp_path / f"a{seed}", seed))
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout == f"v{seed} is LIVE\n"
        listed = command(server, "adapters", "list").stdout.splitlines()
        assert [line.split()[:2] for line in listed[1:]] == [
            ["v0", "RETIRED"],
            ["v1", "RETIRED"],
            ["v2", "LIVE"],
        ]
        assert server.chat("x", headers={"X-Empo-Version": "v1"})[0] == 200
        assert command(server, "adapters", "rollback").stdout == "v1 is LIVE\n"
        assert command(server, "adapters", "rollback", "v2").returncode == 1  # not live
        assert command(server, "adapters", "promote", "v0").stdout == "v0 is LIVE\n"
        assert command(server, "adapters", "pin", "v1").stdout == "v1 is LIVE\n"
        # While pinned, an import waits.
        done = command(server, "adapters", "import", str(make_adapter(server, tmp_path / "a3", 3)))
        assert done.stdout == "v3 is CANDIDATE\n"
        assert command(server, "adapters", "unpin").returncode == 0
        assert command(server, "adapters", "unpin").returncode == 1
        assert command(server, "adapters", "promote", "v77").returncode == 1
        # One version collapses to the same answer for everything: the gate refuses it.
        bad = make_adapter(server, tmp_path / "a4", 4, fake={"answer": "same"})
        done = command(server, "adapters", "import", str(bad))
        assert done.returncode == 1
        assert "distinct answers" in done.stderr
        assert "Traceback" not in done.stderr
        version_after_restart = "v1"
    finally:
        assert server.stop() == 0
    again = Served(server.data_dir, *FAKE).wait_ready()
    try:
        assert again.get("/admin/v1/status", admin=True)[1]["live"] == version_after_restart
    finally:
        assert again.stop() == 0


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda d: (d / "adapter_model.safetensors").unlink(), "adapter_model.safetensors"),
        (lambda d: (d / "adapter_model.safetensors").write_bytes(b"x" * 100), "cannot be read"),
        (lambda d: (d / "adapter_config.json").write_text("{"), "adapter_config.json"),
        (lambda d: (d / "adapter_config.json").write_text('{"peft_type": "IA3"}'), "LORA"),
        (lambda d: _change(d, lambda t: t * np.float32(np.nan)), "NaN"),
        (lambda d: _change(d, lambda t: t * 1e9), "norm"),
        (lambda d: _change(d, lambda t: t[:1]), "rank"),
        (lambda d: _change(d, lambda t: t, "other.lora_A.weight"), "fits no linear layer"),
    ],
)
def test_a_bad_adapter_is_refused_before_the_engine_sees_it(
    served: Served, tmp_path: Path, spoil: Any, named: str
) -> None:
    directory = make_adapter(served, tmp_path / "bad", 1)
    spoil(directory)
    versions = len(served.get("/admin/v1/adapters", admin=True)[1]["adapters"])
    done = command(served, "adapters", "import", str(directory))
    assert done.returncode == 1
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(served.get("/admin/v1/adapters", admin=True)[1]["adapters"]) == versions


def _change(directory: Path, how: Any, new_name: str | None = None) -> None:
    file = directory / "adapter_model.safetensors"
    tensors = load_file(file)
    name = sorted(tensors)[0]
    tensors[new_name or name] = np.ascontiguousarray(how(tensors[name]))
    save_file(tensors, file)


# Failures.


def test_a_dead_engine_gives_503_and_is_restarted_with_the_live_version(tmp_path: Path) -> None:
    server = Served(tmp_path / "data", *FAKE, "gate.enabled=false").wait_ready()
    try:
        done = command(server, "adapters", "import", str(make_adapter(server, tmp_path / "a1", 1)))
        assert done.stdout == "v1 is LIVE\n", done.stderr
        pid = server.get("/admin/v1/status", admin=True)[1]["engine"]["pid"]
        os.kill(pid, signal.SIGKILL)
        status, body = server.until(
            lambda: next((a for a in [server.chat("x")] if a[0] != 200), None)
        )
        assert status == 503
        assert body["error"]["code"] == 503
        server.until(lambda: server.metric("empo_engine_restarts_total") == 1)
        server.until(lambda: server.get("/health/ready")[0] == 200)
        status, body = server.chat("x", headers={"X-Empo-Version": "v1"})
        assert status == 200
    finally:
        assert server.stop() == 0


def test_stopping_lets_a_running_stream_finish_and_leaves_no_process(tmp_path: Path) -> None:
    slow = 'engine.args=["--first-token-s", "0.5", "--tokens-per-s", "20"]'
    server = Served(tmp_path / "data", *FAKE, slow).wait_ready()
    children = psutil.Process(server.process.pid).children(recursive=True)
    client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    stream = client.chat.completions.create(
        model="fake", messages=[{"role": "user", "content": "slowly"}], stream=True
    )
    first = next(iter(stream))
    server.process.send_signal(signal.SIGTERM)
    rest = list(stream)
    assert first.choices
    assert rest[-1].choices[0].finish_reason == "stop"
    assert server.process.wait(30) == 0, server.log.read_text()
    assert not [child for child in children if is_alive(child)]


def test_a_stream_that_a_dying_engine_cuts_ends_with_an_error_and_no_done(tmp_path: Path) -> None:
    slow = 'engine.args=["--tokens-per-s", "5", "--min-tokens", "200"]'
    server = Served(tmp_path / "data", *FAKE, slow).wait_ready()
    client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    try:
        stream = client.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "long"}], stream=True
        )
        chunks = iter(stream)
        next(chunks)
        os.kill(server.get("/admin/v1/status", admin=True)[1]["engine"]["pid"], signal.SIGKILL)
        with pytest.raises(APIError, match="stopped in the middle"):
            list(chunks)
    finally:
        assert server.stop() == 0


def is_alive(process: psutil.Process) -> bool:
    """Still running; what waits only for its new parent to take note of its end is not."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def start(*settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "empo_serve", "serve"]
    for setting in settings:
        command += ["--set", setting]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_what_cannot_start_says_why_in_one_line_before_anything_is_started(
    tmp_path: Path, served: Served
) -> None:
    ports = (f"server.port={free_port()}", f"server.admin_port={free_port()}")
    data = f"server.data_dir={tmp_path / 'data'}"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        cases = [
            ((*ports, data), 2, "model.path"),
            ((*ports, data, "model.path=/nowhere/model"), 1, "/nowhere/model"),
            ((*ports, data, f"model.path={tmp_path}"), 1, "config.json"),
            ((*ports, data, "engine.kind=fake", "engine.knd=fake"), 2, "engine.knd"),
            ((data, "engine.kind=fake", f"server.port={number}"), 1, "server.port"),
            ((*ports, "engine.kind=fake", "server.data_dir=/proc/x"), 1, "server.data_dir"),
            ((*ports, "engine.kind=fake", f"server.data_dir={served.data_dir}"), 1, "in use"),
        ]
        for settings, code, named in cases:
            done = start(*settings)
            assert done.returncode == code, done.stderr
            assert named in done.stderr
            assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "data").exists()


def test_a_data_directory_of_another_model_is_refused(tmp_path: Path) -> None:
    server = Served(tmp_path / "data", *FAKE).wait_ready()
    assert server.stop() == 0
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    done = start(
        *(f"server.port={free_port()}", f"server.admin_port={free_port()}"),
        *(f"model.path={model}", f"server.data_dir={tmp_path / 'data'}"),
    )
    assert done.returncode == 1
    assert "belongs to another model" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_restarted_engine_answers_nobody_before_it_has_its_adapters(tmp_path: Path) -> None:
    """Loading is slow here; whoever asks meanwhile gets 503, never an unknown model."""
    slow = 'engine.args=["--load-delay-s", "0.5"]'
    server = Served(tmp_path / "data", *FAKE, slow).wait_ready()
    try:
        os.kill(server.get("/admin/v1/status", admin=True)[1]["engine"]["pid"], signal.SIGKILL)
        seen = []
        # Ask without a pause until the new engine, not the old one, has answered.
        while server.metric("empo_engine_restarts_total") < 1 or seen[-1] != 200:
            seen.append(server.chat("x", headers={"X-Empo-Learn": "no"})[0])
        assert set(seen) <= {200, 503}
        assert 503 in seen
    finally:
        assert server.stop() == 0


def test_a_damaged_version_is_not_served_and_the_live_one_must_be_whole(tmp_path: Path) -> None:
    server = Served(tmp_path / "data", *FAKE, "gate.enabled=false").wait_ready()
    for seed in (1, 2):
        command(
            server, "adapters", "import", str(make_adapter(server, tmp_path / f"a{seed}", seed))
        )
    assert server.stop() == 0
    _flip_a_byte(server.data_dir / "adapters" / "v1" / "adapter_model.safetensors")
    again = Served(server.data_dir, *FAKE).wait_ready()
    try:
        assert again.chat("x", headers={"X-Empo-Version": "v2"})[0] == 200
        assert again.chat("x", headers={"X-Empo-Version": "v1"})[0] == 404
        refused = command(again, "adapters", "promote", "v1")
        assert refused.returncode == 1
        assert "changed after it was published" in refused.stderr
    finally:
        assert again.stop() == 0
    _flip_a_byte(server.data_dir / "adapters" / "v2" / "adapter_model.safetensors")
    ports = (f"server.port={free_port()}", f"server.admin_port={free_port()}")
    done = start(*ports, *FAKE, f"server.data_dir={server.data_dir}")
    assert done.returncode == 1
    assert "changed after it was published" in done.stderr.splitlines()[-1]


def _flip_a_byte(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
