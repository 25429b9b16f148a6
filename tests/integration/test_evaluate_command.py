"""bench/evaluate.py and bench/play.py as commands, through the OpenAI SDK, on the fake engine."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Served, free_port
from tiny_model import save_llama

from empo_serve.engine.fake.tokenizer import ANSWER_WORDS, VOCAB_SIZE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
# Every answer of the fake engine is one of its words.
RIGHT, WRONG = list(ANSWER_WORDS), ["none of these"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(
        tmp_path_factory.mktemp("evaluate") / "data",
        "engine.kind=fake",
        "semantics.equivalence=rules",
        'engine.args=["--tokens-per-s", "100"]',
    ).wait_ready()
    yield served
    served.stop()


def questions(tmp_path: Path, name: str, gold: list[str], count: int) -> Path:
    file = tmp_path / f"{name}.jsonl"
    rows = [
        {"id": f"{name}-{i}", "question": f"Which word is {name} {i}?", "gold": gold}
        for i in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def command(server: Served, out: Path, *arguments: str | Path) -> list[str]:
    evaluate = [sys.executable, str(ROOT / "bench" / "evaluate.py"), *map(str, arguments)]
    return [*evaluate, "--base-url", f"{server.url}/v1", "--out", str(out)]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def test_each_file_has_a_row_and_the_average_counts_each_the_same(
    server: Served, tmp_path: Path
) -> None:
    files = [questions(tmp_path, "right", RIGHT, 2), questions(tmp_path, "wrong", WRONG, 4)]
    report = tmp_path / "report.json"
    options = ("--num-samples", "4", "--k", "2", "--report", report, "--version", "v0")
    done = run(command(server, tmp_path / "out.jsonl", *files, *options))
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(report.read_text())["rows"]}
    assert list(rows) == ["right", "wrong", "average"]
    for name, expected in (("right", 1.0), ("wrong", 0.0), ("average", 0.5)):
        measured = rows[name]["measures"]
        assert {m["mean"] for m in measured.values()} == {expected}
        assert list(measured) == ["greedy", "pass@1", "majority", "pass@2"]
        assert name in done.stdout
    assert rows["average"]["questions"] == 6
    assert "version v0 (12 requests)" in done.stdout
    assert server.get("/admin/v1/queries", admin=True)[1]["queries"] == []


def test_questions_are_learned_from_only_if_that_is_asked_for(
    server: Served, tmp_path: Path
) -> None:
    def stored() -> int:
        server.wait_sampled()
        return len(server.get("/admin/v1/queries", admin=True)[1]["queries"])

    file = questions(tmp_path, "private", RIGHT, 3)
    before = stored()
    assert run(command(server, tmp_path / "a", file, "--num-samples", "0")).returncode == 0
    assert stored() == before
    asked = command(server, tmp_path / "b", file, "--num-samples", "0", "--learn", "yes")
    assert run(asked).returncode == 0
    assert stored() == before + 3


def test_an_interrupted_run_goes_on_where_it_was(server: Served, tmp_path: Path) -> None:
    file, out = questions(tmp_path, "many", RIGHT, 120), tmp_path / "out.jsonl"
    evaluate = command(server, out, file, "--num-samples", "2", "--concurrency", "1")
    first = subprocess.Popen(
        evaluate, stderr=subprocess.PIPE, text=True, preexec_fn=listen_to_interrupts
    )
    while not out.exists() or out.read_bytes().count(b"\n") < 4:
        assert first.poll() is None
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    said = first.communicate(timeout=30)[1]
    assert first.returncode == 130
    assert said == f"evaluate: interrupted; the same command goes on from {out}\n"
    kept = out.read_bytes()
    assert 4 <= kept.count(b"\n") < 241

    requests = server.metric("empo_requests_total")
    second = run(evaluate)
    assert second.returncode == 0, second.stderr
    assert out.read_bytes().startswith(kept[: kept.rfind(b"\n")])
    assert out.read_bytes().count(b"\n") == 241
    asked = 241 - kept.count(b"\n")
    assert server.metric("empo_requests_total") - requests == asked


def test_failed_requests_are_counted_left_out_and_asked_again(
    server: Served, tmp_path: Path
) -> None:
    file, report = questions(tmp_path, "long", RIGHT, 2), tmp_path / "report.json"
    with file.open("a") as lines:
        too_long = {"id": "x", "question": "word " * 40_000, "gold": RIGHT}
        lines.write(json.dumps(too_long) + "\n")
    evaluate = command(server, tmp_path / "out.jsonl", file, "--num-samples", "0")
    for _ in range(2):
        done = run([*evaluate, "--report", str(report)])
        assert done.returncode == 1
        assert "1 requests failed and are left out (the first: long x greedy: 400" in done.stderr
        row = json.loads(report.read_text())["rows"][0]
        assert (row["failed"], row["measures"]["greedy"]["mean"]) == (1, 1.0)


def test_what_no_request_can_change_is_told_in_one_line(server: Served, tmp_path: Path) -> None:
    file = questions(tmp_path, "few", RIGHT, 3)
    done = run(command(server, tmp_path / "out.jsonl", file, "--version", "v7"))
    assert done.returncode == 1
    assert done.stderr == (
        "evaluate: the server refuses: 404 version 'v7' is not loaded; loaded: v0\n"
    )
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    done = run([*command(server, tmp_path / "b.jsonl", file), "--base-url", nobody])
    assert done.returncode == 1
    assert done.stderr.startswith(f"evaluate: no model at {nobody}/: Connection error.")
    assert len(done.stderr.splitlines()) == 1


def listen_to_interrupts() -> None:
    """Jobs in the background of a shell are started deaf to SIGINT, and so are their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def play(tmp_path: Path, count: int, *settings: str) -> list[str]:
    model = tmp_path / "model"
    if not model.exists():
        save_llama(model, vocab_size=VOCAB_SIZE)
    traffic = questions(tmp_path, "traffic", RIGHT, count)
    command = [sys.executable, str(ROOT / "bench" / "play.py"), str(traffic)]
    command += ["--config", str(ROOT / "configs" / "math.toml"), "--updates", "1", "--exit"]
    for setting in (
        "engine.kind=fake",
        "engine.args=[]",
        f"model.path={model}",
        "model.dtype=float32",
        f"server.data_dir={tmp_path / 'data'}",
        f"server.port={free_port()}",
        f"server.admin_port={free_port()}",
        "train.groups_per_update=2",
        "train.rank=2",
        "train.threads=1",
        "gate.num_queries=4",
        *settings,
    ):
        command += ["--set", setting]
    return command


def test_traffic_is_played_until_a_version_is_trained_and_pinned(tmp_path: Path) -> None:
    done = run(play(tmp_path, 20))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "update 1: published · 2 groups" in done.stdout
    assert "v1 is live, in" in done.stdout
    # Pinned: started again, it is there and nothing more is learned.
    done = run(play(tmp_path, 20))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "v1 live" in done.stdout
    assert "update 2" not in done.stdout


def test_traffic_without_a_signal_ends_by_saying_so(tmp_path: Path) -> None:
    done = run(play(tmp_path, 8, "band.min_largest_cluster=1.0"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Nothing to learn: " in done.stdout
    assert "no consensus" in done.stdout


def test_a_bad_line_of_traffic_ends_before_anything_is_started(tmp_path: Path) -> None:
    command = play(tmp_path, 2)
    (tmp_path / "traffic.jsonl").write_text('{"id": "a", "question": "q"}\n{"id": "b"}\n')
    done = run(command)
    assert done.returncode == 2
    assert done.stderr.startswith(f"play: {tmp_path / 'traffic.jsonl'}, line 2: ")
    assert not (tmp_path / "data").exists()


def test_without_updates_it_serves_until_an_interrupt(tmp_path: Path) -> None:
    command = [part for part in play(tmp_path, 2) if part != "--exit"]
    command[command.index("--updates") + 1] = "0"
    said = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=listen_to_interrupts
    ) as serving:
        assert serving.stdout is not None
        while "until Ctrl-C" not in said:
            line = serving.stdout.readline()
            assert line, said
            said += line
        serving.send_signal(signal.SIGINT)
        said += serving.stdout.read()  # to the end: a closed pipe would break its last lines
    assert serving.returncode == 0
    url = said.split("/v1 serves v0")[0].split()[-1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
