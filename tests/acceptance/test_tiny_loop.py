"""A whole loop in a few minutes, over HTTP alone: real vLLM, gate, rollback, and a tiny model that
is trained first (bench/tiny_world.py)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from serving import Served
from swap_server import Admin, make_adapter

from empo_serve.demo.client import Client
from empo_serve.demo.measure import measure
from empo_serve.demo.server import CONFIG_FILE
from empo_serve.demo.traffic import Prompt, Split

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from loop import TINY_SETTINGS, World, split, tiny_world

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1200)]

NUM_VERSIONS = 3
ROUNDS = 60  # of the traffic at most; about one update in each


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return tiny_world(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def halves(world: World) -> Split:
    return split(world.prompts, seed=0)


@pytest.fixture(scope="module")
def server(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data_dir = tmp_path_factory.mktemp("loop") / "data"
    settings = (*TINY_SETTINGS, f"model.path={world.model}", "rollout.keep_loaded=8")
    served = Served(data_dir, *settings, config=CONFIG_FILE)
    yield served.wait_ready(600)
    assert served.stop() == 0, served.log.read_text()


def live(server: Served) -> str:
    return str(server.get("/admin/v1/status", admin=True)[1]["live"])


def adapter(server: Served, version: str) -> dict[str, Any]:
    return dict(server.get(f"/admin/v1/adapters/{version}", admin=True)[1])


def sampled_accuracy(server: Served, version: str, prompts: tuple[Prompt, ...]) -> float:
    async def ask() -> float:
        client = Client(server.url, max_tokens=4, num_samples=16)
        await client.open()
        measured = await measure(client, version, prompts, lambda: None)
        await client.close()
        assert client.tally.failed == 0, client.tally.errors
        return sum(m.sampled_accuracy for m in measured.values()) / len(measured)

    return asyncio.run(ask())


def who_answers(server: Served, prompt: Prompt) -> str:
    """The version that answers an ordinary request."""

    async def ask() -> str:
        client = Client(server.url, max_tokens=4, num_samples=2)
        await client.open()
        await client.ask(prompt, stream=False, learn=False)
        await client.close()
        (version,) = client.tally.by_version
        return version

    return asyncio.run(ask())


def test_accuracy_on_questions_that_were_never_asked_rises(server: Served, halves: Split) -> None:
    before = sampled_accuracy(server, "v0", halves.heldout)
    with ThreadPoolExecutor(8) as users:
        for _ in range(ROUNDS):
            answers = users.map(lambda p: server.chat(p.text, max_tokens=4), halves.traffic)
            assert all(status == 200 for status, _ in answers)
            server.wait_sampled()
            server.until(lambda: not is_training(server), 120)
            if int(live(server)[1:]) >= NUM_VERSIONS:
                break
    assert server.post("/admin/v1/learning/pause", admin=True)[0] == 200
    server.until(lambda: not is_training(server), 120)
    version = live(server)
    assert int(version[1:]) >= NUM_VERSIONS, server.get("/admin/v1/updates", admin=True)
    assert adapter(server, version)["gate"]["passed"] is True
    assert sampled_accuracy(server, version, halves.heldout) > before + 0.05


def is_training(server: Served) -> bool:
    status = server.get("/admin/v1/status", admin=True)[1]
    return status["learning"]["update_running"] is not None


def test_the_gate_refuses_a_bad_candidate_and_no_user_meets_it(
    server: Served, halves: Split, tmp_path: Path
) -> None:
    before = live(server)
    bad = make_adapter(server.data_dir / "adapters" / "v0", tmp_path / "bad", number=1)

    async def upload() -> str:
        admin = Admin(server.admin_url)
        version = await admin.upload(bad)
        await admin.close()
        return version

    refused = adapter(server, asyncio.run(upload()))
    assert refused["state"] == "REJECTED"
    assert any(check["passed"] is False for check in refused["gate"]["checks"])
    assert live(server) == before
    assert who_answers(server, halves.heldout[0]) == before


def test_after_a_rollback_the_former_version_answers_as_it_did(
    server: Served, halves: Split
) -> None:
    version = live(server)
    former = adapter(server, version)["parent"]
    accuracy = sampled_accuracy(server, former, halves.heldout)
    assert server.post(f"/admin/v1/adapters/{version}/rollback", admin=True)[0] == 200
    assert adapter(server, version)["state"] == "ROLLED_BACK"
    assert live(server) == former
    assert who_answers(server, halves.heldout[0]) == former
    assert sampled_accuracy(server, former, halves.heldout) == pytest.approx(accuracy, abs=0.1)


def test_v0_is_never_lost(server: Served, halves: Split) -> None:
    assert server.post("/admin/v1/adapters/v0/promote", admin=True)[0] == 200
    assert who_answers(server, halves.heldout[0]) == "v0"
