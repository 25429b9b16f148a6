"""A model that learned to say one thing to everybody: a guard pauses learning, users notice
nothing, and an operator finds out why, goes back, and resumes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from serving import Served
from tiny_model import save_llama

from empo_serve.engine.fake.tokenizer import VOCAB_SIZE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

WINDOW = 16


def serve(data_dir: Path, model: Path) -> Served:
    return Served(
        data_dir,
        "engine.kind=fake",
        f"model.path={model}",
        "model.name=tiny",
        "semantics.equivalence=rules",
        "train.groups_per_update=1000",  # nothing is trained: the bad version comes from elsewhere
        "train.rank=2",
        "gate.enabled=false",  # which would have refused it
        f"guards.window={WINDOW}",
    ).wait_ready()


def play(server: Served, questions: range) -> None:
    """Questions that are sampled one and all."""
    for number in questions:
        before = server.metric("empo_band_decisions_total")
        assert server.chat(f"Which word is number {number}?")[0] == 200
        server.until(lambda b=before: server.metric("empo_band_decisions_total") > b)


def hacked_adapter(server: Served, directory: Path) -> Path:
    """Fits the model, and makes the engine answer the same to everything."""
    v0 = server.data_dir / "adapters" / "v0"
    tensors = load_file(v0 / "adapter_model.safetensors")
    changed = {n: np.full_like(t, 0.01) if "lora_B" in n else t for n, t in tensors.items()}
    directory.mkdir()
    save_file(changed, directory / "adapter_model.safetensors")
    config = json.loads((v0 / "adapter_config.json").read_text()) | {"fake": {"answer": "apple"}}
    (directory / "adapter_config.json").write_text(json.dumps(config))
    return directory


def command(server: Served, *arguments: str) -> str:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "empo_serve", *arguments),
            *("--set", f"server.admin_port={server.admin_port}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def learning(server: Served) -> dict[str, Any]:
    answer: dict[str, Any] = server.get("/admin/v1/status", admin=True)[1]["learning"]
    return answer


def guard_gauge(server: Served, guard: str) -> float:
    page = server.get("/metrics")[1]
    (line,) = (x for x in page.splitlines() if x.startswith(f'empo_guard_tripped{{guard="{guard}"'))
    return float(line.rsplit(" ", 1)[1])


def test_a_collapse_pauses_learning_until_an_operator_went_back_and_resumed(tmp_path: Path) -> None:
    model = save_llama(tmp_path / "model", vocab_size=VOCAB_SIZE)
    server = serve(tmp_path / "data", model)
    try:
        play(server, range(WINDOW))
        assert learning(server)["state"] == "learning"
        assert learning(server)["guards"] == []
        hacked = hacked_adapter(server, tmp_path / "hacked")
        assert command(server, "adapters", "import", str(hacked)) == "v1 is LIVE\n"
        play(server, range(100, 100 + WINDOW // 2))
        server.until(lambda: learning(server)["paused"])
        trips = {trip["guard"]: trip for trip in learning(server)["guards"]}
        assert {"unanimity", "constant_answer"} <= set(trips)
        assert trips["constant_answer"]["value"] == 1.0
        assert trips["constant_answer"]["version"] == "v1"
        assert guard_gauge(server, "constant_answer") == 1
        assert guard_gauge(server, "kl") == 0
        assert server.metric("empo_learning_paused") == 1
        # Users notice nothing, and nothing is sampled any more.
        groups = server.metric("empo_band_decisions_total")
        for number in range(200, 200 + WINDOW):
            assert server.chat(f"Which word is number {number}?")[0] == 200
        assert server.metric("empo_band_decisions_total") == groups
    finally:
        assert server.stop() == 0, server.log.read_text()

    # A restart forgets nothing.
    server = serve(server.data_dir, model)
    try:
        assert learning(server)["state"] == "paused"
        assert guard_gauge(server, "constant_answer") == 1
        shown = command(server, "status")
        assert "paused by guard unanimity (and by constant_answer" in shown
        assert "get one and the same answer" in json.dumps(learning(server))
        assert "empo-serve adapters rollback" in shown
        assert server.post("/admin/v1/updates", admin=True)[0] == 409

        assert command(server, "adapters", "rollback") == "v0 is LIVE\n"
        assert server.post("/admin/v1/learning/resume", admin=True)[0] == 200
        assert not learning(server)["paused"]
        assert guard_gauge(server, "constant_answer") == 0
        play(server, range(300, 300 + 2 * WINDOW))
        assert learning(server)["state"] == "learning"
    finally:
        assert server.stop() == 0, server.log.read_text()

    server = serve(server.data_dir, model)
    try:
        play(server, range(400, 400 + WINDOW // 2))
        assert learning(server)["state"] == "learning"
        assert learning(server)["guards"] == []
    finally:
        assert server.stop() == 0, server.log.read_text()
