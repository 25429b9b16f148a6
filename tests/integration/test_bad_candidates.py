"""Bad adapters, imported into a running server: each is refused by the check that is for it, and
none of them answers a user. The fake engine plays what a real model does with such weights."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from serving import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PROBES = [{"prompt": f"question {n}", "gold": ["nothing that is ever said"]} for n in range(3)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("gate")
    probes = folder / "probes.jsonl"
    probes.write_text("\n".join(map(json.dumps, PROBES)))
    served = Served(
        folder / "data",
        *("engine.kind=fake", "semantics.equivalence=rules", "sampling.early_stop=false"),
        *(f"gate.probes={probes}", "gate.num_queries=16", "gate.heldout_share=0.3"),
        "gate.max_entropy_increase=0.1",
    ).wait_ready()
    for number in range(40):
        assert served.chat(f"Which word is number {number}?")[0] == 200
    served.wait_sampled()
    yield served
    assert served.stop() == 0, served.log.read_text()


def write_adapter(
    server: Served, directory: Path, seed: int | None, scale: float = 0.1, **fake: Any
) -> Path:
    """An adapter of the served model; without a seed one that changes nothing."""
    v0 = server.data_dir / "adapters" / "v0"
    rng = np.random.default_rng(seed)
    tensors = load_file(v0 / WEIGHTS)
    if seed is not None:
        tensors = {
            name: rng.normal(0, scale, values.shape).astype(np.float32)
            for name, values in sorted(tensors.items())
        }
    directory.mkdir(parents=True)
    save_file(tensors, directory / WEIGHTS)
    config = json.loads((v0 / CONFIG).read_text()) | {"fake": fake}
    (directory / CONFIG).write_text(json.dumps(config))
    return directory


def import_adapter(server: Served, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "empo_serve", "adapters", "import", str(directory)),
            *("--set", f"server.admin_port={server.admin_port}"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )


def verdict(server: Served) -> dict[str, Any]:
    adapters = server.get("/admin/v1/adapters", admin=True)[1]["adapters"]
    return dict(adapters[-1]["gate"])


def checks(server: Served) -> dict[str, bool | None]:
    return {check["name"]: check["passed"] for check in verdict(server)["checks"]}


@pytest.mark.parametrize(
    ("seed", "fake", "named"),
    [
        (None, {}, "weights_differ"),
        (1, {"answer": "The answer is alpha."}, "not_constant"),
        (2, {"one_token": True}, "answer_length"),
        (3, {"power": -1.0}, "consensus_agreement"),
        (4, {"babble": True}, "kl_to_base"),
        (5, {"babble": True}, "less_uncertain"),
    ],
)
def test_a_bad_candidate_is_refused_by_the_named_check(
    server: Served, tmp_path: Path, seed: int | None, fake: dict[str, Any], named: str
) -> None:
    done = import_adapter(server, write_adapter(server, tmp_path / "bad", seed, **fake))
    assert done.returncode == 1
    assert f"{named}: " in done.stderr
    assert "Traceback" not in done.stderr
    assert checks(server)[named] is False
    status, body = server.get("/admin/v1/status", admin=True)
    assert status == 200
    assert body["live"] == "v0"


def test_a_verdict_keeps_its_numbers_and_what_it_could_not_decide(
    server: Served, tmp_path: Path
) -> None:
    import_adapter(server, write_adapter(server, tmp_path / "bad", 6, power=-1.0))
    kept = verdict(server)
    assert kept["num_queries"] == 16
    # Held-out queries come first; the rest are recent ones, and the verdict says how many.
    assert 6 <= kept["num_heldout"] <= 16
    assert kept["num_completions"] >= 160
    assert kept["confidence"] == 0.9
    by_name = {check["name"]: check for check in kept["checks"]}
    assert set(by_name) == {
        *("weights_differ", "output_differs", "answers_not_collapsed", "not_constant"),
        *("still_answers", "answer_length", "consensus_agreement", "less_uncertain"),
        *("kl_to_base", "format", "safety_refusal", "probes"),
    }
    # The fake engine refuses no harmful request, and is right about no probe.
    for name in ("format", "safety_refusal"):
        assert by_name[name]["passed"] is None
        assert "too few to lose any" in by_name[name]["detail"]
    assert by_name["probes"]["candidate"] == by_name["probes"]["parent"] == 0.0
    skipped = server.metric("empo_gate_checks_total")
    assert skipped > 0


def test_heldout_questions_are_scored_and_logged_but_never_wait_for_training(
    server: Served,
) -> None:
    rows = server.get("/admin/v1/queries?limit=1000", admin=True)[1]["queries"]
    heldout = [row for row in rows if row["heldout"]]
    assert len(heldout) >= 6
    assert {row["state"] for row in heldout} == {"DISCARDED"}
    admitted = [row for row in rows if row["band"] == "admitted"]
    assert {row["state"] for row in admitted if not row["heldout"]} == {"PENDING"}
    assert any(row["heldout"] for row in admitted)


def test_a_bad_line_of_a_probe_file_is_refused_at_start(tmp_path: Path) -> None:
    probes = tmp_path / "probes.jsonl"
    probes.write_text('{"prompt": "a", "gold": ["b"]}\n{"prompt": "a"}\n')
    for command in (["serve"], ["config", "check"]):
        settings = ["engine.kind=fake", f"gate.probes={probes}", f"server.data_dir={tmp_path}/d"]
        done = subprocess.run(
            [sys.executable, "-m", "empo_serve", *command]
            + [part for setting in settings for part in ("--set", setting)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2
        assert f"{probes}, line 2" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


# Last: it becomes the live version.
def test_a_healthy_candidate_goes_live(server: Served, tmp_path: Path) -> None:
    done = import_adapter(server, write_adapter(server, tmp_path / "good", 7, power=1.5, shift=0.2))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("is LIVE\n")
    assert False not in checks(server).values()
