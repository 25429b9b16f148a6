"""A new version's prefix cache is warm before users get it; warming never stops a swap."""

from __future__ import annotations

import json
import shutil
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from adapter_files import write_adapter
from serving import Served

from empo_serve.engine.fake.tokenizer import decode

SYSTEM = "You answer with one word. " * 9


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(
        tmp_path_factory.mktemp("warming") / "data",
        *("engine.kind=fake", "semantics.equivalence=rules", "gate.enabled=false"),
        *("train.rank=2", "sampling.fraction=0", "rollout.warm_timeout_s=0.5"),
    ).wait_ready()
    for _ in range(2):
        ask(server, SYSTEM)
    yield server
    assert server.stop() == 0, server.log.read_text()


def ask(server: Served, system: str, headers: dict[str, str] | None = None) -> None:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "x"}]
    assert server.post("/v1/chat/completions", {"messages": messages}, headers=headers)[0] == 200


def upload(server: Served, directory: Path, seed: int, **fake: Any) -> tuple[int, Any]:
    """Import an adapter that fits the served one's placeholder layer."""
    source = write_adapter(directory / f"a{seed}", seed=seed, fake=fake)
    _rename_layer(source)
    boundary = uuid.uuid4().hex
    parts = b""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        heading = f'Content-Disposition: form-data; name="{name}"; filename="{name}"'
        parts += f"--{boundary}\r\n{heading}\r\n\r\n".encode()
        parts += (source / name).read_bytes() + b"\r\n"
    shutil.rmtree(source)
    return server.post(
        "/admin/v1/adapters",
        parts + f"--{boundary}--\r\n".encode(),
        admin=True,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )


def _rename_layer(source: Path) -> None:
    from safetensors.numpy import load_file, save_file

    file = source / "adapter_model.safetensors"
    tensors = {
        f"base_model.model.fake.{name.split('.', 7)[-1]}": values
        for name, values in load_file(file).items()
    }
    save_file(tensors, file)


def bodies(server: Served) -> list[dict[str, Any]]:
    engine = server.get("/admin/v1/status", admin=True)[1]["engine"]["urls"][0]
    with urllib.request.urlopen(engine + "/fake/stats", timeout=10) as response:
        return [entry["body"] for entry in json.load(response)["bodies"]]


def outcome(server: Served, name: str) -> float:
    with urllib.request.urlopen(server.url + "/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    series = f'empo_warmed_prefixes_total{{outcome="{name}"}} '
    return next(float(line.removeprefix(series)) for line in lines if line.startswith(series))


def test_shared_system_prompts_are_computed_under_a_version_before_it_is_live(
    served: Served, tmp_path: Path
) -> None:
    for _ in range(2):
        ask(served, "secret " * 100, headers={"X-Empo-Learn": "no"})
    status, adapter = upload(served, tmp_path, 1)
    assert (status, adapter["state"]) == (201, "LIVE")
    warming = [body for body in bodies(served) if body["model"] == adapter["engine_name"]]
    # In pieces of whole blocks, each the one before and a little more; at last as users send it.
    *pieces, whole = warming
    ends = [len(body["prompt"]) for body in pieces]
    tokens = pieces[-1]["prompt"]
    assert ends[0] == 32
    assert ends == sorted({end for end in ends if end % 32 == 0})
    assert all(body["prompt"] == tokens[: len(body["prompt"])] for body in pieces)
    assert SYSTEM[:100] in decode(tokens)
    assert [message["content"] for message in whole["messages"]] == [SYSTEM, "."]
    assert all(body["max_tokens"] == 1 for body in warming)
    assert all(body["priority"] > 0 for body in warming)  # users go first
    assert not any("secret" in str(body.get("messages")) for body in warming)
    assert outcome(served, "ok") == 1
    # A rollback does not warm: it must not wait, and the version was live a moment ago.
    path = f"/admin/v1/adapters/{adapter['version']}/rollback"
    assert served.post(path, admin=True)[1]["version"] == "v0"
    assert outcome(served, "ok") == 1


@pytest.mark.parametrize(
    ("seed", "fake", "counted"),
    [(2, {"fail_rate": 1.0}, "failed"), (3, {"slow_s": 60.0}, "timeout")],
)
def test_warming_that_fails_or_takes_too_long_stops_no_swap(
    served: Served, tmp_path: Path, seed: int, fake: dict[str, Any], counted: str
) -> None:
    status, adapter = upload(served, tmp_path, seed, **fake)
    assert (status, adapter["state"]) == (201, "LIVE")
    assert outcome(served, counted) == 1
    served.post(f"/admin/v1/adapters/{adapter['version']}/rollback", admin=True)


def test_an_engine_that_dies_of_a_load_comes_back_with_the_live_version(
    served: Served, tmp_path: Path
) -> None:
    live = served.get("/admin/v1/status", admin=True)[1]["live"]
    status, body = upload(served, tmp_path, 4, die_on_load=True)
    assert status == 503, body
    served.until(lambda: served.metric("empo_engine_restarts_total") == 1)
    served.until(lambda: served.get("/health/ready")[0] == 200)
    ask(served, SYSTEM)
    adapters = served.get("/admin/v1/adapters", admin=True)[1]["adapters"]
    assert [a["version"] for a in adapters if a["state"] == "LIVE"] == [live]
    assert (adapters[-1]["state"], adapters[-1]["loaded"]) == ("CANDIDATE", False)


def test_a_candidate_that_the_gate_cannot_examine_is_not_left_loaded(tmp_path: Path) -> None:
    server = Served(
        tmp_path / "data",
        *("engine.kind=fake", "semantics.equivalence=rules", "train.rank=2"),
    ).wait_ready()
    try:
        server.chat("What is it?")
        server.until(lambda: server.metric("empo_band_decisions_total") == 1)
        status, body = upload(server, tmp_path, 1, fail_rate=1.0)
        assert status == 502, body
        adapters = server.get("/admin/v1/adapters", admin=True)[1]["adapters"]
        assert (adapters[-1]["state"], adapters[-1]["loaded"]) == ("CANDIDATE", False)
    finally:
        assert server.stop() == 0
