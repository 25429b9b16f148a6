"""Updates from traffic to a live version: the real trainer on a tiny model, the fake engine."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving import Served
from tiny_model import save_llama

from empo_serve.engine.fake.tokenizer import VOCAB_SIZE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("tiny") / "model", vocab_size=VOCAB_SIZE)


def settings(model: Path, *more: str) -> tuple[str, ...]:
    return (
        "engine.kind=fake",
        f"model.path={model}",
        "model.name=tiny",
        "semantics.equivalence=rules",
        "train.groups_per_update=2",
        "train.rank=2",
        "train.learning_rate=0.01",
        "train.threads=1",
        "gate.num_queries=4",
        *more,
    )


def play(server: Served, rounds: range) -> None:
    """Ordinary traffic; on the fake engine about every third question lands in the band."""
    for number in rounds:
        status, body = server.chat(f"Which word is number {number}?")
        assert status == 200, body


def updates(server: Served) -> list[dict[str, Any]]:
    return list(server.get("/admin/v1/updates", admin=True)[1]["updates"])


def live(server: Served) -> str:
    return str(server.get("/admin/v1/status", admin=True)[1]["live"])


@pytest.fixture
def server(model: Path, tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path / "data", *settings(model)).wait_ready()
    yield served
    assert served.stop() == 0, served.log.read_text()


def test_traffic_becomes_a_live_version_with_its_lineage_and_can_be_taken_back(
    server: Served,
) -> None:
    play(server, range(30))
    server.until(lambda: live(server) != "v0", 120)
    update = server.until(lambda: [u for u in updates(server) if u["state"] == "PUBLISHED"])[-1]
    assert update["parent"] == "v0"
    assert update["version"] == "v1"
    assert update["num_groups"] == 2
    assert update["metrics"]["groups"] == 2
    adapters = server.get("/admin/v1/adapters", admin=True)[1]["adapters"]
    assert adapters[1]["gate"]["passed"]
    assert adapters[1]["parent"] == "v0"
    # Version to rows, and rows to version.
    rows = server.get("/admin/v1/queries?limit=1000", admin=True)[1]["queries"]
    trained = [r for r in rows if r["state"] == "TRAINED" and r["update_id"] == update["update_id"]]
    assert len(trained) == 2
    directory = server.data_dir / "updates" / f"{update['update_id']:06d}"
    lines = (directory / "groups.jsonl").read_text().splitlines()
    assert {json.loads(line)["query_id"] for line in lines} == {r["query_id"] for r in trained}
    # The version's directory is complete and says where it comes from.
    manifest = json.loads((server.data_dir / "adapters" / "v1" / "manifest.json").read_text())
    assert manifest["update_id"] == update["update_id"]
    assert server.metric("empo_adapter_swaps_total") >= 1

    # Taken back, it answers no more, and nothing that it sampled is trained on.
    server.post("/admin/v1/learning/pause", admin=True)
    server.until(
        lambda: server.get("/admin/v1/status", admin=True)[1]["learning"]["update_running"] is None
    )
    version = live(server)
    status, body = server.post(f"/admin/v1/adapters/{version}/rollback", admin=True)
    assert status == 200, body
    assert live(server) == body["version"] != version
    rows = server.get(f"/admin/v1/queries?limit=1000&version={version}", admin=True)[1]["queries"]
    assert not [row for row in rows if row["state"] in ("PENDING", "LEASED")]
    adapters = server.get("/admin/v1/adapters", admin=True)[1]["adapters"]
    assert {a["version"]: a["state"] for a in adapters}[version] == "ROLLED_BACK"


def test_a_crashing_trainer_fails_its_update_and_gives_the_rows_back(
    model: Path, tmp_path: Path
) -> None:
    served = Served(tmp_path / "data", *settings(model, "train.enabled=false")).wait_ready()
    try:
        play(served, range(30))
        served.until(lambda: served.get("/admin/v1/status", admin=True)[1]["queue"] == 0)
        served.until(lambda: served.metric("empo_background_inflight") == 0)
    finally:
        assert served.stop() == 0
    served = Served(served.data_dir, *settings(model)).wait_ready()
    try:
        trainer = served.until(lambda: _child(served, "train"), 60)
        trainer.kill()
        failed = served.until(lambda: [u for u in updates(served) if u["state"] == "FAILED"])[0]
        assert "exit code -9" in failed["error"]
        assert live(served) == "v0"
        assert served.chat("still there?")[0] == 200
        assert served.metric("empo_updates_total") >= 1
        counts = served.get("/admin/v1/status", admin=True)[1]["buffer"]
        assert counts["PENDING"] >= 2
        assert counts["LEASED"] == 0
        # Later the same rows are trained on after all.
        served.until(lambda: live(served) != "v0", 120)
    finally:
        assert served.stop() == 0


def test_an_update_that_a_killed_server_left_behind_is_finished_by_the_next(
    model: Path, tmp_path: Path
) -> None:
    served = Served(tmp_path / "data", *settings(model)).wait_ready()
    play(served, range(30))
    trainer = served.until(lambda: _child(served, "train"), 60)
    children = psutil.Process(served.process.pid).children(recursive=True)
    os.killpg(served.process.pid, signal.SIGKILL)
    served.process.wait()
    _, alive = psutil.wait_procs([trainer, *children], timeout=20)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
    again = Served(served.data_dir, *settings(model)).wait_ready()
    try:
        again.until(lambda: live(again) != "v0", 120)
        first = again.until(lambda: [u for u in updates(again) if u["state"] == "PUBLISHED"])[-1]
        assert first["update_id"] == 1
        counts = again.get("/admin/v1/status", admin=True)[1]["buffer"]
        assert counts["TRAINED"] >= 2
    finally:
        assert again.stop() == 0


def test_a_swap_under_traffic_fails_and_mixes_nothing(server: Served) -> None:
    """Streams that started on a version end on it, while versions come and go."""
    from concurrent.futures import ThreadPoolExecutor

    from openai import OpenAI

    client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    stop = False

    def ask(worker: int) -> list[tuple[str, int]]:
        seen = []
        number = 0
        while not stop:
            number += 1
            raw = client.chat.completions.with_raw_response.create(
                model="tiny",
                messages=[{"role": "user", "content": f"Which word is number {worker}/{number}?"}],
                stream=number % 2 == 0,
            )
            parsed = raw.parse()
            models = {chunk.model for chunk in parsed} if number % 2 == 0 else {parsed.model}
            assert models == {"tiny"}
            seen.append((raw.headers["X-Empo-Version"], number))
        return seen

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(ask, worker) for worker in range(4)]
        try:
            server.until(lambda: live(server) != "v0", 150)
            count = server.metric("empo_requests_total")
            server.until(lambda: server.metric("empo_requests_total") > count + 20)
        finally:
            stop = True
        seen = [version for worker in workers for version, _ in worker.result()]
    assert {"v0", "v1"} <= set(seen)
    for worker in workers:  # a client never goes back to an older version
        numbers = [int(version[1:]) for version, _ in worker.result()]
        assert numbers == sorted(numbers)


def _child(server: Served, word: str) -> psutil.Process | None:
    for child in psutil.Process(server.process.pid).children(recursive=True):
        try:
            if word in child.cmdline():
                return child
        except psutil.NoSuchProcess:
            continue
    return None
