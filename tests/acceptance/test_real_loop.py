"""The real thing, through the official `openai` package: vLLM, the demo model, the trainer.

Chat, stream, uncertainty, an update out of traffic, a swap under load, a rollback, a dead engine,
a restart with the last version live.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai import APIStatusError, OpenAI
from serving import Served

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

CONFIG = Path(str(files("empo_serve") / "demo_data" / "demo.toml"))
MODEL = "smollm2-135m-instruct"
# fmt: off
COUNTRIES = [
    "France", "Italy", "Spain", "Portugal", "Norway", "Sweden", "Poland", "Austria", "Greece",
    "Egypt", "Kenya", "Peru", "Chile", "Brazil", "Canada", "Mexico", "Cuba", "Japan", "China",
    "India", "Thailand", "Vietnam", "Iran", "Iraq", "Turkey", "Russia",
]
# fmt: on


def question(country: str) -> list[dict[str, str]]:
    text = f"What is the capital of {country}? Answer with only the name of the city."
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real") / "data"


@pytest.fixture(scope="module")
def served(data_dir: Path, demo_model_dir: Path) -> Iterator[list[Served]]:
    """The running server; a list, because one of the tests replaces it."""
    running = [serve(data_dir, demo_model_dir)]
    yield running
    assert running[-1].stop() == 0, running[-1].log.read_text()


def serve(data_dir: Path, model_dir: Path) -> Served:
    # The demo's own configuration, with small updates so that one comes soon.
    settings = (f"model.path={model_dir}", f"model.name={MODEL}", "train.groups_per_update=4")
    return Served(data_dir, *settings, config=CONFIG).wait_ready(300)


def client_of(server: Served) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=300)


def live(server: Served) -> str:
    return str(server.get("/admin/v1/status", admin=True)[1]["live"])


def greedy(client: OpenAI, version: str) -> tuple[list[str], list[float]]:
    """Greedy answers and their first log-probabilities under one version: its fingerprint."""
    texts, logprobs_of_first = [], []
    for country in COUNTRIES[:3]:
        answer = client.chat.completions.create(
            model=MODEL,
            messages=question(country),  # type: ignore[arg-type]
            temperature=0,
            max_tokens=8,
            logprobs=True,
            extra_headers={"X-Empo-Version": version, "X-Empo-Learn": "no"},
        )
        logprobs = answer.choices[0].logprobs
        assert logprobs is not None
        assert logprobs.content is not None
        logprobs_of_first.append(logprobs.content[0].logprob)
        texts.append(str(answer.choices[0].message.content))
    return texts, logprobs_of_first


def is_same(a: tuple[list[str], list[float]], b: tuple[list[str], list[float]]) -> bool:
    """Equal up to rounding, which depends on what of the prompt is in the engine's cache, and may
    turn a text where two tokens are about as likely."""
    return a[1] == pytest.approx(b[1], abs=0.15)


def test_the_openai_client_works_unchanged(served: list[Served]) -> None:
    client = client_of(served[-1])
    answer = client.chat.completions.create(
        model=MODEL,
        messages=question("France"),  # type: ignore[arg-type]
        temperature=0,
        max_tokens=16,
        extra_headers={"X-Empo-Learn": "no"},
    )
    assert answer.model == MODEL
    assert "Paris" in (answer.choices[0].message.content or "")
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=question("France"),  # type: ignore[arg-type]
            temperature=0,
            max_tokens=16,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers={"X-Empo-Learn": "no"},
        )
    )
    assert {chunk.model for chunk in chunks} == {MODEL}
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == answer.choices[0].message.content
    completion = client.completions.create(model=MODEL, prompt="Paris is", max_tokens=3)
    assert completion.choices[0].finish_reason == "length"
    assert [model.id for model in client.models.list()] == [MODEL]
    with pytest.raises(APIStatusError) as caught:
        client.chat.completions.create(model="other", messages=question("France"))  # type: ignore[arg-type]
    assert caught.value.status_code == 404


def test_uncertainty_and_consensus_on_request(served: list[Served]) -> None:
    client = client_of(served[-1])
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=question("Australia"),  # type: ignore[arg-type]
        max_tokens=16,
        extra_body={"empo": {"samples": 8, "answer": "consensus"}},
        extra_headers={"X-Empo-Learn": "no"},
    )
    body: dict[str, Any] = json.loads(raw.text)
    empo = body["empo"]
    assert sum(cluster["count"] for cluster in empo["clusters"]) == 8
    assert empo["version"] == "v0"
    best = next(c["answer"] for c in empo["clusters"] if c["answer"])
    assert best.casefold() in body["choices"][0]["message"]["content"].casefold()


def test_so_small_a_model_is_found_unfit_to_judge_and_takes_no_part(served: list[Served]) -> None:
    def checked() -> Any:
        judge = served[-1].get("/admin/v1/status", admin=True)[1]["judge"]
        return judge if judge["check"] != "not done yet" else None

    judge = served[-1].until(checked, 200)
    assert judge["model"] == "v0"
    assert judge["takes_part"] is False
    assert "on 40 pairs, 0 without a yes or no" in judge["check"]


def test_traffic_becomes_a_version_and_the_swap_fails_and_mixes_nothing(
    served: list[Served],
) -> None:
    server = served[-1]
    client = client_of(server)
    stop = False

    def ask(worker: int) -> list[int]:
        """Plain and streamed requests, one after the other; the versions that answered."""
        versions: list[int] = []
        while not stop:
            country = COUNTRIES[(7 * len(versions) + worker) % len(COUNTRIES)]
            stream = len(versions) % 2 == 1
            raw = client.chat.completions.with_raw_response.create(
                model=MODEL,
                messages=question(country),  # type: ignore[arg-type]
                max_tokens=16,
                stream=stream,
            )
            parsed = raw.parse()
            names = {chunk.model for chunk in parsed} if stream else {parsed.model}  # type: ignore[union-attr,attr-defined]
            assert names == {MODEL}
            versions.append(int(raw.headers["X-Empo-Version"][1:]))
        return versions

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(ask, number) for number in range(3)]
        try:
            server.until(lambda: live(server) != "v0", 400)
            # One update is enough; one more may be on its way.
            server.post("/admin/v1/learning/pause", admin=True)
            # A few more answers, so that each worker meets the new version.
            count = server.metric("empo_requests_total")
            server.until(lambda: server.metric("empo_requests_total") > count + 6, 100)
        finally:
            stop = True
        seen = [worker.result() for worker in workers]
    assert any(1 in versions for versions in seen)
    assert all(versions == sorted(versions) for versions in seen)
    server.until(
        lambda: server.get("/admin/v1/status", admin=True)[1]["learning"]["update_running"] is None,
        300,
    )
    new, old = greedy(client, "v1"), greedy(client, "v0")
    assert new[0] != old[0] or not is_same(new, old)
    update = server.get("/admin/v1/updates", admin=True)[1]["updates"][-1]
    # The trainer's own numbers agree with the sampler's, token by token, up to bfloat16.
    assert update["metrics"]["mean_abs_logprob_difference"] < 0.1
    rows = server.get("/admin/v1/queries?limit=1000", admin=True)[1]["queries"]
    assert {row["update_id"] for row in rows if row["state"] == "TRAINED"} >= {1}


def test_a_rollback_serves_the_former_version_at_once(served: list[Served]) -> None:
    server = served[-1]
    client = client_of(server)
    bad = live(server)
    parent = next(
        a["parent"]
        for a in server.get("/admin/v1/adapters", admin=True)[1]["adapters"]
        if a["version"] == bad
    )
    before = greedy(client, parent)
    assert server.post(f"/admin/v1/adapters/{bad}/rollback", admin=True)[0] == 200
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=question("Peru"),  # type: ignore[arg-type]
        max_tokens=4,
    )
    assert raw.headers["X-Empo-Version"] == parent
    assert is_same(greedy(client, parent), before)


def test_a_killed_engine_gives_503_and_comes_back_with_the_live_version(
    served: list[Served],
) -> None:
    server = served[-1]
    client = client_of(server)
    version = live(server)
    before = greedy(client, version)
    engine = server.get("/admin/v1/status", admin=True)[1]["engine"]["pid"]
    workers = psutil.Process(engine).children(recursive=True)
    os.kill(engine, signal.SIGKILL)
    server.until(lambda: server.get("/health/ready")[0] == 503)
    with pytest.raises(APIStatusError) as caught:
        client.chat.completions.create(model=MODEL, messages=question("Peru"))  # type: ignore[arg-type]
    assert caught.value.status_code == 503
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "ServiceUnavailableError"
    server.until(lambda: server.get("/health/ready")[0] == 200, 300)
    alive = [w for w in workers if w.is_running() and w.status() != psutil.STATUS_ZOMBIE]
    assert not alive
    assert is_same(greedy(client, version), before)


def test_after_a_restart_the_last_version_is_live(
    served: list[Served], data_dir: Path, demo_model_dir: Path
) -> None:
    version = live(served[-1])
    before = greedy(client_of(served[-1]), version)
    assert served[-1].stop() == 0
    served.append(serve(data_dir, demo_model_dir))
    assert live(served[-1]) == version
    assert is_same(greedy(client_of(served[-1]), version), before)
