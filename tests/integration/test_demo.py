"""The whole demo as a user starts it, on the fake engine and a tiny model that really trains."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import save_llama

from empo_serve.demo.server import CONFIG_FILE
from empo_serve.engine.fake.tokenizer import VOCAB_SIZE

pytestmark = pytest.mark.slow

MIXED = CONFIG_FILE.parent / "mixed.jsonl"
ON_THE_FAKE_ENGINE = (
    "engine.kind=fake",
    "semantics.equivalence=rules",
    "train.groups_per_update=4",
    "gate.num_queries=4",
    "train.threads=1",
)


def command(tmp_path: Path, *arguments: str) -> list[str]:
    model = save_llama(tmp_path / "model", vocab_size=VOCAB_SIZE)
    demo = [sys.executable, "-m", "empo_serve", "demo", "--report-dir", str(tmp_path / "report")]
    for setting in (*ON_THE_FAKE_ENGINE, f"model.path={model}"):
        demo += ["--set", setting]
    return [*demo, *arguments]


@pytest.mark.timeout(300)
def test_versions_are_trained_swapped_in_under_traffic_and_measured(tmp_path: Path) -> None:
    traffic = tmp_path / "traffic.jsonl"
    traffic.write_text("".join(f"{line}\n" for line in MIXED.read_text().splitlines()[::6]))
    demo = command(tmp_path, "--updates", "2", "--traffic", str(traffic))
    run = subprocess.run(demo, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["model"] == "model"
    assert report["versions"][0]["version"] == "v0"
    assert report["versions"][-1]["version"] == f"v{report['swaps']}"
    assert report["versions"][-1]["trained_groups"] > 0
    assert report["swaps"] >= 2
    requests = report["requests"]
    # The gold answers mean nothing to a toy model; that nobody was failed means everything.
    assert (requests["failed"], requests["mixed"]) == (0, 0)
    assert requests["streamed"] > 0
    assert requests["total"] == sum(requests["by_version"].values())
    assert {v["version"] for v in report["versions"]} <= requests["by_version"].keys()
    assert report["conclusion"] in run.stdout
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
    assert "swap: v0 → v1" in run.stdout


@pytest.mark.timeout(120)
def test_an_interrupt_stops_the_server_and_writes_what_there_is(tmp_path: Path) -> None:
    said, code = run_until_measured(command(tmp_path), lambda demo: demo.send_signal(signal.SIGINT))
    assert code == 1, "".join(said)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["completed"] is False
    assert report["ended"] == "interrupted"
    assert report["versions"][0]["version"] == "v0"
    api = next(line for line in said if "API" in line)
    assert_closed(int(api.rpartition(":")[2].split("/")[0]))


@pytest.mark.timeout(60)
def test_a_server_that_cannot_start_is_shown_with_its_last_words(tmp_path: Path) -> None:
    demo = command(tmp_path, "--set", "model.path=/no/such/model")
    run = subprocess.run(demo, capture_output=True, text=True, timeout=50)
    assert run.returncode == 1
    assert "/no/such/model does not exist" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.timeout(120)
def test_a_server_that_dies_ends_the_demo(tmp_path: Path) -> None:
    said, code = run_until_measured(
        command(tmp_path), lambda demo: os.kill(server_pid(demo.pid), signal.SIGKILL)
    )
    assert code == 1
    assert "the server ended with exit code -9" in "".join(said)


def run_until_measured(
    demo_command: list[str], then: Callable[[subprocess.Popen[str]], None]
) -> tuple[list[str], int]:
    """What the demo says, and its exit code; `then` happens to it when v0 is measured."""
    said = []
    with subprocess.Popen(
        demo_command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            said.append(line)
            if line.startswith("v0: sampled accuracy"):
                then(demo)
    return said, demo.returncode


def server_pid(demo_pid: int) -> int:
    children = Path(f"/proc/{demo_pid}/task/{demo_pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def assert_closed(port: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) != 0:
                return
    pytest.fail(f"something still listens on port {port}")
